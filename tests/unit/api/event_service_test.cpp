#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <thread>

#include "agent/api/event_fan.h"
#include "tests/support/api_fixture.h"

namespace ringside::agent {
namespace {

using namespace std::chrono_literals;

std::string kinds(const std::vector<v1::Event>& events) {
    std::string text;
    for (const v1::Event& event : events) {
        std::string kind = v1::EventKind_Name(event.kind()).substr(11);
        text += (text.empty() ? "" : " ") + event.vm().vm_id() + ":" + kind;
    }
    return text;
}

// A stream of events that is still open.
class Watch {
  public:
    Watch(const ApiClient& client, const v1::WatchRequest& request)
        : reader_(client.event->Watch(&context_, request)) {}
    std::string next() {
        v1::Event event;
        if (!reader_->Read(&event)) return "end: " + reader_->Finish().error_message();
        last = event;
        return kinds({event});
    }
    grpc::Status finish() {
        for (v1::Event event; reader_->Read(&event);) continue;
        return reader_->Finish();
    }
    void cancel() { context_.TryCancel(); }

    v1::Event last;

  private:
    grpc::ClientContext context_;
    std::unique_ptr<grpc::ClientReader<v1::Event>> reader_;
};

v1::WatchRequest following() {
    v1::WatchRequest request;
    request.set_follow(true);
    return request;
}

// Waits until so many watchers are under way: a call reaches its handler some time after it was made.
void wait_for_watchers(ApiFixture& fixture, double count) {
    MetricGauge& gauge = fixture.metrics.gauge(
        "ringside_api_calls", "gRPC calls under way: answers, watchers of events, queries, and watchers of queries.",
        {{"kind", "watch"}});
    for (int i = 0; i < 60'000 && gauge.value() != count; ++i) std::this_thread::sleep_for(1ms);
    ASSERT_EQ(gauge.value(), count);
}

TEST(EventService, TellsTheWholeLifeOfAVm) {
    ApiFixture fixture;
    const std::string key = fixture.backend.add({.vm_id = "vm-1", .uid = 1001, .component = "net", .epoch = 0xab});
    fixture.backend.push(key, kTestNowNs);
    fixture.backend.exit(key, ExitCause::kClosed, 7, "done");
    ASSERT_TRUE(fixture.backend.drain(key).ok());
    fixture.backend.quarantine("bad.seg", 1002);
    const auto answer = fixture.connect().watch({});
    ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
    const auto& events = answer.messages;
    ASSERT_EQ(kinds(events), "vm-1:APPEARED vm-1:PUSHED vm-1:EXITED vm-1:DRAINED bad:QUARANTINED");
    EXPECT_EQ(events[0].vm().component(), "net");
    EXPECT_EQ(events[0].vm().epoch(), "abababababababababababababababab");
    EXPECT_EQ(events[0].uid(), 1001u);
    EXPECT_EQ(events[0].time_ns(), kTestNowNs);
    EXPECT_FALSE(events[0].has_close_code());
    EXPECT_EQ(events[1].upstream(), "central");
    EXPECT_EQ(events[1].window_end_ns(), kTestNowNs);
    EXPECT_EQ(events[1].samples(), 7u);
    EXPECT_EQ(events[2].exit_cause(), v1::EXIT_CAUSE_CLOSED);
    EXPECT_EQ(events[2].close_code(), 7);
    EXPECT_EQ(events[2].text(), "done");
    EXPECT_EQ(events[4].file(), "bad.seg");
    EXPECT_EQ(events[4].reason(), "bad-checksum");
    EXPECT_NE(events[4].text().find("does not match"), std::string::npos);
    for (std::size_t i = 1; i < events.size(); ++i) EXPECT_GT(events[i].sequence(), events[i - 1].sequence());
    for (const v1::Event& event : events) EXPECT_EQ(event.dropped(), 0u);
}

TEST(EventService, ChoosesByVmAndKind) {
    ApiFixture fixture;
    const std::string one = fixture.backend.add({.vm_id = "vm-1", .uid = 1});
    fixture.backend.add({.vm_id = "vm-2", .uid = 1, .component = "net"});
    fixture.backend.exit(one, ExitCause::kKilled);
    const ApiClient client = fixture.connect();
    v1::WatchRequest request;
    request.mutable_vms()->add_vm_ids("vm-1");
    EXPECT_EQ(kinds(client.watch(request).messages), "vm-1:APPEARED vm-1:EXITED");
    request.add_kinds(v1::EVENT_KIND_EXITED);
    EXPECT_EQ(kinds(client.watch(request).messages), "vm-1:EXITED");
    request.Clear();
    request.mutable_vms()->set_component("net");
    EXPECT_EQ(kinds(client.watch(request).messages), "vm-2:APPEARED");
    request.Clear();
    request.mutable_vms()->add_vm_ids("not-yet-there");
    EXPECT_TRUE(client.watch(request).status.ok());
}

TEST(EventService, RefusesRequestsThatCannotBe) {
    ApiFixture fixture;
    const ApiClient client = fixture.connect();
    v1::WatchRequest request;
    request.mutable_vms()->add_states(v1::VM_STATE_RUNNING);
    EXPECT_EQ(client.watch(request).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    request.Clear();
    request.add_kinds(v1::EVENT_KIND_UNSPECIFIED);
    EXPECT_EQ(client.watch(request).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    request.Clear();
    request.set_new_only(true);
    EXPECT_EQ(client.watch(request).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    request.Clear();
    request.mutable_vms()->add_vm_ids("a b");
    EXPECT_EQ(client.watch(request).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(EventService, FollowsWhatIsToCome) {
    ApiFixture fixture;
    const std::string key = fixture.backend.add({.vm_id = "vm-1", .uid = 1});
    const ApiClient client = fixture.connect();
    Watch all(client, following());
    EXPECT_EQ(all.next(), "vm-1:APPEARED");
    v1::WatchRequest new_only = following();
    new_only.set_new_only(true);
    Watch fresh(client, new_only);
    wait_for_watchers(fixture, 2);
    for (int i = 0; i < 100; ++i) {
        fixture.backend.push(key, static_cast<std::uint64_t>(i));
        ASSERT_EQ(all.next(), "vm-1:PUSHED");
        ASSERT_EQ(all.last.window_end_ns(), static_cast<std::uint64_t>(i));
        ASSERT_EQ(fresh.next(), "vm-1:PUSHED");
        ASSERT_EQ(fresh.last.window_end_ns(), static_cast<std::uint64_t>(i));
    }
}

// An event that came between the first wait and the first look of the fan's thread woke nobody.
TEST(EventFan, WakesWhoWaitedBeforeItsThreadLooked) {
    struct : Waiter {
        void wake() override { woken.set_value(); }
        bool is_cancelled() const override { return false; }
        std::promise<void> woken;
    } waiter;
    EventBus bus(16);
    EventFan fan(bus);
    fan.wait(waiter, bus.next_sequence());
    bus.publish({});
    fan.start();
    EXPECT_EQ(waiter.woken.get_future().wait_for(1min), std::future_status::ready);
}

TEST(EventService, GoesOnAfterASequence) {
    ApiFixture fixture;
    for (int i = 0; i < 10; ++i) fixture.backend.add({.vm_id = "vm-" + std::to_string(i), .uid = 1, .windows = 1});
    const ApiClient client = fixture.connect();
    const auto all = client.watch({}).messages;
    ASSERT_EQ(all.size(), 10u);
    v1::WatchRequest request;
    request.set_after_sequence(all[6].sequence());
    const auto rest = client.watch(request).messages;
    EXPECT_EQ(kinds(rest), "vm-7:APPEARED vm-8:APPEARED vm-9:APPEARED");
    EXPECT_EQ(rest[0].dropped(), 0u);
    request.set_after_sequence(all[9].sequence());
    EXPECT_TRUE(client.watch(request).messages.empty());
    // From before this run of the agent: everything, and nothing that was lost.
    request.set_after_sequence(5);
    const auto again = client.watch(request).messages;
    EXPECT_EQ(again.size(), 10u);
    EXPECT_EQ(again[0].dropped(), 0u);
    // From an agent whose clock was ahead: it must not wait for years.
    request.set_after_sequence(UINT64_MAX);
    request.set_follow(true);
    Watch ahead(client, request);
    wait_for_watchers(fixture, 1);
    fixture.backend.add({.vm_id = "newest", .uid = 1, .windows = 1});
    EXPECT_EQ(ahead.next(), "newest:APPEARED");
}

TEST(EventService, SaysHowManyEventsASlowWatcherMissed) {
    ApiFixture fixture(16);
    const std::string key = fixture.backend.add({.vm_id = "vm-1", .uid = 1});
    const ApiClient client = fixture.connect();
    v1::WatchRequest request;
    const std::uint64_t first = client.watch(request).messages[0].sequence();
    for (int i = 0; i < 100; ++i) fixture.backend.push(key, 1);
    request.set_after_sequence(first);
    const auto rest = client.watch(request).messages;
    ASSERT_EQ(rest.size(), 16u);
    EXPECT_EQ(rest[0].dropped(), 84u);
    EXPECT_EQ(rest[0].sequence(), first + 85);
    EXPECT_EQ(rest[1].dropped(), 0u);
    // Whoever asks for what is kept has not missed what is not.
    EXPECT_EQ(client.watch({}).messages[0].dropped(), 0u);
}

TEST(EventService, LosesNoEventAndWakesForEachUnderConcurrentPublishing) {
    ApiFixture fixture(100'000);
    const std::string key = fixture.backend.add({.vm_id = "vm-1", .uid = 1});
    const ApiClient client = fixture.connect();
    v1::WatchRequest request = following();
    request.set_new_only(true);
    Watch watch(client, request);
    wait_for_watchers(fixture, 1);
    std::thread publisher([&] {
        for (std::uint64_t i = 0; i < 5000; ++i) {
            fixture.backend.push(key, i);
            if (i % 64 == 0) std::this_thread::yield();
        }
    });
    for (std::uint64_t i = 0; i < 5000; ++i) {
        ASSERT_EQ(watch.next(), "vm-1:PUSHED");
        ASSERT_EQ(watch.last.window_end_ns(), i);
        ASSERT_EQ(watch.last.dropped(), 0u);
    }
    publisher.join();
}

TEST(EventService, GivesUpItsPlaceWhenTheCallerIsGone) {
    ApiFixture fixture;
    const ApiClient client = fixture.connect();
    {
        Watch watch(client, following());
        wait_for_watchers(fixture, 1);
        watch.cancel();
        EXPECT_EQ(watch.finish().error_code(), grpc::StatusCode::CANCELLED);
    }
    wait_for_watchers(fixture, 0);
}

TEST(EventService, EndsItsWatchersWhenTheAgentStops) {
    ApiFixture fixture;
    const ApiClient client = fixture.connect();
    Watch watch(client, following());
    wait_for_watchers(fixture, 1);
    fixture.backend.bus.close();
    const grpc::Status status = watch.finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(info_of(status).reason(), v1::ERROR_REASON_STOPPING);
}

TEST(EventService, RefusesMoreWatchersThanThereMayBe) {
    ApiOptions options;
    options.calls.watchers.all = 2;
    ApiFixture fixture(16, {}, std::move(options));
    const ApiClient client = fixture.connect();
    Watch one(client, following());
    Watch other(client, following());
    wait_for_watchers(fixture, 2);
    Watch third(client, following());
    const grpc::Status status = third.finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(info_of(status).reason(), v1::ERROR_REASON_BUSY);
}

}  // namespace
}  // namespace ringside::agent
