// How a remote write receiver is reached: credentials, headers, proxies, and answers that are none.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "agent/upstream/http_sender.h"
#include "tests/support/raw_server.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/upstream/delivery_fixture.h"

namespace ringside::agent {
namespace {

constexpr char kTaken[] =
    "HTTP/1.1 204 No Content\r\nX-Prometheus-Remote-Write-Samples-Written: 1\r\nConnection: close\r\n\r\n";

class HttpConnection : public testing::Test {
  protected:
    HttpConnection() { options.url = receiver.url(); }
    std::string write(const std::string& name, const std::string& text) {
        std::ofstream(folder / name) << text;
        return folder / name;
    }
    std::string header_of(std::size_t request, const std::string& name) {
        const auto headers = receiver.requests().at(request).headers;
        return headers.count(name) == 1 ? headers.find(name)->second : "(not once)";
    }

    TemporaryFolder folder;
    MockReceiver receiver;
    UpstreamOptions options;
};

TEST_F(HttpConnection, ShowsAUserAndAPassword) {
    options.auth = {"edge", write("password", "open sesame\n"), ""};
    Bench bench(options);
    EXPECT_TRUE(bench.delivery->deliver(Batch(1).samples).refused.empty());
    EXPECT_EQ(header_of(0, "Authorization"), "Basic ZWRnZTpvcGVuIHNlc2FtZQ==");  // printf edge:open\ sesame | base64
    EXPECT_EQ(receiver.breaches(), std::vector<std::string>{});
}

TEST_F(HttpConnection, PadsBasicAuthOfAnyLength) {
    const char* secrets[] = {"a", "ab", "abc"};
    const char* expected[] = {"Basic dTph", "Basic dTphYg==", "Basic dTphYmM="};
    for (std::size_t n = 0; n < 3; ++n) {
        options.auth = {"u", write("password", secrets[n]), ""};
        Bench bench(options);
        EXPECT_TRUE(
            bench.delivery->deliver(Batch(1, kSampleMs + static_cast<std::int64_t>(n)).samples).refused.empty());
        EXPECT_EQ(header_of(n, "Authorization"), expected[n]);
    }
}

TEST_F(HttpConnection, ShowsTheTokenThatIsInTheFileNow) {
    options.auth.bearer_token_file = write("token", "first\n");
    Bench bench(options);
    EXPECT_TRUE(bench.delivery->deliver(Batch(1).samples).refused.empty());
    std::filesystem::rename(write("next", "second\n"), folder / "token");
    EXPECT_TRUE(bench.delivery->deliver(Batch(1, kSampleMs + 1).samples).refused.empty());
    EXPECT_EQ(header_of(0, "Authorization"), "Bearer first");
    EXPECT_EQ(header_of(1, "Authorization"), "Bearer second");
}

TEST_F(HttpConnection, ATokenThatWasReplacedMeanwhileIsTriedOnceMore) {
    for (int status : {401, 403}) {
        options.auth.bearer_token_file = write("token", "old\n");
        const std::size_t before = receiver.requests().size();
        receiver.decide([&](std::size_t number, const auto&) {
            write("token", "new!\n");
            return Answer{number == before ? status : 0, "", {}};
        });
        Bench bench(options);
        EXPECT_TRUE(bench.delivery->deliver(Batch(1, kSampleMs + status).samples).refused.empty());
        EXPECT_EQ(receiver.requests().size(), before + 2);
        EXPECT_EQ(header_of(before + 1, "Authorization"), "Bearer new!");
        EXPECT_TRUE(bench.stats.snapshot().samples_refused.empty());
    }
}

TEST_F(HttpConnection, ATokenThatStaysBadIsFinalAndTheLogSaysWhatToDo) {
    options.auth.bearer_token_file = write("token", "s3cret\n");
    receiver.decide([](std::size_t, const auto&) { return Answer{401, "expired", {}}; });
    Bench bench(options);
    EXPECT_EQ(bench.delivery->deliver(Batch(2).samples).refused.size(), 2u);
    EXPECT_EQ(receiver.requests().size(), 1u);
    EXPECT_NE(bench.all_log().find("HTTP 401: expired; put a good token into " + folder.path()), std::string::npos)
        << bench.all_log();
    EXPECT_EQ(bench.all_log().find("s3cret"), std::string::npos);
    EXPECT_EQ(bench.stats.snapshot().last_error.find("s3cret"), std::string::npos);
}

TEST_F(HttpConnection, WaitsForATokenThatIsNotThereYet) {
    options.auth.bearer_token_file = folder / "token";
    Bench bench(options);
    bench.clock.on_wait = [&](std::size_t waits) {
        if (waits == 3) write("token", "here\n");
    };
    EXPECT_TRUE(bench.delivery->deliver(Batch(1).samples).refused.empty());
    EXPECT_EQ(receiver.requests().size(), 1u);
    EXPECT_EQ(bench.clock.waits.size(), 3u);
    EXPECT_NE(bench.log.at(0).text.find("cannot open " + folder.path()), std::string::npos) << bench.log[0].text;
}

TEST_F(HttpConnection, SendsTheHeadersOfATenant) {
    options.headers = {{"X-Scope-OrgID", "edge|fra"}};
    Bench bench(options);
    EXPECT_TRUE(bench.delivery->deliver(Batch(1).samples).refused.empty());
    EXPECT_EQ(header_of(0, "X-Scope-OrgID"), "edge|fra");
    EXPECT_EQ(header_of(0, "Authorization"), "(not once)");
}

TEST_F(HttpConnection, GoesThroughAnHttpProxy) {
    RawServer proxy([](RawServer& server, int fd, std::size_t) {
        server.read_request(fd);
        RawServer::write(fd, kTaken);
    });
    setenv("no_proxy", "*", 1);
    options.url = "http://receiver.invalid:9090/api/v1/write";  // The proxy finds it.
    options.proxy = "http://" + proxy.address();
    Bench bench(options);
    EXPECT_TRUE(bench.delivery->deliver(Batch(1).samples).refused.empty());
    unsetenv("no_proxy");
    ASSERT_EQ(proxy.requests().size(), 1u);
    EXPECT_EQ(proxy.requests()[0].find("POST http://receiver.invalid:9090/api/v1/write HTTP/1.1\r\n"), 0u);
}

TEST_F(HttpConnection, GoesThroughASocksProxyThatFindsTheHost) {
    std::string wanted;
    RawServer proxy([&](RawServer& server, int fd, std::size_t) {
        const std::string methods = RawServer::read_exactly(fd, 2);
        RawServer::read_exactly(fd, static_cast<unsigned char>(methods.at(1)));
        RawServer::write(fd, std::string("\x05\x00", 2));  // version 5, no credentials
        const std::string head = RawServer::read_exactly(fd, 5);
        wanted = RawServer::read_exactly(fd, static_cast<unsigned char>(head.at(4)) + 2u);
        RawServer::write(fd, std::string("\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00", 10));
        server.read_request(fd);
        RawServer::write(fd, kTaken);
    });
    options.url = "http://receiver.invalid/api/v1/write";
    options.proxy = "socks5h://" + proxy.address();
    Bench bench(options);
    EXPECT_TRUE(bench.delivery->deliver(Batch(1).samples).refused.empty());
    EXPECT_EQ(wanted, std::string("receiver.invalid\x00\x50", 18));
    EXPECT_EQ(proxy.requests().size(), 1u);
}

TEST_F(HttpConnection, AProxyThatSaysNoMayChangeItsMind) {
    RawServer proxy([](RawServer& server, int fd, std::size_t) {
        server.read_request(fd);
        RawServer::write(fd, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    options.url = "https://receiver.invalid/api/v1/write";
    options.proxy = "http://ann:s3cret@" + proxy.address();
    Bench bench(options);
    bench.clock.on_wait = [&](std::size_t waits) {
        if (waits == 2) bench.sender->abort();
    };
    EXPECT_TRUE(bench.delivery->deliver(Batch(1).samples).stopped);
    ASSERT_EQ(proxy.requests().size(), 2u);
    EXPECT_EQ(proxy.requests()[0].find("CONNECT receiver.invalid:443 HTTP/1.1\r\n"), 0u);
    EXPECT_NE(bench.log.at(0).text.find("403"), std::string::npos) << bench.log[0].text;
    EXPECT_EQ(bench.log[0].text.find("s3cret"), std::string::npos);
}

// What a receiver or something before it may answer that is no answer.
TEST_F(HttpConnection, SendsAgainWhatGotNoAnswer) {
    const std::string nothings[] = {
        "",                                                    // closed
        "HTTP/1.1 20",                                         // cut in the status
        "HTTP/1.1 204 No Content\r\nX-Prometheus-Remote-Wri",  // cut in a header
        "SSH-2.0-OpenSSH_9.2\r\n",
        std::string(100'000, 'x'),
        "HTTP/1.1 abc\r\n\r\n",
    };
    RawServer server([&](RawServer& self, int fd, std::size_t number) {
        self.read_request(fd);
        RawServer::write(fd, number < std::size(nothings) ? nothings[number] : kTaken);
    });
    options.url = "http://" + server.address() + "/api/v1/write";
    Bench bench(options);
    EXPECT_TRUE(bench.delivery->deliver(Batch(1).samples).refused.empty());
    EXPECT_EQ(server.requests().size(), std::size(nothings) + 1);
    EXPECT_EQ(bench.clock.waits.size(), std::size(nothings));
    EXPECT_EQ(bench.stats.snapshot().retries, std::size(nothings));
    EXPECT_EQ(bench.log.size(), 2u);
    for (const std::string& request : server.requests()) {  // The same bytes each time.
        EXPECT_EQ(request.substr(request.find("\r\n\r\n")),
                  server.requests()[0].substr(server.requests()[0].find("\r\n\r\n")));
    }
}

// The status is the answer, whatever becomes of the body.
TEST_F(HttpConnection, TakesAStatusWhoseBodyIsCut) {
    RawServer server([&](RawServer& self, int fd, std::size_t) {
        self.read_request(fd);
        RawServer::write(
            fd, "HTTP/1.1 200 OK\r\nX-Prometheus-Remote-Write-Samples-Written: 1\r\nContent-Length: 99\r\n\r\nhal");
    });
    options.url = "http://" + server.address() + "/api/v1/write";
    Bench bench(options);
    EXPECT_TRUE(bench.delivery->deliver(Batch(1).samples).refused.empty());
    EXPECT_EQ(server.requests().size(), 1u);
}

TEST_F(HttpConnection, KeepsManyAndLongHeadersInBounds) {
    RawServer server([&](RawServer& self, int fd, std::size_t) {
        self.read_request(fd);
        std::string answer = "HTTP/1.1 204 No Content\r\nX-Prometheus-Remote-Write-Samples-Written: 1\r\n";
        for (int n = 0; n < 1000; ++n) answer += "X-" + std::to_string(n) + ": " + std::string(200, 'y') + "\r\n";
        RawServer::write(fd, answer + "Connection: close\r\n\r\n");
    });
    options.url = "http://" + server.address() + "/api/v1/write";
    auto sender = HttpSender::create(options);
    ASSERT_TRUE(sender.ok());
    const HttpReply reply = (*sender)->post("x", {});
    EXPECT_EQ(reply.status, 204);
    EXPECT_EQ(reply.headers.size(), kReplyHeadersMax);
    EXPECT_EQ(reply.header("x-prometheus-remote-write-samples-written"), "1");
}

}  // namespace
}  // namespace ringside::agent
