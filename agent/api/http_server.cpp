#include "agent/api/http_server.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

namespace ringside::agent {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

constexpr const char* kDroppedHelp = "HTTP connections that ended without an answer of their own, by reason.";
constexpr milliseconds kTick{200};        // how late a deadline may be noticed
constexpr std::size_t kReadBytes = 4096;  // at a time
constexpr int kDrainReads = 16;           // a round: 64 KiB

void close_fd(int& fd) {
    if (fd >= 0) close(std::exchange(fd, -1));
}

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

HttpServer::HttpServer(HttpOptions options, HttpHandler handler, Metrics& metrics)
    : options_(std::move(options)),
      handler_(std::move(handler)),
      requests_(metrics.counter("ringside_http_requests_total", "HTTP requests that were answered.")),
      timed_out_(metrics.counter("ringside_http_connections_dropped_total", kDroppedHelp, {{"reason", "timeout"}})),
      displaced_(metrics.counter("ringside_http_connections_dropped_total", kDroppedHelp, {{"reason", "displaced"}})),
      refused_(metrics.counter("ringside_http_connections_dropped_total", kDroppedHelp, {{"reason", "error"}})) {}

Result<void> HttpServer::start() {
    if (auto opened = open_listener(); !opened) {
        close_fd(listen_fd_);
        return opened;
    }
    wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd_ < 0) {
        close_fd(listen_fd_);
        return errno_error(errno, "cannot make an eventfd");
    }
    thread_ = std::thread([this] { run(); });
    return {};
}

void HttpServer::stop() {
    if (!thread_.joinable()) return;
    if (eventfd_write(wake_fd_, 1) == 0) thread_.join();
    for (Connection& connection : connections_) close_fd(connection.fd);
    connections_.clear();
    close_fd(listen_fd_);
    close_fd(wake_fd_);
}

Result<void> HttpServer::open_listener() {
    const std::string where = options_.address + " port " + std::to_string(options_.port);
    addrinfo hints{};
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (getaddrinfo(options_.address.c_str(), std::to_string(options_.port).c_str(), &hints, &found) != 0) {
        return error(Code::kInvalid, "'" + options_.address + "' is not a numeric address; use 127.0.0.1 or ::1");
    }
    sockaddr_storage address{};
    const socklen_t bytes = found->ai_addrlen;
    std::copy_n(reinterpret_cast<const char*>(found->ai_addr), bytes, reinterpret_cast<char*>(&address));
    const int family = found->ai_family;
    freeaddrinfo(found);

    listen_fd_ = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listen_fd_ < 0) return errno_error(errno, "cannot make a socket for HTTP");
    // An agent that restarts must not wait for the old connections of its port.
    const int yes = 1;
    setsockopt(listen_fd_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listen_fd_, reinterpret_cast<sockaddr*>(&address), bytes) != 0 || listen(listen_fd_, 128) != 0) {
        const int failure = errno;
        if (failure != EADDRINUSE) return errno_error(failure, "cannot listen for HTTP on " + where);
        return Error{Code::kExists, failure, "cannot listen for HTTP on " + where + "; choose another port"};
    }
    socklen_t size = sizeof address;
    if (getsockname(listen_fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        return errno_error(errno, "cannot tell the port for HTTP");
    }
    port_ = ntohs(family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                                     : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
    return {};
}

void HttpServer::run() {
    std::vector<pollfd> waits;
    for (;;) {
        waits.clear();
        waits.push_back({wake_fd_, POLLIN, 0});
        waits.push_back({listen_fd_, POLLIN, 0});
        for (const Connection& connection : connections_) {
            const bool writing = connection.step == Step::kWriting;
            waits.push_back({connection.fd, static_cast<short>(writing ? POLLOUT : POLLIN), 0});
        }
        poll(waits.data(), waits.size(), connections_.empty() ? -1 : static_cast<int>(kTick.count()));
        if (waits[0].revents != 0) return;
        const Time now = std::chrono::steady_clock::now();
        auto wait = waits.begin() + 2;
        for (Connection& connection : connections_) {
            if ((wait++)->revents != 0) serve(connection, now);
            expire(connection, now);
        }
        close_done();
        if (waits[1].revents != 0) accept_all(now);
    }
}

void HttpServer::accept_all(Time now) {
    for (;;) {
        const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED) continue;
            if (would_block()) return;
            // Out of descriptors or memory: the ones that are open give way, or time does.
            refused_.add();
            make_room();
            close_done();
            poll(nullptr, 0, 20);
            return;
        }
        if (connections_.size() >= options_.connections_max) {
            make_room();
            close_done();
        }
        connections_.push_back({fd, Step::kReading, now + options_.read_timeout, {}, {}, 0});
        // Most requests are there already.
        serve(connections_.back(), now);
        close_done();
    }
}

// H2: the one that has been reading the longest, else the oldest.
void HttpServer::make_room() {
    if (connections_.empty()) return;
    auto victim = std::ranges::find(connections_, Step::kReading, &Connection::step);
    if (victim == connections_.end()) victim = connections_.begin();
    victim->step = Step::kDone;
    displaced_.add();
}

void HttpServer::serve(Connection& connection, Time now) {
    switch (connection.step) {
        case Step::kReading: return read_request(connection, now);
        case Step::kWriting: return write_answer(connection, now);
        case Step::kHangingUp: return drain(connection);
        case Step::kDone: return;
    }
}

void HttpServer::read_request(Connection& connection, Time now) {
    char buffer[kReadBytes];
    for (;;) {
        const ssize_t count = recv(connection.fd, buffer, sizeof buffer, 0);
        if (count <= 0) {
            if (count == 0 || !would_block()) connection.step = Step::kDone;
            return;
        }
        // An empty line that begins in the bytes before these counts too.
        const std::size_t from = connection.in.size() < 3 ? 0 : connection.in.size() - 3;
        connection.in.append(buffer, static_cast<std::size_t>(count));
        const std::size_t end = connection.in.find("\r\n\r\n", from);
        if (end != std::string::npos && end + 4 <= options_.request_bytes_max) {
            connection.in.resize(end + 4);
            return start_answer(connection, answer_http(connection.in, handler_), now);
        }
        if (connection.in.size() > options_.request_bytes_max) {
            return start_answer(connection, http_error(431, "Request Header Fields Too Large"), now);
        }
    }
}

void HttpServer::start_answer(Connection& connection, std::string answer, Time now) {
    requests_.add();
    connection.in = {};
    connection.out = std::move(answer);
    connection.step = Step::kWriting;
    connection.deadline = now + options_.write_timeout;
    write_answer(connection, now);
}

void HttpServer::write_answer(Connection& connection, Time now) {
    while (connection.written < connection.out.size()) {
        const ssize_t count = send(connection.fd, connection.out.data() + connection.written,
                                   connection.out.size() - connection.written, MSG_NOSIGNAL);
        if (count < 0) {
            if (!would_block()) connection.step = Step::kDone;
            return;
        }
        connection.written += static_cast<std::size_t>(count);
    }
    // Closing while unread bytes wait would reset the connection and could take the answer along. So: say that this was
    // all, and let the client hang up.
    connection.out = {};
    shutdown(connection.fd, SHUT_WR);
    connection.step = Step::kHangingUp;
    connection.deadline = now + options_.linger;
    drain(connection);
}

void HttpServer::drain(Connection& connection) {
    char buffer[kReadBytes];
    for (int i = 0; i < kDrainReads; ++i) {
        const ssize_t count = recv(connection.fd, buffer, sizeof buffer, 0);
        if (count > 0) continue;
        if (count == 0 || !would_block()) connection.step = Step::kDone;
        return;
    }
}

void HttpServer::expire(Connection& connection, Time now) {
    if (connection.step == Step::kDone || now < connection.deadline) return;
    if (connection.step != Step::kHangingUp) timed_out_.add();
    if (connection.step == Step::kReading && !connection.in.empty()) {
        return start_answer(connection, http_error(408, "Request Timeout"), now);
    }
    // Reset it: otherwise the kernel goes on offering the rest of the answer to a client that does not read.
    const linger at_once{1, 0};
    setsockopt(connection.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    connection.step = Step::kDone;
}

void HttpServer::close_done() {
    connections_.remove_if([](Connection& connection) {
        if (connection.step != Step::kDone) return false;
        close_fd(connection.fd);
        return true;
    });
}

}  // namespace ringside::agent
