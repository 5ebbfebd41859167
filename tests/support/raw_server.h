// A TCP server on loopback that answers as the test says, also as no HTTP server would.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace ringside::agent {

class RawServer {
  public:
    // Called on the server's thread for each connection, numbered from 0; the connection is closed after it.
    using Serve = std::function<void(RawServer& server, int fd, std::size_t number)>;

    explicit RawServer(Serve serve) : serve_(std::move(serve)), fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* generic = reinterpret_cast<sockaddr*>(&address);
        if (fd_ < 0 || bind(fd_, generic, size) != 0 || listen(fd_, 16) != 0 || getsockname(fd_, generic, &size) != 0) {
            std::abort();
        }
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { run(); });
    }
    ~RawServer() {
        shutdown(fd_, SHUT_RDWR);
        thread_.join();
        close(fd_);
    }

    int port() const { return port_; }
    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    std::vector<std::string> requests() {
        std::lock_guard lock(mutex_);
        return requests_;
    }

    // One HTTP request with its body, which is also kept; cut off where the peer stops.
    std::string read_request(int fd) {
        std::string text;
        std::size_t end = std::string::npos;
        while ((end = text.find("\r\n\r\n")) == std::string::npos && read_more(fd, text)) {
        }
        const std::size_t at = text.find("Content-Length: ");
        const std::size_t body = at == std::string::npos || at > end ? 0 : std::stoul(text.substr(at + 16));
        while (end != std::string::npos && text.size() < end + 4 + body && read_more(fd, text)) {
        }
        std::lock_guard lock(mutex_);
        requests_.push_back(text);
        return text;
    }
    static std::string read_exactly(int fd, std::size_t size) {
        std::string bytes(size, '\0');
        const ssize_t got = recv(fd, bytes.data(), size, MSG_WAITALL);
        bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return bytes;
    }
    static void write(int fd, const std::string& bytes) { (void)send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL); }

  private:
    static bool read_more(int fd, std::string& text) {
        char bytes[4096];
        const ssize_t got = recv(fd, bytes, sizeof bytes, 0);
        if (got > 0) text.append(bytes, static_cast<std::size_t>(got));
        return got > 0;
    }
    void run() {
        for (std::size_t number = 0;; ++number) {
            const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) return;
            serve_(*this, fd, number);
            close(fd);
        }
    }

    Serve serve_;
    int fd_;
    int port_ = 0;
    std::mutex mutex_;
    std::vector<std::string> requests_;  // under mutex_
    std::thread thread_;
};

}  // namespace ringside::agent
