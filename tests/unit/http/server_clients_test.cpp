// Clients that are slow, or gone, or want too much.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <future>

#include "tests/unit/http/http_fixture.h"

namespace ringside::agent {
namespace {

using namespace std::chrono_literals;

// As `nc -N` does.
TEST(HttpServer, AnswersAClientThatHasEndedItsSendingSide) {
    SlowPage page;
    HttpFixture fixture({}, page.handlers());
    HttpClient client = fixture.client();
    client.send_text("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    shutdown(client.fd(), SHUT_WR);
    EXPECT_EQ(client.read_answer(), "HTTP/1.1 100 Continue\r\n\r\n") << "it is asked whether it is there still";
    page.let_go = true;
    EXPECT_TRUE(client.read_all().ends_with("GET /slow "));
    EXPECT_EQ(page.hung_up, 0);
}

TEST(HttpServer, AnswersAClientOfHttp10ThatHasEndedItsSendingSide) {
    SlowPage page;
    HttpFixture fixture({}, page.handlers());
    HttpClient client = fixture.client();
    client.send_text("GET /slow HTTP/1.0\r\n\r\n");
    shutdown(client.fd(), SHUT_WR);
    std::this_thread::sleep_for(500ms);  // longer than it takes to ask others
    page.let_go = true;
    const std::string answer = client.read_all();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("GET /slow ")) << answer;
}

TEST(HttpServer, TakesAClientOfHttp10ThatHasEndedItsSendingSideForGoneAfterAWhile) {
    SlowPage page;
    HttpOptions options;
    options.write_timeout = 50ms;
    HttpFixture fixture(options, page.handlers());
    HttpClient client = fixture.client();
    client.send_text("GET /slow HTTP/1.0\r\n\r\n");
    shutdown(client.fd(), SHUT_WR);
    EXPECT_EQ(client.read_all(), "");
    wait_until([&] { return page.hung_up == 1; });
    EXPECT_EQ(fixture.dropped("timeout"), 1);
}

TEST(HttpServer, AnswersAllRequestsOfAClientThatThenEndsItsSendingSide) {
    SlowPage page;
    HttpFixture fixture({}, page.handlers());
    HttpClient client = fixture.client();
    for (const char* path : {"/slow", "/a", "/b"}) client.send_text(get(path, ""));
    shutdown(client.fd(), SHUT_WR);
    wait_until([&] { return page.begun == 1; });
    page.let_go = true;
    const std::string answers = client.read_all();
    EXPECT_TRUE(answers.ends_with("GET /b ")) << answers;
    EXPECT_NE(answers.find("GET /slow "), std::string::npos) << answers;
}

// What it leaves unread lies in the kernel, which would offer it for minutes.
TEST(HttpServer, GivesUpOnAClientThatHasEndedItsSendingSideAndReadsNothing) {
    HttpOptions options;
    options.write_timeout = 300ms;
    HttpFixture fixture(options,
                        {.quick = [](const HttpRequest&) { return HttpAnswer{.body = std::string(150'000, 'x')}; },
                         .slow = {},
                         .busy = {}});
    HttpClient client = fixture.client();
    client.send_text(get("/", ""));
    shutdown(client.fd(), SHUT_WR);
    wait_until([&] { return fixture.gauge("ringside_http_connections") == 1; });
    wait_until([&] { return fixture.gauge("ringside_http_connections") == 0; });
    EXPECT_LT(client.read_all().size(), 150'000u);
}

TEST(HttpServer, RefusesHeadersWithoutEnd) {
    HttpFixture fixture;
    HttpClient client = fixture.client();
    client.send_text("GET / HTTP/1.1\r\n");
    const std::string line = "X-Filler: " + std::string(1000, 'x') + "\r\n";
    for (int i = 0; i < 40; ++i) client.send_text(line);
    EXPECT_TRUE(client.read_all().starts_with("HTTP/1.1 431 "));
}

TEST(HttpServer, GivesUpOnARequestThatDoesNotEnd) {
    HttpOptions options;
    options.read_timeout = 50ms;
    HttpFixture fixture(options);
    HttpClient half = fixture.client();
    half.send_text("GET / HTT");
    EXPECT_TRUE(half.read_all().starts_with("HTTP/1.1 408 "));
    HttpClient silent = fixture.client();
    EXPECT_EQ(silent.read_all(), "");
    EXPECT_EQ(fixture.dropped("timeout"), 2);
}

TEST(HttpServer, GivesUpOnAnAnswerThatNobodyReads) {
    HttpOptions options;
    options.write_timeout = -64s + 50ms;  // and a second for each MiB
    HttpFixture fixture(options,
                        {.quick = [](const HttpRequest&) { return HttpAnswer{.body = std::string(64 << 20, 'x')}; },
                         .slow = {},
                         .busy = {}});
    HttpClient client = fixture.client();
    client.send_text("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    pollfd hung_up{client.fd(), POLLRDHUP, 0};
    EXPECT_EQ(poll(&hung_up, 1, 60'000), 1);
    EXPECT_TRUE(hung_up.revents & (POLLERR | POLLHUP));
    EXPECT_EQ(fixture.dropped("timeout"), 1);
}

TEST(HttpServer, SendsAnAnswerLargerThanTheSocketsBuffer) {
    HttpFixture fixture({}, {.quick = [](const HttpRequest&) { return HttpAnswer{.body = std::string(16 << 20, 'x')}; },
                             .slow = {},
                             .busy = {}});
    HttpClient client = fixture.client();
    client.send_text(get("/"));
    EXPECT_GT(client.read_all().size(), std::size_t{16} << 20);
}

TEST(HttpServer, GivesWhoReadsLaterTheWholeAnswerAlsoWhenItThenHangsUp) {
    HttpOptions options;
    options.linger = 20ms;
    HttpFixture fixture(options,
                        {.quick = [](const HttpRequest&) { return HttpAnswer{.body = std::string(150'000, 'x')}; },
                         .slow = {},
                         .busy = {}});
    HttpClient client = fixture.client();
    client.send_text(get("/"));
    pollfd begun{client.fd(), POLLIN, 0};
    ASSERT_EQ(poll(&begun, 1, 60'000), 1);
    // The server has written all of it into its socket's buffer, and waits for much longer than the linger time.
    std::this_thread::sleep_for(1s);
    EXPECT_GT(client.read_all().size(), 150'000u);
}

TEST(HttpServer, AnswersOthersWhileOneSendsWithoutEnd) {
    HttpFixture fixture;
    HttpClient endless = fixture.client();
    endless.send_text("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;");
    std::thread sender([&] {
        const std::string piece(64 * 1024, 'x');
        for (int i = 0; i < 1000; ++i) endless.send_text(piece);
    });
    EXPECT_TRUE(endless.read_all().starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE(fixture.ask(get("/good")).ends_with("GET /good "));
    sender.join();
}

TEST(HttpServer, AnswersGoodClientsAmongManySilentOnes) {
    HttpOptions options;
    options.connections_max = 8;
    options.read_timeout = 10min;
    HttpFixture fixture(options);
    std::vector<HttpClient> silent;
    for (int i = 0; i < 200; ++i) {
        silent.push_back(fixture.client());
        silent.back().send_text("GET / HTTP/1.1\r\n");
        if (i % 10 != 0) continue;
        ASSERT_TRUE(fixture.ask(get("/good")).ends_with("GET /good ")) << i;
    }
    EXPECT_GE(fixture.dropped("displaced"), 180);
}

// Headers that never end, bodies that never end, and answers that nobody reads.
TEST(HttpServer, ServesGoodClientsAmongAThousandSlowOnesInBoundedMemory) {
    constexpr std::size_t kAnswer = 1 << 20;
    HttpOptions options;
    options.connections_max = 64;
    options.answers_bytes_max = 24 * kAnswer;
    options.read_timeout = options.body_timeout = options.write_timeout = 10min;
    HttpHandlers handlers;
    handlers.quick = [](const HttpRequest& request) {
        return request.path == "/large" ? HttpAnswer{.body = std::string(kAnswer, 'x')} : *echo(request);
    };
    HttpFixture fixture(options, handlers);
    std::vector<HttpClient> slow;
    double most_connections = 0, most_bytes = 0;
    for (int i = 0; i < 1000; ++i) {
        slow.push_back(fixture.client());
        const std::string requests[] = {
            "GET / HTTP/1.1\r\nX-Filler: ", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\nx",
            get("/large", "")};
        slow.back().send_text(requests[i % 3]);
        if (i % 10 != 0) continue;
        ASSERT_TRUE(fixture.ask(get("/good")).ends_with("GET /good ")) << i;
        most_connections = std::max(most_connections, fixture.gauge("ringside_http_connections"));
        most_bytes = std::max(most_bytes, fixture.gauge("ringside_http_answer_bytes"));
    }
    EXPECT_LE(most_connections, 64);
    EXPECT_GT(most_bytes, 0);
    EXPECT_LE(most_bytes, 24 * kAnswer);
    EXPECT_GT(fixture.dropped("displaced"), 500u);
    EXPECT_GT(fixture.dropped("memory"), 10u);
    EXPECT_EQ(fixture.dropped("timeout"), 0u);
}

}  // namespace
}  // namespace ringside::agent
