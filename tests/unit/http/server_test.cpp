#include "agent/http/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/temporary_folder.h"
#include "tests/unit/http/http_fixture.h"

namespace ringside::agent {
namespace {

using namespace std::chrono_literals;

TEST(HttpServer, AnswersARequestThatComesByteByByte) {
    HttpFixture fixture;
    HttpClient client = fixture.client();
    for (char c : std::string("GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
        client.send_text({c});
    EXPECT_TRUE(client.read_all().ends_with("GET /slow "));
}

TEST(HttpServer, DoesNotTakeABodyForARequest) {
    HttpFixture fixture;
    const std::string body = get("/smuggled");
    const std::string answer = fixture.ask(
        "POST /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\n\r\n" + body);
    EXPECT_TRUE(answer.ends_with("POST /a " + body)) << answer;
}

TEST(HttpServer, KeepsTheConnectionForTheNextRequest) {
    HttpFixture fixture;
    HttpClient client = fixture.client();
    for (int i = 0; i < 100; ++i) {
        client.send_text(get("/" + std::to_string(i), ""));
        ASSERT_TRUE(client.read_answer().ends_with("GET /" + std::to_string(i) + " ")) << i;
    }
    client.send_text(get("/last"));
    EXPECT_TRUE(client.read_all().ends_with("GET /last "));
}

TEST(HttpServer, SendsNoBodyForHead) {
    HttpFixture fixture;
    const std::string answer = fixture.ask("HEAD /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    EXPECT_NE(answer.find("Content-Length: 8\r\n"), std::string::npos) << answer;
    EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
}

TEST(HttpServer, StopsWithConnectionsOpen) {
    HttpFixture fixture;
    HttpClient half = fixture.client();
    half.send_text("GET / HTT");
    HttpClient silent = fixture.client();
    fixture.server->stop();
    EXPECT_EQ(silent.read_all(), "");
    fixture.server->stop();
}

TEST(HttpServer, SaysWhyItCannotListen) {
    HttpFixture fixture;
    Metrics metrics;
    HttpOptions taken;
    taken.port = fixture.server->port();
    auto started = HttpServer(taken, {.quick = echo, .slow = {}, .busy = {}}, metrics).start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Code::kExists);
    HttpOptions named;
    named.address = "localhost";
    started = HttpServer(named, {.quick = echo, .slow = {}, .busy = {}}, metrics).start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Code::kInvalid);
}

TEST(HttpServer, ListensOnIpv6) {
    HttpOptions options;
    options.address = "::1";
    Metrics metrics;
    HttpServer server(options, {.quick = echo, .slow = {}, .busy = {}}, metrics);
    auto started = server.start();
    // A machine may have no IPv6; the address is understood all the same.
    if (!started) {
        EXPECT_NE(started.error().code, Code::kInvalid);
    } else {
        EXPECT_NE(server.port(), 0);
    }
}

TEST(HttpServer, RefusesToShowOtherHostsWhatIsNotGuarded) {
    Metrics metrics;
    HttpOptions options;
    options.address = "0.0.0.0";
    auto started = HttpServer(options, {.quick = echo, .slow = {}, .busy = {}}, metrics).start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Code::kInvalid);
    EXPECT_NE(started.error().context.find("http-token-file"), std::string::npos) << started.error().context;
    options.certificate_path = options.key_path = "/nowhere";
    EXPECT_FALSE(check_exposure(options));
    options.token_path = "/nowhere";
    EXPECT_TRUE(check_exposure(options));
    options.key_path = "";
    EXPECT_FALSE(check_exposure(options));
    const auto passes = [](const char* address) {
        HttpOptions bare;
        bare.address = address;
        return check_exposure(bare).ok();
    };
    for (const char* address : {"::", "10.0.0.1", "::ffff:10.0.0.1"}) EXPECT_FALSE(passes(address)) << address;
    for (const char* address : {"127.0.0.1", "127.9.9.9", "::1", ""}) EXPECT_TRUE(passes(address)) << address;
}

// A page of another site may have a name of its own lead to this host, and would be read by that page as its own.
TEST(HttpServer, RefusesToBeCalledByAForeignName) {
    HttpOptions options;
    options.open_paths = {"/-/healthy"};
    HttpFixture fixture(options);
    const auto status = [&](const std::string& host, const std::string& path = "/a") {
        return fixture.ask("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n").substr(9, 3);
    };
    for (const char* own : {"localhost", "LocalHost:9465", "127.0.0.1", "127.0.0.1:9465", "[::1]", "[::1]:80", ""}) {
        EXPECT_EQ(status(own), "200") << own;
    }
    for (const char* foreign : {"evil.example", "localhost.evil.example:9465", "127.0.0.1.evil.example", "[evil"}) {
        EXPECT_EQ(status(foreign), "403") << foreign;
    }
    EXPECT_EQ(status("evil.example", "/-/healthy"), "200");
    EXPECT_TRUE(fixture.ask("GET /a HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 200 "));
    EXPECT_NE(fixture.ask("GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").find("Host: localhost"),
              std::string::npos);
}

TEST(HttpServer, AsksForTheTokenButOnOpenPaths) {
    const TemporaryFolder folder;
    HttpOptions options;
    options.token_path = folder.path() + "/token";
    options.open_paths = {"/-/healthy"};
    FILE* file = std::fopen(options.token_path.c_str(), "w");
    std::fputs("s3cret\n", file);
    std::fclose(file);
    HttpFixture fixture(options);
    const auto status = [&](const std::string& path, const std::string& authorization) {
        return fixture.ask(get(path, "Connection: close\r\nAuthorization: " + authorization + "\r\n")).substr(9, 3);
    };
    EXPECT_EQ(status("/a", "Bearer s3cret"), "200");
    EXPECT_EQ(status("/a", "bearer  s3cret"), "200");
    for (const char* wrong : {"Bearer s3cre", "Bearer s3cretx", "Basic s3cret", "s3cret", "Bearer"}) {
        EXPECT_EQ(status("/a", wrong), "401") << wrong;
    }
    EXPECT_EQ(status("/-/healthy", "Bearer wrong"), "200");
    EXPECT_NE(fixture.ask(get("/a")).find("WWW-Authenticate: Bearer\r\n"), std::string::npos);
}

TEST(HttpServer, ServesAUnixSocketToWhomThePolicyAllows) {
    const TemporaryFolder folder;
    HttpOptions options;
    options.address = "";
    options.socket.emplace().path = folder.path() + "/http.sock";
    options.policy.own_uid = ::geteuid();
    HttpHandlers handlers;
    handlers.quick = [](const HttpRequest& request) {
        return HttpAnswer{.body = request.caller.is_operator ? "operator" : "tenant"};
    };
    {
        HttpFixture fixture(options, handlers);
        EXPECT_EQ(fixture.server->port(), 0);
        HttpClient client(options.socket->path);
        client.send_text(get("/"));
        EXPECT_TRUE(client.read_all().ends_with("operator"));
    }
    EXPECT_NE(access(options.socket->path.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace ringside::agent
