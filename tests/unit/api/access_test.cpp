// Who sees what, over every method and filter; and what the server does with callers that misbehave.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <thread>

#include "tests/support/api_fixture.h"

namespace ringside::agent {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kMine = 2001;
constexpr std::uint32_t kTheirs = 2002;

// Every VM of a tenant has a telling name, so that an answer can be searched for the other one's.
constexpr const char* kMyName = "alpha";
constexpr const char* kTheirName = "bravo";

void add_fleet(TestBackend& backend, const std::string& name, std::uint32_t uid) {
    backend.add({.vm_id = name + "-live", .uid = uid, .epoch = 1});
    backend.add({.vm_id = name + "-net", .uid = uid, .component = "net", .epoch = 2});
    backend.add({.vm_id = name + "-waiting", .uid = uid, .epoch = 3, .state = VmState::kProvisioned});
    backend.add({.vm_id = name + "-drained", .uid = uid, .epoch = 4, .state = VmState::kDrained});
    const std::string exited = backend.add({.vm_id = name + "-exited", .uid = uid, .epoch = 5});
    backend.exit(exited, ExitCause::kClosed, 1, "farewell of " + name);
    backend.push(exited, kTestNowNs);
    backend.quarantine(name + "-bad.seg", uid);
    Admission admission;
    backend.catalog.admit(name + "-admitted", uid, {1, 1, 1}, false, kTestNowNs, &admission);
}

template <typename Message>
std::string text_of(const Streamed<Message>& answer) {
    std::string text;
    for (const Message& message : answer.messages) text += message.ShortDebugString();
    return text + " / " + answer.status.error_message() + answer.status.error_details();
}

template <typename Message>
std::string text_of(const grpc::Status& status, const Message& message) {
    return message.ShortDebugString() + " / " + status.error_message() + status.error_details();
}

// Filters of all forms, some of which name the other tenant's VMs.
std::vector<v1::VmFilter> filters() {
    std::vector<v1::VmFilter> all(1);
    for (const std::string name : {"alpha-live", "bravo-live", "bravo-drained", "bravo-net", "bravo-livf", "bravo"}) {
        v1::VmFilter filter;
        filter.add_vm_ids(name);
        all.push_back(filter);
        filter.add_vm_ids("alpha-live");
        all.push_back(filter);
    }
    for (const std::string component : {"", "net"}) {
        all.emplace_back().set_component(component);
    }
    for (const std::string epoch : {"0", "01", "04", "05"}) all.emplace_back().set_epoch(epoch);
    for (int state = v1::VmState_MIN + 1; state <= v1::VmState_MAX; ++state) {
        all.emplace_back().add_states(static_cast<v1::VmState>(state));
        all.back().add_vm_ids("bravo-exited");
        all.emplace_back().add_states(static_cast<v1::VmState>(state));
    }
    return all;
}

std::vector<std::vector<v1::LabelMatcher>> matcher_sets() {
    std::vector<std::vector<v1::LabelMatcher>> all(1);
    const std::pair<v1::LabelMatcher::Op, const char*> forms[] = {{v1::LabelMatcher::OP_EQUAL, "bravo-live"},
                                                                  {v1::LabelMatcher::OP_NOT_EQUAL, "alpha-live"},
                                                                  {v1::LabelMatcher::OP_REGEX, "bravo.*"},
                                                                  {v1::LabelMatcher::OP_REGEX, ".*"},
                                                                  {v1::LabelMatcher::OP_NOT_REGEX, "alpha.*"}};
    for (const auto& [op, value] : forms) {
        v1::LabelMatcher matcher;
        matcher.set_name("vm_id");
        matcher.set_op(op);
        matcher.set_value(value);
        all.push_back({matcher});
    }
    return all;
}

// The answers to every reading request that can be put together, all texts in one.
std::string ask_everything(const ApiClient& client) {
    std::string text = client.get_status().ShortDebugString() + client.admissions().ShortDebugString();
    for (const v1::VmFilter& filter : filters()) {
        v1::ListVmsRequest list;
        *list.mutable_filter() = filter;
        text += text_of(client.list_vms(list));
        for (const auto& matchers : matcher_sets()) {
            v1::ListSeriesRequest series;
            *series.mutable_vms() = filter;
            series.mutable_matchers()->Add(matchers.begin(), matchers.end());
            text += text_of(client.list_series(series));
            v1::ReadSeriesRequest read;
            *read.mutable_vms() = filter;
            read.mutable_matchers()->Add(matchers.begin(), matchers.end());
            read.set_resolution_s(10);
            read.add_columns(v1::COLUMN_VALUE);
            text += text_of(client.read_series(read));
            v1::LatestRequest latest;
            *latest.mutable_vms() = filter;
            latest.mutable_matchers()->Add(matchers.begin(), matchers.end());
            text += text_of(client.latest(latest));
        }
        v1::WatchRequest watch;
        *watch.mutable_vms() = filter;
        text += text_of(client.watch(watch));
    }
    for (const std::string vm_id : {"alpha-live", "bravo-live", "bravo-drained", "bravo-livf", "bravo"}) {
        v1::GetVmRequest get;
        get.set_vm_id(vm_id);
        v1::GetVmResponse response;
        const grpc::Status status = client.get_vm(get, &response);
        text += text_of(status, response);
    }
    return text;
}

// Names that the requests themselves contain come back in errors; everything else of theirs must not.
std::string without_echo(std::string text) {
    for (const char* mine :
         {"'bravo-live'", "'bravo-drained'", "'bravo-net'", "'bravo-livf'", "'bravo'", "'bravo-exited'"}) {
        for (std::size_t at; (at = text.find(std::string("no VM ") + mine)) != std::string::npos;) {
            text.erase(at, std::string("no VM ").size() + std::strlen(mine));
        }
    }
    return text;
}

TEST(Access, ATenantSeesItsOwnVmsOnlyOverAllMethodsAndFilters) {
    ApiFixture fixture;
    add_fleet(fixture.backend, kMyName, kMine);
    add_fleet(fixture.backend, kTheirName, kTheirs);
    const std::string mine = without_echo(ask_everything(fixture.connect_as({kMine, false})));
    EXPECT_NE(mine.find("alpha-live"), std::string::npos);
    EXPECT_NE(mine.find("alpha-bad.seg"), std::string::npos);
    EXPECT_NE(mine.find("alpha-admitted"), std::string::npos);
    EXPECT_NE(mine.find("farewell of alpha"), std::string::npos);
    const std::size_t leak = mine.find(kTheirName);
    EXPECT_EQ(leak, std::string::npos) << mine.substr(leak < 300 ? 0 : leak - 300, 600);
    EXPECT_EQ(mine.find("host-bytes"), std::string::npos);
    EXPECT_EQ(mine.find("upstreams { name"), std::string::npos);
    EXPECT_EQ(mine.find("/var/lib/test"), std::string::npos);

    // The same questions of an operator find both, so the search above can fail.
    const std::string all = without_echo(ask_everything(fixture.connect_as({0, true})));
    for (const char* name : {"alpha-live", "bravo-live", "bravo-bad.seg", "bravo-admitted", "farewell of bravo"}) {
        EXPECT_NE(all.find(name), std::string::npos) << name;
    }
    EXPECT_NE(all.find("host-bytes"), std::string::npos);
}

TEST(Access, ATenantCannotTellAVmOfOthersFromOneThatIsNotThere) {
    ApiFixture fixture;
    add_fleet(fixture.backend, kTheirName, kTheirs);
    const ApiClient tenant = fixture.connect_as({kMine, false});
    v1::GetVmRequest request;
    v1::GetVmResponse response;
    request.set_vm_id("bravo-live");
    const grpc::Status there = tenant.get_vm(request, &response);
    request.set_vm_id("nobody-live");
    const grpc::Status nowhere = tenant.get_vm(request, &response);
    EXPECT_EQ(there.error_code(), grpc::StatusCode::NOT_FOUND);
    EXPECT_EQ(nowhere.error_code(), grpc::StatusCode::NOT_FOUND);
    EXPECT_EQ(there.error_message(), "there is no VM 'bravo-live'");
    EXPECT_EQ(nowhere.error_message(), "there is no VM 'nobody-live'");
}

TEST(Access, ATenantMayNotAdmitReleaseOrDrain) {
    ApiFixture fixture;
    add_fleet(fixture.backend, kMyName, kMine);
    const ApiClient tenant = fixture.connect_as({kMine, false});
    const std::uint64_t before = fixture.backend.calls;
    v1::AdmitRequest admit;
    admit.set_vm_id("alpha-new");
    admit.set_uid(kMine);
    admit.mutable_demand()->set_segment_bytes(1);
    v1::AdmitResponse admitted;
    v1::ReleaseResponse released;
    v1::DrainRequest drain;
    drain.set_vm_id("alpha-exited");
    v1::DrainResponse drained;
    for (const grpc::Status& status :
         {tenant.admit(admit, &admitted), tenant.release("alpha-admitted", &released), tenant.drain(drain, &drained)}) {
        EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
        EXPECT_EQ(info_of(status).reason(), v1::ERROR_REASON_NOT_PERMITTED);
    }
    EXPECT_EQ(fixture.backend.calls, before);
}

TEST(Access, ATenantThatFollowsGetsItsOwnEventsOnly) {
    ApiFixture fixture;
    const ApiClient tenant = fixture.connect_as({kMine, false});
    grpc::ClientContext context;
    v1::WatchRequest request;
    request.set_follow(true);
    auto reader = tenant.event->Watch(&context, request);
    add_fleet(fixture.backend, kTheirName, kTheirs);
    add_fleet(fixture.backend, kMyName, kMine);
    v1::Event event;
    int count = 0;
    do {
        ASSERT_TRUE(reader->Read(&event));
        EXPECT_EQ(event.uid(), kMine) << event.ShortDebugString();
        ++count;
    } while (event.file() != "alpha-bad.seg");
    EXPECT_EQ(count, 7);
    context.TryCancel();
    reader->Finish();
}

TEST(Access, AConnectionKeepsItsIdentityWhileOthersComeAndGo) {
    ApiFixture fixture;
    const ApiClient steady = fixture.connect_as({kMine, false});
    EXPECT_EQ(steady.get_status().caller().uid(), kMine);
    for (std::uint32_t uid = 3000; uid < 3050; ++uid) {
        const ApiClient passing = fixture.connect_as({uid, uid % 2 == 0});
        EXPECT_EQ(passing.get_status().caller().uid(), uid);
        EXPECT_EQ(passing.get_status().caller().is_operator(), uid % 2 == 0);
    }
    EXPECT_EQ(steady.get_status().caller().uid(), kMine);
}

TEST(Access, ATenantCannotHaveMoreCallsThanItsShare) {
    ApiOptions options;
    options.calls.answers.one_tenant = 2;
    ApiFixture fixture(16, {}, std::move(options));
    fixture.backend.add({.vm_id = "alpha", .uid = kMine, .counters = 400, .windows = 3000});
    const ApiClient tenant = fixture.connect_as({kMine, false});
    // Two answers that are larger than what gRPC buffers, and that nobody reads.
    v1::ReadSeriesRequest request;
    request.set_resolution_s(1);
    grpc::ClientContext contexts[2];
    std::unique_ptr<grpc::ClientReader<v1::ReadSeriesResponse>> readers[2];
    for (int i = 0; i < 2; ++i) {
        readers[i] = tenant.series->ReadSeries(&contexts[i], request);
        v1::ReadSeriesResponse first;
        ASSERT_TRUE(readers[i]->Read(&first));
    }
    const auto third = tenant.list_vms({});
    EXPECT_EQ(third.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(info_of(third.status).reason(), v1::ERROR_REASON_BUSY);
    EXPECT_TRUE(fixture.connect_as({kTheirs, false}).list_vms({}).status.ok());
    EXPECT_TRUE(fixture.connect().list_vms({}).status.ok());
    for (int i = 0; i < 2; ++i) {
        contexts[i].TryCancel();
        readers[i]->Finish();
    }
}

TEST(Server, AnswersOthersWhileReadersStall) {
    ApiFixture fixture;
    fixture.backend.add({.vm_id = "big", .uid = 1, .counters = 400, .windows = 3000});
    const ApiClient slow = fixture.connect();
    v1::ReadSeriesRequest request;
    request.set_resolution_s(1);
    std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
    std::vector<std::unique_ptr<grpc::ClientReader<v1::ReadSeriesResponse>>> readers;
    for (int i = 0; i < 50; ++i) {
        contexts.push_back(std::make_unique<grpc::ClientContext>());
        readers.push_back(slow.series->ReadSeries(contexts.back().get(), request));
    }
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(fixture.connect().list_vms({}).status.ok());
    for (std::size_t i = 0; i < readers.size(); ++i) {
        contexts[i]->TryCancel();
        readers[i]->Finish();
    }
}

std::size_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::size_t total = 0;
    std::size_t resident = 0;
    statm >> total >> resident;
    return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

TEST(Server, AThousandStalledWatchersCostLittleAndDropToTheLatest) {
    ApiFixture fixture(256);
    const std::string key = fixture.backend.add({.vm_id = "vm-1", .uid = 1});
    std::vector<ApiClient> clients;
    for (int i = 0; i < 10; ++i) clients.push_back(fixture.connect());
    std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
    std::vector<std::unique_ptr<grpc::ClientReader<v1::Event>>> readers;
    v1::WatchRequest request;
    request.set_follow(true);
    for (std::size_t i = 0; i < 1000; ++i) {
        contexts.push_back(std::make_unique<grpc::ClientContext>());
        readers.push_back(clients[i / 100].event->Watch(contexts.back().get(), request));
        v1::Event first;
        ASSERT_TRUE(readers.back()->Read(&first));
    }
    const std::size_t before = resident_bytes();
    // 20,000 events for each: about 3 MB a watcher if they were kept.
    for (std::uint64_t i = 0; i < 20'000; ++i) fixture.backend.push(key, i);
    // The server has done what it can as soon as it answers another call and a fresh watcher is up to date.
    EXPECT_TRUE(fixture.connect().list_vms({}).status.ok());
    EXPECT_EQ(fixture.connect().watch({}).messages.size(), 256u);
    const std::size_t grown = resident_bytes() - std::min(before, resident_bytes());
    EXPECT_LT(grown / 1000, 64u * 1024);  // Client and server together: both are in this process.

    // A watcher that wakes up gets what gRPC had under way, then the newest, and learns how much it missed.
    std::uint64_t seen = 1;
    std::uint64_t dropped = 0;
    v1::Event event;
    do {
        ASSERT_TRUE(readers[0]->Read(&event));
        ++seen;
        dropped += event.dropped();
    } while (event.window_end_ns() != 19'999);
    EXPECT_GT(dropped, 0u);
    EXPECT_EQ(seen + dropped, 20'001u);
    for (std::size_t i = 0; i < readers.size(); ++i) contexts[i]->TryCancel();
    for (auto& reader : readers) reader->Finish();
}

TEST(Server, StopsInBoundedTimeWhateverItsCallersDo) {
    ApiOptions options;
    options.stop_timeout = 100ms;
    ApiFixture fixture(4096, {}, std::move(options));
    fixture.backend.add({.vm_id = "big", .uid = 1, .counters = 400, .windows = 3000});
    const ApiClient client = fixture.connect();
    grpc::ClientContext watching;
    v1::WatchRequest follow;
    follow.set_follow(true);
    auto watcher = client.event->Watch(&watching, follow);
    v1::Event event;
    ASSERT_TRUE(watcher->Read(&event));
    grpc::ClientContext reading;
    v1::ReadSeriesRequest request;
    request.set_resolution_s(1);
    auto reader = client.series->ReadSeries(&reading, request);
    v1::ReadSeriesResponse message;
    ASSERT_TRUE(reader->Read(&message));
    int silent[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, silent), 0);
    ASSERT_TRUE(fixture.server->add_connection(silent[0], {0, true}));

    fixture.server->stop();  // Hangs, and with it the test, if any of them could keep it.
    EXPECT_FALSE(std::ifstream(fixture.folder / "agent.sock").is_open());
    while (reader->Read(&message)) continue;
    EXPECT_FALSE(reader->Finish().ok());
    while (watcher->Read(&event)) continue;
    EXPECT_EQ(watcher->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
    char byte;
    EXPECT_EQ(read(silent[1], &byte, 0), 0);
    close(silent[1]);
    fixture.server->stop();
}

TEST(Server, StopsAtOnceWhereClientsAreConnectedAndIdle) {
    ApiOptions options;
    options.stop_timeout = 10min;  // The test would time out.
    ApiFixture fixture(4096, {}, std::move(options));
    const ApiClient client = fixture.connect();
    EXPECT_TRUE(client.list_vms({}).status.ok());
    int silent[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, silent), 0);
    ASSERT_TRUE(fixture.server->add_connection(silent[0], {0, true}));
    fixture.server->stop();
    close(silent[1]);
}

TEST(Server, SurvivesGarbageOnAConnection) {
    ApiFixture fixture;
    for (const std::string& garbage : {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string(100'000, '\0'),
                                       std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") + std::string(1000, '\xff')}) {
        int ends[2];
        ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        ASSERT_TRUE(fixture.server->add_connection(ends[0], {0, true}));
        ASSERT_GT(send(ends[1], garbage.data(), garbage.size(), MSG_NOSIGNAL), 0);
        char buffer[4096];
        while (read(ends[1], buffer, sizeof buffer) > 0) continue;  // gRPC hangs up.
        close(ends[1]);
    }
    EXPECT_TRUE(fixture.connect().list_vms({}).status.ok());
}

TEST(Server, RefusesARequestThatIsTooLarge) {
    ApiFixture fixture;
    v1::ListSeriesRequest request;
    request.add_matchers()->set_value(std::string(2 << 20, 'x'));
    EXPECT_EQ(fixture.connect().list_series(request).status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST(Server, SaysWhyItCannotStart) {
    ApiFixture fixture;
    ApiOptions options;
    options.socket.path = fixture.server->path();
    Metrics metrics;
    auto second = ApiServer::start(std::move(options), fixture.backend, fixture.query_host, metrics);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::kExists);
    EXPECT_TRUE(fixture.connect().list_vms({}).status.ok());
}

TEST(Server, StartsAgainWhereAnEarlierOneWas) {
    ApiFixture fixture;
    for (int i = 0; i < 2; ++i) {
        ApiOptions options;
        options.socket.path = fixture.folder / "again.sock";
        options.policy.own_uid = geteuid();
        options.now_ns = [] { return kTestNowNs; };
        Metrics metrics;
        auto server = ApiServer::start(std::move(options), fixture.backend, fixture.query_host, metrics);
        ASSERT_TRUE(server) << server.error().message();
        const ApiClient client(grpc::CreateChannel("unix:" + (*server)->path(), grpc::InsecureChannelCredentials()));
        grpc::ClientContext context;
        context.set_wait_for_ready(true);
        v1::GetStatusResponse response;
        EXPECT_TRUE(client.status->GetStatus(&context, {}, &response).ok());
        (*server)->stop();
    }
}

}  // namespace
}  // namespace ringside::agent
