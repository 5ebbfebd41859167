#include "agent/catalog/events.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace ringside::agent {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLong{60000};  // far beyond any scheduling delay; never waited for in full
constexpr std::size_t kAll = SIZE_MAX;

Event event_named(const std::string& vm_id) {
    Event event;
    event.vm_id = vm_id;
    return event;
}

TEST(EventBus, NumbersEventsFromOne) {
    EventBus bus(4);
    EXPECT_EQ(bus.next_sequence(), 1u);
    EXPECT_EQ(bus.publish(event_named("a")), 1u);
    EXPECT_EQ(bus.publish(event_named("b")), 2u);
    EventBatch batch = bus.wait(0, kAll, milliseconds(0));
    ASSERT_EQ(batch.events.size(), 2u);
    EXPECT_EQ(batch.events[0].vm_id, "a");
    EXPECT_EQ(batch.events[1].sequence, 2u);
    EXPECT_EQ(batch.next, 3u);
    EXPECT_EQ(batch.missed, 0u);
}

TEST(EventBus, GoesOnWhereAnEarlierRunCouldNotHaveBeen) {
    EventBus bus(4, 1'000'000);
    EXPECT_EQ(bus.publish(event_named("a")), 1'000'000u);
    EventBatch batch = bus.wait(17, kAll, milliseconds(0));  // a reader of the run before
    ASSERT_EQ(batch.events.size(), 1u);
    EXPECT_EQ(batch.next, 1'000'001u);
}

TEST(EventBus, TellsASlowReaderWhatItMissed) {
    EventBus bus(3);
    for (int i = 1; i <= 10; ++i) bus.publish(event_named(std::to_string(i)));
    EventBatch batch = bus.wait(2, kAll, milliseconds(0));
    EXPECT_EQ(batch.missed, 6u);  // 2 .. 7
    ASSERT_EQ(batch.events.size(), 3u);
    EXPECT_EQ(batch.events[0].vm_id, "8");
    EXPECT_EQ(batch.next, 11u);
}

Event event_of_owner(std::uint32_t uid, const std::string& vm_id) {
    Event event = event_named(vm_id);
    event.uid = uid;
    return event;
}

// The names of all events that are kept, and how many a reader misses who wants all from the first on.
std::pair<std::vector<std::string>, std::uint64_t> kept(const EventBus& bus) {
    std::vector<std::string> names;
    std::uint64_t missed = 0;
    for (std::uint64_t from = 1; from < bus.next_sequence();) {
        const EventBatch batch = bus.wait(from, kAll, milliseconds(0));
        for (const Event& event : batch.events) names.push_back(event.vm_id);
        missed += batch.missed;
        from = batch.next;
    }
    return {names, missed};
}

TEST(EventBus, AnOwnerWhoMakesManyPushesOutTheirOwn) {
    EventBus bus(6);
    bus.publish(event_of_owner(1, "quiet-1"));
    bus.publish(event_of_owner(2, "churn-0"));
    bus.publish(event_of_owner(1, "quiet-2"));
    for (int i = 1; i <= 100; ++i) bus.publish(event_of_owner(2, "churn-" + std::to_string(i)));
    bus.publish(event_of_owner(3, "late"));
    const auto [names, missed] = kept(bus);
    EXPECT_EQ(names, (std::vector<std::string>{"quiet-1", "quiet-2", "churn-98", "churn-99", "churn-100", "late"}));
    EXPECT_EQ(missed, bus.next_sequence() - 1 - names.size());
}

TEST(EventBus, ABatchEndsAtAGapAndTheNextOneSaysHowLongItIs) {
    EventBus bus(4);
    bus.publish(event_of_owner(1, "first"));
    for (int i = 0; i < 10; ++i) bus.publish(event_of_owner(2, "churn"));
    const EventBatch batch = bus.wait(1, kAll, milliseconds(0));
    ASSERT_EQ(batch.events.size(), 1u);
    EXPECT_EQ(batch.missed, 0u);
    EXPECT_EQ(batch.next, 2u);
    const EventBatch next = bus.wait(batch.next, kAll, milliseconds(0));
    EXPECT_EQ(next.missed, 7u);
    EXPECT_EQ(next.events.size(), 3u);
    EXPECT_EQ(next.next, 12u);
}

TEST(EventBus, OfOwnersWithOneEventEachTheOldestGoes) {
    EventBus bus(3);
    for (std::uint32_t uid : {9u, 1u, 5u, 7u}) bus.publish(event_of_owner(uid, std::to_string(uid)));
    EXPECT_EQ(kept(bus).first, (std::vector<std::string>{"1", "5", "7"}));
}

TEST(EventBus, HandsOutAtMostAsManyAsAskedFor) {
    EventBus bus(8);
    for (int i = 1; i <= 5; ++i) bus.publish(event_named(std::to_string(i)));
    EventBatch batch = bus.wait(1, 2, milliseconds(0));
    EXPECT_EQ(batch.events.size(), 2u);
    EXPECT_EQ(batch.next, 3u);
    batch = bus.wait(batch.next, kAll, milliseconds(0));
    EXPECT_EQ(batch.events.size(), 3u);
    EXPECT_EQ(batch.missed, 0u);
}

TEST(EventBus, EndsAWaitWithoutEventsWhenTheTimeIsOver) {
    EventBus bus(8);
    EventBatch batch = bus.wait(1, kAll, milliseconds(1));
    EXPECT_TRUE(batch.events.empty());
    EXPECT_EQ(batch.next, 1u);
    EXPECT_FALSE(batch.closed);
}

TEST(EventBus, WakesAReaderThatWaits) {
    EventBus bus(8);
    EventBatch batch;
    std::thread reader([&] { batch = bus.wait(1, kAll, kLong); });
    bus.publish(event_named("a"));
    reader.join();
    ASSERT_EQ(batch.events.size(), 1u);
    EXPECT_EQ(batch.events[0].vm_id, "a");
}

TEST(EventBus, CloseWakesReadersAndKeepsWhatIsInTheRing) {
    EventBus bus(8);
    EventBatch batch;
    std::thread reader([&] { batch = bus.wait(1, kAll, kLong); });
    bus.close();
    reader.join();
    EXPECT_TRUE(batch.closed);
    EXPECT_EQ(bus.publish(event_named("late")), 0u);

    EventBus other(8);
    other.publish(event_named("a"));
    other.publish(event_named("b"));
    other.close();
    EventBatch first = other.wait(1, 1, kLong);
    EXPECT_FALSE(first.closed);
    EventBatch second = other.wait(first.next, 1, kLong);
    EXPECT_EQ(second.events.size(), 1u);
    EXPECT_TRUE(second.closed);
}

TEST(EventBus, EveryReaderSeesEveryEventInOrderOrIsToldOfTheGap) {
    constexpr std::uint64_t kEvents = 20000;
    EventBus bus(64);
    std::atomic<int> bad = 0;
    std::atomic<std::uint64_t> all_missed = 0;
    std::vector<std::thread> readers;
    for (int r = 0; r < 3; ++r) {
        readers.emplace_back([&] {
            std::uint64_t from = 1, seen = 0, missed = 0;
            for (bool closed = false; !closed;) {
                EventBatch batch = bus.wait(from, 16, kLong);
                missed += batch.missed;
                std::uint64_t want = from + batch.missed;
                for (const Event& event : batch.events) {
                    if (event.sequence != want || event.vm_id != std::to_string(want)) ++bad;
                    ++want;
                    ++seen;
                }
                from = batch.next;
                closed = batch.closed;
            }
            if (seen + missed != kEvents) ++bad;
            all_missed += missed;
        });
    }
    for (std::uint64_t i = 1; i <= kEvents; ++i) bus.publish(event_named(std::to_string(i)));
    bus.close();
    for (std::thread& reader : readers) reader.join();
    EXPECT_EQ(bad, 0);
    RecordProperty("missed", std::to_string(all_missed));
}

TEST(Event, CarriesTheCauseOfAnExitOnly) {
    VmInfo vm;
    vm.vm_id = "vm-1";
    vm.exit_cause = ExitCause::kClosed;
    vm.close_code = 3;
    vm.close_text = "guest panicked";
    EXPECT_EQ(event_of(EventKind::kAppeared, vm, 1).cause, ExitCause::kNone);
    Event exited = event_of(EventKind::kExited, vm, 7);
    EXPECT_EQ(exited.cause, ExitCause::kClosed);
    EXPECT_EQ(exited.close_code, 3);
    EXPECT_EQ(exited.close_text, "guest panicked");
    EXPECT_EQ(exited.time_ns, 7u);
}

}  // namespace
}  // namespace ringside::agent
