#include "agent/api/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "agent/api/http_pages.h"

namespace ringside::agent {
namespace {

using namespace std::chrono_literals;

HttpAnswer echo(const HttpRequest& request) {
    return {.status = 200, .content_type = "text/plain", .body = request.method + " " + request.path};
}

TEST(HttpCodec, AnswersGetAndHead) {
    const std::string get = answer_http("GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n", echo);
    EXPECT_TRUE(get.starts_with("HTTP/1.1 200 OK\r\n")) << get;
    EXPECT_TRUE(get.ends_with("\r\n\r\nGET /a")) << get;
    EXPECT_NE(get.find("Connection: close\r\n"), std::string::npos);
    const std::string head = answer_http("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n", echo);
    EXPECT_NE(head.find("Content-Length: 7\r\n"), std::string::npos) << head;
    EXPECT_TRUE(head.ends_with("\r\n\r\n")) << head;
}

TEST(HttpCodec, RefusesOtherMethods) {
    for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
        const std::string answer =
            answer_http(std::string(method) + " /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", echo);
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 405 ")) << answer;
        EXPECT_NE(answer.find("Allow: GET, HEAD\r\n"), std::string::npos) << answer;
    }
}

TEST(HttpCodec, AnswersNonsenseWith400) {
    for (const char* bytes : {"\r\n\r\n", "GET\r\n\r\n", "GET / SPDY/9\r\n\r\n", "FROB / HTTP/1.1\r\n\r\n",
                              "\x16\x03\x01\x02\x00\x01\r\n\r\n", "GET / HTTP/1.1\r\nbroken\r\n\r\n"}) {
        const std::string answer = answer_http(bytes, echo);
        const bool taken = answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.1 200 ");
        EXPECT_TRUE(taken) << bytes << " -> " << answer;
    }
    EXPECT_TRUE(answer_http("GET / SPDY/9\r\n\r\n", echo).starts_with("HTTP/1.1 400 "));
}

TEST(HttpCodec, ServesTheWholePageWhateverRangesAreAskedFor) {
    std::string ranges = "bytes=0-";
    for (int i = 0; i < 1000; ++i) ranges += ",0-";
    const std::string answer = answer_http("GET /a HTTP/1.1\r\nHost: x\r\nRange: " + ranges + "\r\n\r\n", echo);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer.substr(0, 200);
    EXPECT_TRUE(answer.ends_with("GET /a"));
    EXPECT_LT(answer.size(), 500u);
}

TEST(HttpCodec, DoesNotCompress) {
    const std::string answer = answer_http("GET /a HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip, br\r\n\r\n", echo);
    EXPECT_EQ(answer.find("Content-Encoding"), std::string::npos) << answer;
    EXPECT_TRUE(answer.ends_with("GET /a"));
}

TEST(HttpPages, ServeMetricsHealthAndReadiness) {
    Metrics metrics;
    metrics.counter("ringside_x_total", "X.").add(3);
    bool ready = false;
    const HttpHandler pages = http_pages(metrics, [&] { return ready; });
    EXPECT_NE(pages({"GET", "/metrics"}).body.find("\nringside_x_total 3\n"), std::string::npos);
    EXPECT_EQ(pages({"GET", "/metrics"}).content_type, "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_EQ(pages({"GET", "/-/healthy"}).status, 200);
    EXPECT_EQ(pages({"GET", "/-/ready"}).status, 503);
    ready = true;
    EXPECT_EQ(pages({"GET", "/-/ready"}).status, 200);
    for (const char* path : {"/", "/metrics/", "/-/", "/-/healthy/x", "//metrics"}) {
        EXPECT_EQ(pages({"GET", path}).status, 404) << path;
    }
}

class Client {
  public:
    explicit Client(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }
    Client(Client&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    ~Client() {
        if (fd_ >= 0) close(fd_);
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
    int fd() const { return fd_; }

  private:
    int fd_;
};

struct Fixture {
    Metrics metrics;
    std::unique_ptr<HttpServer> server;

    explicit Fixture(HttpOptions options = {}, HttpHandler handler = echo) {
        server = std::make_unique<HttpServer>(std::move(options), std::move(handler), metrics);
        auto started = server->start();
        EXPECT_TRUE(started) << started.error().message();
    }
    Client client() { return Client(server->port()); }
    double dropped(const char* reason) {
        return static_cast<double>(
            metrics
                .counter("ringside_http_connections_dropped_total",
                         "HTTP connections that ended without an answer of their own, by reason.", {{"reason", reason}})
                .value());
    }
};

TEST(HttpServer, AnswersARequestThatComesByteByByte) {
    Fixture fixture;
    Client client = fixture.client();
    for (char c : std::string("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")) client.send_text({c});
    EXPECT_TRUE(client.read_all().ends_with("GET /slow"));
}

TEST(HttpServer, AnswersOneRequestAConnection) {
    Fixture fixture;
    Client client = fixture.client();
    client.send_text(
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string answer = client.read_all();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 405 ")) << answer;
    EXPECT_EQ(answer.find("smuggled"), std::string::npos);
}

TEST(HttpServer, RefusesHeadersWithoutEnd) {
    Fixture fixture;
    Client client = fixture.client();
    client.send_text("GET / HTTP/1.1\r\n");
    const std::string line = "X-Filler: " + std::string(1000, 'x') + "\r\n";
    for (int i = 0; i < 40; ++i) client.send_text(line);
    EXPECT_TRUE(client.read_all().starts_with("HTTP/1.1 431 "));
}

TEST(HttpServer, GivesUpOnARequestThatDoesNotEnd) {
    HttpOptions options;
    options.read_timeout = 50ms;
    Fixture fixture(options);
    Client half = fixture.client();
    half.send_text("GET / HTT");
    EXPECT_TRUE(half.read_all().starts_with("HTTP/1.1 408 "));
    Client silent = fixture.client();
    EXPECT_EQ(silent.read_all(), "");
    EXPECT_EQ(fixture.dropped("timeout"), 2);
}

TEST(HttpServer, GivesUpOnAnAnswerThatNobodyReads) {
    HttpOptions options;
    options.write_timeout = 50ms;
    Fixture fixture(options, [](const HttpRequest&) { return HttpAnswer{.body = std::string(64 << 20, 'x')}; });
    Client client = fixture.client();
    client.send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    pollfd hung_up{client.fd(), POLLRDHUP, 0};
    EXPECT_EQ(poll(&hung_up, 1, 60'000), 1);
    EXPECT_TRUE(hung_up.revents & (POLLERR | POLLHUP));
    EXPECT_EQ(fixture.dropped("timeout"), 1);
}

TEST(HttpServer, SendsAnAnswerLargerThanTheSocketsBuffer) {
    Fixture fixture({}, [](const HttpRequest&) { return HttpAnswer{.body = std::string(16 << 20, 'x')}; });
    Client client = fixture.client();
    client.send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_GT(client.read_all().size(), std::size_t{16} << 20);
}

TEST(HttpServer, AnswersGoodClientsAmongManySilentOnes) {
    HttpOptions options;
    options.connections_max = 8;
    options.read_timeout = 10min;
    Fixture fixture(options);
    std::vector<Client> silent;
    for (int i = 0; i < 200; ++i) {
        silent.push_back(fixture.client());
        silent.back().send_text("GET / HTTP/1.1\r\n");
        if (i % 10 != 0) continue;
        Client good = fixture.client();
        good.send_text("GET /good HTTP/1.1\r\nHost: x\r\n\r\n");
        ASSERT_TRUE(good.read_all().ends_with("GET /good")) << i;
    }
    EXPECT_GE(fixture.dropped("displaced"), 180);
}

TEST(HttpServer, StopsWithConnectionsOpen) {
    Fixture fixture;
    Client half = fixture.client();
    half.send_text("GET / HTT");
    Client silent = fixture.client();
    fixture.server->stop();
    EXPECT_EQ(silent.read_all(), "");
    fixture.server->stop();
}

TEST(HttpServer, SaysWhyItCannotListen) {
    Fixture fixture;
    Metrics metrics;
    HttpOptions taken;
    taken.port = fixture.server->port();
    auto started = HttpServer(taken, echo, metrics).start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Code::kExists);
    HttpOptions named;
    named.address = "localhost";
    started = HttpServer(named, echo, metrics).start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Code::kInvalid);
}

TEST(HttpServer, ListensOnIpv6) {
    HttpOptions options;
    options.address = "::1";
    Metrics metrics;
    HttpServer server(options, echo, metrics);
    auto started = server.start();
    // A machine may have no IPv6; the address is understood all the same.
    if (!started) {
        EXPECT_NE(started.error().code, Code::kInvalid);
    } else {
        EXPECT_NE(server.port(), 0);
    }
}

}  // namespace
}  // namespace ringside::agent
