// A real HTTP server with pages of the test, and clients that talk to it byte by byte.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <future>
#include <vector>

#include "agent/http/server.h"
#include "tests/support/wait_until.h"

namespace ringside::agent {
inline std::optional<HttpAnswer> echo(const HttpRequest& request) {
    return HttpAnswer{.body = request.method + " " + request.path + " " + request.body};
}

inline std::string get(const std::string& path, const std::string& headers = "Connection: close\r\n") {
    return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
}

class HttpClient {
  public:
    explicit HttpClient(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const int bytes = 64 * 1024;  // Fixed: else the kernel would take in megabytes for a client that reads nothing.
        setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }
    HttpClient(HttpClient&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    ~HttpClient() {
        if (fd_ >= 0) close(fd_);
    }
    explicit HttpClient(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }
    void send_text(const std::string& text) { send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }
    // Everything until the server hangs up.
    std::string read_all() {
        std::string all;
        char buffer[65536];
        for (ssize_t count; (count = recv(fd_, buffer, sizeof buffer, 0)) > 0;) {
            all.append(buffer, static_cast<std::size_t>(count));
        }
        return all;
    }
    // One whole answer of a connection that stays.
    std::string read_answer() {
        std::string all;
        for (char c; recv(fd_, &c, 1, 0) == 1;) {
            all += c;
            if (all.ends_with("\r\n\r\n")) break;
        }
        const std::size_t at = all.find("Content-Length: ");
        std::string body(at == std::string::npos ? 0 : std::stoul(all.substr(at + 16)), '\0');
        if (!body.empty()) {
            EXPECT_EQ(recv(fd_, body.data(), body.size(), MSG_WAITALL), static_cast<ssize_t>(body.size()));
        }
        return all + body;
    }
    int fd() const { return fd_; }

  private:
    int fd_;
};

struct HttpFixture {
    Metrics metrics;
    FairPool pool;
    std::unique_ptr<HttpServer> server;

    explicit HttpFixture(HttpOptions options = {}, HttpHandlers handlers = {.quick = echo, .slow = {}, .busy = {}},
                         const FairPool::Limits& turns = {})
        : pool(turns) {
        handlers.pool = &pool;
        server = std::make_unique<HttpServer>(std::move(options), std::move(handlers), metrics);
        auto started = server->start();
        EXPECT_TRUE(started) << started.error().message();
    }
    HttpClient client() { return HttpClient(server->port()); }
    std::string ask(const std::string& request) {
        HttpClient one = client();
        one.send_text(request);
        return one.read_all();
    }
    std::uint64_t dropped(const char* reason) {
        return metrics
            .counter("ringside_http_connections_dropped_total",
                     "HTTP connections that ended without an answer of their own, by reason.", {{"reason", reason}})
            .value();
    }
    double gauge(const std::string& name) {
        const std::string text = "\n" + metrics.text();
        const std::size_t at = text.find("\n" + name + " ");
        return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
    }
};

// A page /slow that holds its worker until it is let go or its client has hung up; all else is quick.
struct SlowPage {
    std::atomic<int> begun{0};
    std::atomic<int> hung_up{0};
    std::atomic<bool> let_go{false};

    HttpHandlers handlers() {
        return {
            .quick = [](const HttpRequest& request) { return request.path == "/slow" ? std::nullopt : echo(request); },
            .slow =
                [this](const HttpRequest& request, FairPool::Turn& turn) {
                    ++begun;
                    while (!let_go && !turn.hung_up()) std::this_thread::yield();
                    if (turn.hung_up()) ++hung_up;
                    return *echo(request);
                },
            .busy = [](const HttpRequest&) { return HttpAnswer{.status = 503, .body = "too many\n"}; }};
    }
};

}  // namespace ringside::agent
