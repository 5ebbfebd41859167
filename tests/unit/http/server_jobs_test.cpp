// Requests that take time.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/socket.h>

#include <new>

#include "tests/unit/http/http_fixture.h"

namespace ringside::agent {
namespace {

using namespace std::chrono_literals;

TEST(HttpServer, AnswersRequestsThatAreSentAheadInTheirOrder) {
    SlowPage page;
    page.let_go = true;
    HttpFixture fixture({}, page.handlers());
    HttpClient client = fixture.client();
    std::string all;
    for (int i = 0; i < 200; ++i) all += get(i % 3 == 0 ? "/slow" : "/" + std::to_string(i), "");
    client.send_text(all + get("/last"));
    for (int i = 0; i < 200; ++i) {
        const std::string path = i % 3 == 0 ? "/slow" : "/" + std::to_string(i);
        ASSERT_TRUE(client.read_answer().ends_with("GET " + path + " ")) << i;
    }
    EXPECT_TRUE(client.read_all().ends_with("GET /last "));
}

TEST(HttpServer, AnswersOthersWhileAllWorkersAreBusy) {
    SlowPage page;
    HttpFixture fixture({}, page.handlers(), {.threads = 2, .queue_max = 1});
    std::vector<HttpClient> slow;
    for (int i = 0; i < 3; ++i) {
        slow.push_back(fixture.client());
        slow.back().send_text(get("/slow"));
    }
    wait_until([&] { return page.begun == 2; });
    EXPECT_TRUE(fixture.ask(get("/quick")).ends_with("GET /quick "));
    wait_until([&] { return fixture.gauge("ringside_http_requests_under_way") == 3; });
    EXPECT_TRUE(fixture.ask(get("/slow")).starts_with("HTTP/1.1 503 "));
    page.let_go = true;
    for (HttpClient& one : slow) EXPECT_TRUE(one.read_all().ends_with("GET /slow "));
    EXPECT_TRUE(fixture.ask(get("/slow")).ends_with("GET /slow "));
}

std::string thread_name() {
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    return name;
}

// Pages /known..., which are said to be quick, and others, of which nothing is known. They tell their thread's name. /known/work
// takes a fifth of a millisecond, /known/long as long as it wants, and goes on as long as it may.
struct KnownPages {
    std::atomic<int> begun{0};
    std::atomic<bool> let_go{false};
    bool waits = false;

    HttpHandlers handlers() {
        return {
            .quick =
                [](const HttpRequest& request) { return request.path == "/at-once" ? echo(request) : std::nullopt; },
            .slow =
                [this](const HttpRequest& request, FairPool::Turn& turn) {
                    const std::string name = thread_name();
                    if (request.path == "/known/long") {
                        ++begun;
                        while (!let_go && !turn.hung_up() && turn.go_on(FairPool::Time::max()))
                            std::this_thread::yield();
                    }
                    const auto until = std::chrono::steady_clock::now() + (request.path == "/known/work" ? 200us : 0us);
                    while (std::chrono::steady_clock::now() < until) {
                    }
                    return HttpAnswer{.body = request.path + " by " + name};
                },
            .busy = [](const HttpRequest&) { return HttpAnswer{.status = 503}; },
            .expected = [this](const HttpRequest& request) -> std::optional<FairPool::Expected> {
                if (!request.path.starts_with("/known")) return std::nullopt;
                return FairPool::Expected{10us, waits};
            }};
    }
};

TEST(HttpServer, AnswersWhatIsKnownToBeQuickOnTheThreadThatPolls) {
    KnownPages pages;
    HttpFixture fixture({}, pages.handlers());
    EXPECT_TRUE(fixture.ask(get("/known")).ends_with("/known by http"));
    EXPECT_FALSE(fixture.ask(get("/other")).ends_with("/other by http"));
    std::string all;
    for (int i = 0; i < 50; ++i) all += get("/known/" + std::to_string(i), "");
    HttpClient client = fixture.client();
    client.send_text(all);
    for (int i = 0; i < 50; ++i) {
        ASSERT_TRUE(client.read_answer().ends_with("/known/" + std::to_string(i) + " by http")) << i;
    }
    EXPECT_EQ(fixture.gauge("ringside_http_requests_under_way"), 0);
}

// Also where there is always a next request of one connection, as soon as the one before is answered.
TEST(HttpServer, ServesOthersBesideOneThatAsksQuickThingsWithoutEnd) {
    KnownPages pages;
    HttpFixture fixture({}, pages.handlers());
    std::string batch;
    for (int i = 0; i < 50; ++i) batch += get("/known/work", "");
    HttpClient greedy = fixture.client();
    std::atomic<bool> over{false};
    std::thread asks([&] {
        while (!over) greedy.send_text(batch);
    });
    std::thread reads([&] { greedy.read_all(); });
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(fixture.ask(get("/at-once")).ends_with("GET /at-once ")) << i;
    over = true;
    shutdown(greedy.fd(), SHUT_RDWR);
    asks.join();
    reads.join();
}

TEST(HttpServer, LeavesWhatMayWaitForADiskToTheWorkers) {
    KnownPages pages;
    pages.waits = true;
    HttpFixture fixture({}, pages.handlers());
    EXPECT_FALSE(fixture.ask(get("/known")).ends_with("/known by http"));
}

TEST(HttpServer, PollsOnWhileWhatWasThoughtToBeQuickTakesLong) {
    KnownPages pages;
    HttpFixture fixture({}, pages.handlers(), {.threads = 4});
    std::vector<HttpClient> slow;
    for (int i = 0; i < 3; ++i) {
        slow.push_back(fixture.client());
        slow.back().send_text(get("/known/long"));
    }
    wait_until([&] { return pages.begun == 3; });
    EXPECT_TRUE(fixture.ask(get("/at-once")).ends_with("GET /at-once "));
    EXPECT_TRUE(fixture.ask(get("/known")).ends_with("/known by http"));
    EXPECT_FALSE(fixture.ask(get("/other")).ends_with("/other by http"));
    { HttpClient gone = std::move(slow.back()); }
    slow.pop_back();
    wait_until([&] { return fixture.gauge("ringside_http_requests_under_way") == 2; });
    pages.let_go = true;
    for (HttpClient& one : slow) EXPECT_TRUE(one.read_all().ends_with("/known/long by http"));
    wait_until([&] { return fixture.gauge("ringside_http_requests_under_way") == 0; });
}

TEST(HttpServer, StopsWhileItsOwnThreadAnswers) {
    for (int i = 0; i < 20; ++i) {
        KnownPages pages;
        HttpFixture fixture({}, pages.handlers());
        HttpClient client = fixture.client();
        client.send_text(get("/known/long", "") + get("/known/long"));
        wait_until([&] { return pages.begun == 1; });
        std::this_thread::sleep_for(100us * i);  // before and after the thread has been replaced
        fixture.server->stop();
        EXPECT_EQ(pages.begun, 1);
    }
}

TEST(HttpServer, TellsTheJobOfAClientThatHangsUp) {
    SlowPage page;
    HttpFixture fixture({}, page.handlers(), {.threads = 1});
    {
        HttpClient running = fixture.client();
        running.send_text(get("/slow"));
        wait_until([&] { return page.begun == 1; });
        HttpClient queued = fixture.client();
        queued.send_text(get("/slow"));
        wait_until([&] { return fixture.gauge("ringside_http_requests_under_way") == 2; });
    }
    wait_until([&] { return fixture.gauge("ringside_http_requests_under_way") == 0; });
    EXPECT_EQ(page.hung_up, 1);
    EXPECT_EQ(page.begun, 1);  // what waited in the queue was not begun
}

TEST(HttpServer, DisplacesNobodyWhoseAnswerIsBeingMade) {
    SlowPage page;
    HttpOptions options;
    options.connections_max = 3;
    HttpFixture fixture(options, page.handlers(), {.threads = 2});
    std::vector<HttpClient> slow;
    for (int i = 0; i < 2; ++i) {
        slow.push_back(fixture.client());
        slow.back().send_text(get("/slow"));
    }
    wait_until([&] { return page.begun == 2; });
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(fixture.ask(get("/quick")).ends_with("GET /quick "));
    std::vector<HttpClient> silent;
    for (int i = 0; i < 20; ++i) {
        silent.push_back(fixture.client());
        silent.back().send_text("GET / HTT");
    }
    ASSERT_TRUE(fixture.ask(get("/quick")).ends_with("GET /quick "));
    page.let_go = true;
    for (HttpClient& one : slow) EXPECT_TRUE(one.read_all().ends_with("GET /slow "));
}

TEST(HttpServer, CompressesWhatWorkersMakeForWhoeverAsks) {
    HttpHandlers handlers;
    handlers.quick = [](const HttpRequest&) { return std::nullopt; };
    handlers.slow = [](const HttpRequest& request, FairPool::Turn&) {
        return HttpAnswer{.body = std::string(request.path == "/long" ? 100'000 : 1024, 'x')};
    };
    HttpFixture fixture({}, handlers);
    const std::string packed = fixture.ask(get("/long", "Connection: close\r\nAccept-Encoding: gzip\r\n"));
    EXPECT_NE(packed.find("Content-Encoding: gzip\r\n"), std::string::npos);
    EXPECT_LT(packed.size(), 2000u);
    const std::string plain = fixture.ask(get("/long"));
    EXPECT_EQ(plain.find("Content-Encoding"), std::string::npos);
    EXPECT_GT(plain.size(), 100'000u);
    const std::string small = fixture.ask(get("/short", "Connection: close\r\nAccept-Encoding: gzip\r\n"));
    EXPECT_EQ(small.find("Content-Encoding"), std::string::npos);
}

TEST(HttpServer, AnswersWhoseAnswerFindsNoMemory) {
    HttpFixture fixture({},
                        {.quick = [](const HttpRequest&) { return std::optional<HttpAnswer>(); },
                         .slow = [](const HttpRequest& request, FairPool::Turn&) -> HttpAnswer {
                             if (request.path == "/large") throw std::bad_alloc();
                             return *echo(request);
                         },
                         .busy = {}},
                        {.threads = 1});
    EXPECT_TRUE(fixture.ask(get("/large")).starts_with("HTTP/1.1 500 "));
    EXPECT_TRUE(fixture.ask(get("/small")).ends_with("GET /small ")) << "its worker is there still";
}

}  // namespace
}  // namespace ringside::agent
