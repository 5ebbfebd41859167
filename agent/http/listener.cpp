#include "agent/http/listener.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "agent/http/options.h"

namespace ringside::agent {
namespace {

Error not_numeric(const std::string& address) {
    return error(Code::kInvalid, "'" + address + "' is not a numeric address; use 127.0.0.1 or ::1");
}

Result<TcpListener> bound(int fd, sockaddr_storage address, socklen_t bytes, const std::string& where) {
    // An agent that restarts must not wait for the old connections of its port.
    const int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, reinterpret_cast<sockaddr*>(&address), bytes) != 0 || listen(fd, 128) != 0) {
        const int failure = errno;
        if (failure != EADDRINUSE) return errno_error(failure, "cannot listen for HTTP on " + where);
        return Error{Code::kExists, failure, "cannot listen for HTTP on " + where + "; choose another port"};
    }
    socklen_t size = sizeof address;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        return errno_error(errno, "cannot tell the port for HTTP");
    }
    const bool ipv6 = address.ss_family == AF_INET6;
    return TcpListener{fd, ntohs(ipv6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                                      : reinterpret_cast<sockaddr_in*>(&address)->sin_port)};
}

}  // namespace

Result<TcpListener> listen_tcp(const std::string& address, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
        return not_numeric(address);
    }
    sockaddr_storage binary{};
    const socklen_t bytes = found->ai_addrlen;
    std::copy_n(reinterpret_cast<const char*>(found->ai_addr), bytes, reinterpret_cast<char*>(&binary));
    freeaddrinfo(found);

    const int fd = socket(binary.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return errno_error(errno, "cannot make a socket for HTTP");
    auto listener = bound(fd, binary, bytes, address + " port " + std::to_string(port));
    if (!listener) close(fd);
    return listener;
}

Result<bool> is_loopback(const std::string& address) {
    in_addr v4{};
    if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
    in6_addr v6{};
    if (inet_pton(AF_INET6, address.c_str(), &v6) == 1) return bool{IN6_IS_ADDR_LOOPBACK(&v6)};
    return not_numeric(address);
}

Result<void> check_exposure(const HttpOptions& options) {
    if (options.certificate_path.empty() != options.key_path.empty()) {
        return error(Code::kInvalid, "http-certificate and http-key go together; give both or none");
    }
    if (options.address.empty()) return {};
    const auto loopback = is_loopback(options.address);
    if (!loopback) return loopback.error();
    if (*loopback || (!options.certificate_path.empty() && !options.token_path.empty())) return {};
    return error(Code::kInvalid, "HTTP on " + options.address +
                                     " would show the metrics of all VMs to whoever reaches it: give http-certificate, "
                                     "http-key and http-token-file, or listen on 127.0.0.1");
}

}  // namespace ringside::agent
