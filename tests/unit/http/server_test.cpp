#include "agent/http/server.h"

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

#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

using namespace std::chrono_literals;

std::optional<HttpAnswer> echo(const HttpRequest& request) {
    return HttpAnswer{.body = request.method + " " + request.path + " " + request.body};
}

std::string get(const std::string& path, const std::string& headers = "Connection: close\r\n") {
    return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
}

class Client {
  public:
    explicit Client(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const int bytes = 64 * 1024;  // Fixed: else the kernel would take in megabytes for a client that reads nothing.
        setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
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
    explicit Client(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
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

struct Fixture {
    Metrics metrics;
    FairPool pool;
    std::unique_ptr<HttpServer> server;

    explicit Fixture(HttpOptions options = {}, HttpHandlers handlers = {.quick = echo, .slow = {}, .busy = {}},
                     const FairPool::Limits& turns = {})
        : pool(turns) {
        handlers.pool = &pool;
        server = std::make_unique<HttpServer>(std::move(options), std::move(handlers), metrics);
        auto started = server->start();
        EXPECT_TRUE(started) << started.error().message();
    }
    Client client() { return Client(server->port()); }
    std::string ask(const std::string& request) {
        Client one = client();
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

void wait_until(const std::function<bool()>& done) {
    while (!done()) std::this_thread::sleep_for(1ms);
}

TEST(HttpServer, AnswersARequestThatComesByteByByte) {
    Fixture fixture;
    Client client = fixture.client();
    for (char c : std::string("GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
        client.send_text({c});
    EXPECT_TRUE(client.read_all().ends_with("GET /slow "));
}

TEST(HttpServer, DoesNotTakeABodyForARequest) {
    Fixture fixture;
    const std::string body = get("/smuggled");
    const std::string answer = fixture.ask(
        "POST /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\n\r\n" + body);
    EXPECT_TRUE(answer.ends_with("POST /a " + body)) << answer;
}

TEST(HttpServer, KeepsTheConnectionForTheNextRequest) {
    Fixture fixture;
    Client client = fixture.client();
    for (int i = 0; i < 100; ++i) {
        client.send_text(get("/" + std::to_string(i), ""));
        ASSERT_TRUE(client.read_answer().ends_with("GET /" + std::to_string(i) + " ")) << i;
    }
    client.send_text(get("/last"));
    EXPECT_TRUE(client.read_all().ends_with("GET /last "));
}

TEST(HttpServer, AnswersRequestsThatAreSentAheadInTheirOrder) {
    SlowPage page;
    page.let_go = true;
    Fixture fixture({}, page.handlers());
    Client client = fixture.client();
    std::string all;
    for (int i = 0; i < 200; ++i) all += get(i % 3 == 0 ? "/slow" : "/" + std::to_string(i), "");
    client.send_text(all + get("/last"));
    for (int i = 0; i < 200; ++i) {
        const std::string path = i % 3 == 0 ? "/slow" : "/" + std::to_string(i);
        ASSERT_TRUE(client.read_answer().ends_with("GET " + path + " ")) << i;
    }
    EXPECT_TRUE(client.read_all().ends_with("GET /last "));
}

TEST(HttpServer, SendsNoBodyForHead) {
    Fixture fixture;
    const std::string answer = fixture.ask("HEAD /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    EXPECT_NE(answer.find("Content-Length: 8\r\n"), std::string::npos) << answer;
    EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
}

TEST(HttpServer, AnswersOthersWhileAllWorkersAreBusy) {
    SlowPage page;
    Fixture fixture({}, page.handlers(), {.threads = 2, .queue_max = 1});
    std::vector<Client> slow;
    for (int i = 0; i < 3; ++i) {
        slow.push_back(fixture.client());
        slow.back().send_text(get("/slow"));
    }
    wait_until([&] { return page.begun == 2; });
    EXPECT_TRUE(fixture.ask(get("/quick")).ends_with("GET /quick "));
    wait_until([&] { return fixture.gauge("ringside_http_requests_under_way") == 3; });
    EXPECT_TRUE(fixture.ask(get("/slow")).starts_with("HTTP/1.1 503 "));
    page.let_go = true;
    for (Client& one : slow) EXPECT_TRUE(one.read_all().ends_with("GET /slow "));
    EXPECT_TRUE(fixture.ask(get("/slow")).ends_with("GET /slow "));
}

TEST(HttpServer, AnswersWhatIsKnownToBeQuickWhileAllWorkersAreBusy) {
    SlowPage page;
    HttpHandlers handlers = page.handlers();
    handlers.quick = [](const HttpRequest&) { return std::optional<HttpAnswer>(); };
    handlers.slow = [&page, slow = handlers.slow](const HttpRequest& request, FairPool::Turn& turn) {
        return request.path == "/slow" ? slow(request, turn) : *echo(request);
    };
    handlers.expected = [](const HttpRequest& request) -> std::optional<std::chrono::nanoseconds> {
        if (request.path == "/known") return 10us;
        return std::nullopt;
    };
    Fixture fixture({}, handlers, {.threads = 1});
    Client slow = fixture.client();
    slow.send_text(get("/slow"));
    wait_until([&] { return page.begun == 1; });
    EXPECT_TRUE(fixture.ask(get("/known")).ends_with("GET /known "));
    page.let_go = true;
}

TEST(HttpServer, TellsTheJobOfAClientThatHangsUp) {
    SlowPage page;
    Fixture fixture({}, page.handlers(), {.threads = 1});
    {
        Client running = fixture.client();
        running.send_text(get("/slow"));
        wait_until([&] { return page.begun == 1; });
        Client queued = fixture.client();
        queued.send_text(get("/slow"));
        wait_until([&] { return fixture.gauge("ringside_http_requests_under_way") == 2; });
    }
    wait_until([&] { return fixture.gauge("ringside_http_requests_under_way") == 0; });
    EXPECT_EQ(page.hung_up, 1);
    EXPECT_EQ(page.begun, 1);  // what waited in the queue was not begun
}

// As `nc -N` does.
TEST(HttpServer, AnswersAClientThatHasEndedItsSendingSide) {
    SlowPage page;
    Fixture fixture({}, page.handlers());
    Client client = fixture.client();
    client.send_text("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    shutdown(client.fd(), SHUT_WR);
    EXPECT_EQ(client.read_answer(), "HTTP/1.1 100 Continue\r\n\r\n") << "it is asked whether it is there still";
    page.let_go = true;
    EXPECT_TRUE(client.read_all().ends_with("GET /slow "));
    EXPECT_EQ(page.hung_up, 0);
}

TEST(HttpServer, AnswersAClientOfHttp10ThatHasEndedItsSendingSide) {
    SlowPage page;
    Fixture fixture({}, page.handlers());
    Client client = fixture.client();
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
    Fixture fixture(options, page.handlers());
    Client client = fixture.client();
    client.send_text("GET /slow HTTP/1.0\r\n\r\n");
    shutdown(client.fd(), SHUT_WR);
    EXPECT_EQ(client.read_all(), "");
    wait_until([&] { return page.hung_up == 1; });
    EXPECT_EQ(fixture.dropped("timeout"), 1);
}

TEST(HttpServer, AnswersAllRequestsOfAClientThatThenEndsItsSendingSide) {
    SlowPage page;
    Fixture fixture({}, page.handlers());
    Client client = fixture.client();
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
    Fixture fixture(options, {.quick = [](const HttpRequest&) { return HttpAnswer{.body = std::string(150'000, 'x')}; },
                              .slow = {},
                              .busy = {}});
    Client client = fixture.client();
    client.send_text(get("/", ""));
    shutdown(client.fd(), SHUT_WR);
    wait_until([&] { return fixture.gauge("ringside_http_connections") == 1; });
    wait_until([&] { return fixture.gauge("ringside_http_connections") == 0; });
    EXPECT_LT(client.read_all().size(), 150'000u);
}

TEST(HttpServer, DisplacesNobodyWhoseAnswerIsBeingMade) {
    SlowPage page;
    HttpOptions options;
    options.connections_max = 3;
    Fixture fixture(options, page.handlers(), {.threads = 2});
    std::vector<Client> slow;
    for (int i = 0; i < 2; ++i) {
        slow.push_back(fixture.client());
        slow.back().send_text(get("/slow"));
    }
    wait_until([&] { return page.begun == 2; });
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(fixture.ask(get("/quick")).ends_with("GET /quick "));
    std::vector<Client> silent;
    for (int i = 0; i < 20; ++i) {
        silent.push_back(fixture.client());
        silent.back().send_text("GET / HTT");
    }
    ASSERT_TRUE(fixture.ask(get("/quick")).ends_with("GET /quick "));
    page.let_go = true;
    for (Client& one : slow) EXPECT_TRUE(one.read_all().ends_with("GET /slow "));
}

TEST(HttpServer, CompressesWhatWorkersMakeForWhoeverAsks) {
    HttpHandlers handlers;
    handlers.quick = [](const HttpRequest&) { return std::nullopt; };
    handlers.slow = [](const HttpRequest& request, FairPool::Turn&) {
        return HttpAnswer{.body = std::string(request.path == "/long" ? 100'000 : 1024, 'x')};
    };
    Fixture fixture({}, handlers);
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
    Fixture fixture({},
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
    options.write_timeout = -64s + 50ms;  // and a second for each MiB
    Fixture fixture(options,
                    {.quick = [](const HttpRequest&) { return HttpAnswer{.body = std::string(64 << 20, 'x')}; },
                     .slow = {},
                     .busy = {}});
    Client client = fixture.client();
    client.send_text("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    pollfd hung_up{client.fd(), POLLRDHUP, 0};
    EXPECT_EQ(poll(&hung_up, 1, 60'000), 1);
    EXPECT_TRUE(hung_up.revents & (POLLERR | POLLHUP));
    EXPECT_EQ(fixture.dropped("timeout"), 1);
}

TEST(HttpServer, SendsAnAnswerLargerThanTheSocketsBuffer) {
    Fixture fixture({}, {.quick = [](const HttpRequest&) { return HttpAnswer{.body = std::string(16 << 20, 'x')}; },
                         .slow = {},
                         .busy = {}});
    Client client = fixture.client();
    client.send_text(get("/"));
    EXPECT_GT(client.read_all().size(), std::size_t{16} << 20);
}

TEST(HttpServer, GivesWhoReadsLaterTheWholeAnswerAlsoWhenItThenHangsUp) {
    HttpOptions options;
    options.linger = 20ms;
    Fixture fixture(options, {.quick = [](const HttpRequest&) { return HttpAnswer{.body = std::string(150'000, 'x')}; },
                              .slow = {},
                              .busy = {}});
    Client client = fixture.client();
    client.send_text(get("/"));
    pollfd begun{client.fd(), POLLIN, 0};
    ASSERT_EQ(poll(&begun, 1, 60'000), 1);
    // The server has written all of it into its socket's buffer, and waits for much longer than the linger time.
    std::this_thread::sleep_for(1s);
    EXPECT_GT(client.read_all().size(), 150'000u);
}

TEST(HttpServer, AnswersOthersWhileOneSendsWithoutEnd) {
    Fixture fixture;
    Client endless = fixture.client();
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
    Fixture fixture(options);
    std::vector<Client> silent;
    for (int i = 0; i < 200; ++i) {
        silent.push_back(fixture.client());
        silent.back().send_text("GET / HTTP/1.1\r\n");
        if (i % 10 != 0) continue;
        ASSERT_TRUE(fixture.ask(get("/good")).ends_with("GET /good ")) << i;
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
    Fixture fixture(options);
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
    Fixture fixture(options);
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
        Fixture fixture(options, handlers);
        EXPECT_EQ(fixture.server->port(), 0);
        Client client(options.socket->path);
        client.send_text(get("/"));
        EXPECT_TRUE(client.read_all().ends_with("operator"));
    }
    EXPECT_NE(access(options.socket->path.c_str(), F_OK), 0);
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
    Fixture fixture(options, handlers);
    std::vector<Client> slow;
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
