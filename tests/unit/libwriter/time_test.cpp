// Time at its edges: window ends, both ends of time, threads that were held up.
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "writer.h"

namespace ringside {
namespace {

constexpr std::uint64_t kNow = 1'700'000'000 * kSecond;  // a multiple of 100 s
constexpr std::uint64_t kTimeEnd = 4294967295 * kSecond;

SchemaSpec two_tiers() {
    SchemaSpec spec("two_tiers");
    spec.tier(1, 64).tier(10, 16);
    spec.metric("counter", RSIDE_COUNTER).metric("gauge", RSIDE_GAUGE).metric("level", RSIDE_LEVEL);
    spec.metric("shared", RSIDE_COUNTER, 1, {}, RSIDE_METRIC_SHARED);
    return spec.histogram("histogram", 0, 1, 8);
}

struct Handles {
    explicit Handles(rside_segment* segment)
        : counter(rside_counter_register(segment, "counter", nullptr, 0, nullptr)),
          gauge(rside_gauge_register(segment, "gauge", nullptr, 0, nullptr)),
          level(rside_level_register(segment, "level", nullptr, 0, nullptr)),
          shared(rside_shared_counter_register(segment, "shared", nullptr, 0, nullptr)),
          histogram(rside_histogram_register(segment, "histogram", nullptr, 0, nullptr)) {}
    void record_all(double value) const {
        rside_counter_add(counter, 1);
        rside_gauge_record(gauge, value);
        rside_level_set(level, value);
        rside_shared_counter_add(shared, 1);
        rside_histogram_record(histogram, value);
    }
    rside_counter counter;
    rside_gauge gauge;
    rside_level level;
    rside_shared_counter shared;
    rside_histogram histogram;
};

// The slots of one ring by window.
std::map<std::uint32_t, plain::Slot> slots(const plain::Segment& segment, const char* metric, std::size_t tier) {
    std::map<std::uint32_t, plain::Slot> out;
    const plain::Series& series = *segment.find(metric);
    for (const plain::Slot& slot : series.rings[tier]) {
        if (slot.window) out[slot.window] = slot;
    }
    return out;
}

// A window is [T - res, T): its last nanosecond belongs to it, its end to the next.
TEST(Time, CountsTheEndOfAWindowIntoTheNext) {
    Writer writer(two_tiers(), kNow);
    Handles handles(writer.segment());
    rside_gauge_record(handles.gauge, 1);
    writer.tick(kNow + kSecond - 1);
    rside_gauge_record(handles.gauge, 2);
    EXPECT_TRUE(slots(writer.decoded(), "gauge", 0).empty());
    writer.tick(kNow + kSecond);
    rside_gauge_record(handles.gauge, 4);
    auto ring = slots(writer.decoded(), "gauge", 0);
    ASSERT_EQ(ring.size(), 1u);
    EXPECT_EQ(ring.begin()->first, 1'700'000'000u);
    EXPECT_EQ(ring.begin()->second.summary.sum, 3);
    EXPECT_TRUE(slots(writer.decoded(), "gauge", 1).empty()) << "the ten seconds are not over";
}

TEST(Time, ClosesAllTiersWhoseWindowsEndTogether) {
    Writer writer(two_tiers(), kNow + 9 * kSecond);
    Handles handles(writer.segment());
    handles.record_all(3);
    writer.tick(kNow + 10 * kSecond);
    handles.record_all(5);
    plain::Segment segment = writer.decoded();
    for (const char* metric : {"counter", "gauge", "level", "shared", "histogram"}) {
        EXPECT_EQ(slots(segment, metric, 0).count(1'700'000'009), 1u) << metric;
        EXPECT_EQ(slots(segment, metric, 1).count(170'000'000), 1u) << metric;
    }
}

// F3 and F4: an idle hour is one step, and one slot tells what all its windows held.
TEST(Time, WritesOneFillSlotForAnIdleRun) {
    Writer writer(two_tiers(), kNow);
    Handles handles(writer.segment());
    handles.record_all(3);
    writer.tick(kNow + 30 * kSecond);
    handles.record_all(5);
    plain::Segment segment = writer.decoded();
    for (const char* metric : {"counter", "level", "shared", "histogram"}) {
        auto ring = slots(segment, metric, 0);
        ASSERT_EQ(ring.size(), 2u) << metric;
        EXPECT_EQ(ring.begin()->first, 1'700'000'000u) << metric;
        EXPECT_EQ(ring.rbegin()->first, 1'700'000'029u) << metric;
    }
    EXPECT_EQ(slots(segment, "gauge", 0).size(), 1u) << "an idle gauge observed nothing";
    EXPECT_EQ(slots(segment, "counter", 0).rbegin()->second.value, 1u);
    plain::Summary held = slots(segment, "level", 0).rbegin()->second.summary;
    EXPECT_EQ(held.count, kSecond);
    EXPECT_EQ(held.sum, 3);
    EXPECT_EQ(slots(segment, "level", 1).size(), 2u);
    EXPECT_EQ(slots(segment, "level", 1).rbegin()->second.summary.sum, 30);
}

// 1e-9 is no exact double: 15 windows of 1 s at 1.0 once added up to 15, and one idle step of 15 s to 15.000000000000002.
TEST(Time, HoldsALevelExactlyForWholeSeconds) {
    SchemaSpec spec("exact");
    spec.tier(1, 8).tier(60, 8).metric("level", RSIDE_LEVEL);
    Writer writer(spec, 28'333'333 * 60 * kSecond);
    rside_level level = rside_level_register(writer.segment(), "level", nullptr, 0, nullptr);
    for (std::uint64_t seconds = 1; seconds < 60; ++seconds) {
        std::uint64_t begin = (28'333'333 + 2 * seconds) * 60 * kSecond;
        writer.tick(begin);
        rside_level_set(level, 1);
        writer.tick(begin + seconds * kSecond);
        rside_level_set(level, 0);
        writer.tick(begin + 60 * kSecond);
        rside_level_set(level, 0);
        auto ring = slots(writer.decoded(), "level", 1);
        plain::Summary window = ring[static_cast<std::uint32_t>(28'333'333 + 2 * seconds)].summary;
        EXPECT_EQ(window.sum, static_cast<double>(seconds));
        EXPECT_EQ(window.count, 60 * kSecond);
    }
}

// Each of two levels of exactly one window's length in a first tier of several seconds: the hot path adds as exactly.
TEST(Time, HoldsALevelExactlyInsideALongWindow) {
    SchemaSpec spec("exact");
    spec.tier(60, 8).metric("level", RSIDE_LEVEL);
    Writer writer(spec, 28'333'333 * 60 * kSecond);
    rside_level level = rside_level_register(writer.segment(), "level", nullptr, 0, nullptr);
    rside_level_set(level, 1);
    writer.tick((28'333'333 * 60 + 15) * kSecond);
    rside_level_set(level, 2);
    EXPECT_EQ(writer.decoded().find("level")->hot.sum, 15);
}

// Beyond what 32-bit window numbers can hold, samples go to the open window, and a level does not hold for centuries.
TEST(Time, KeepsTheOpenWindowWhenTheClockIsBeyond2106) {
    Writer writer(two_tiers(), kNow);
    Handles handles(writer.segment());
    handles.record_all(3);
    for (std::uint64_t beyond : {kTimeEnd, kTimeEnd + kSecond, ~std::uint64_t{0}}) {
        writer.tick(beyond);
        handles.record_all(5);
    }
    writer.tick(kNow + kSecond);
    handles.record_all(3);
    plain::Segment segment = writer.decoded();
    plain::Summary gauge = slots(segment, "gauge", 0)[1'700'000'000].summary;
    EXPECT_EQ(gauge.count, 4u);
    EXPECT_EQ(gauge.sum, 18);
    plain::Summary level = slots(segment, "level", 0)[1'700'000'000].summary;
    EXPECT_EQ(level.count, kSecond);
    EXPECT_EQ(level.sum, 5) << "set to 5 in the same instant as to 3, as far as the clock told";
    EXPECT_EQ(slots(segment, "counter", 0)[1'700'000'000].value, 4u);
    EXPECT_EQ(segment.rejected_samples, 0u);
}

TEST(Time, RecordsUpToTheLastSecond) {
    Writer writer(two_tiers(), kTimeEnd - 2 * kSecond);
    Handles handles(writer.segment());
    handles.record_all(3);
    writer.tick(kTimeEnd - 1);
    handles.record_all(5);
    plain::Segment segment = writer.decoded();
    for (const char* metric : {"counter", "gauge", "level", "shared", "histogram"}) {
        EXPECT_EQ(slots(segment, metric, 0).count(4294967293), 1u) << metric;
        EXPECT_EQ(segment.find(metric)->open_ns, 4294967294 * kSecond) << metric;
    }
}

// A series that was registered by a clock gone wild comes back to the present like all others.
TEST(Time, ComesBackFromBeyond2106) {
    Writer writer(two_tiers(), ~std::uint64_t{0});
    Handles handles(writer.segment());
    rside_counter_add(handles.counter, 1);
    writer.tick(kNow);
    handles.record_all(3);
    writer.tick(kNow + kSecond);
    handles.record_all(5);
    plain::Segment segment = writer.decoded();
    for (const char* metric : {"counter", "gauge", "level", "shared", "histogram"}) {
        EXPECT_EQ(slots(segment, metric, 0).count(1'700'000'000), 1u) << metric;
    }
    EXPECT_EQ(slots(segment, "counter", 0)[1'700'000'000].value, 2u);
}

// Window 0 has no stamp, so the first second of 1970 (a clock that was never set) has no window: what a gauge observes in
// it is not dropped in silence but counted as rejected when its first window opens, and nothing else is lost for it.
TEST(Time, CountsSamplesThatNoWindowCanTake) {
    Writer writer(two_tiers(), 0);
    Handles handles(writer.segment());
    handles.record_all(3);
    rside_gauge_record(handles.gauge, 4);
    rside_level_set(handles.level, 0);
    writer.tick(kNow);
    handles.record_all(5);
    writer.tick(kNow + kSecond);
    handles.record_all(7);
    plain::Segment segment = writer.decoded();
    EXPECT_EQ(slots(segment, "gauge", 0)[1'700'000'000].summary.min, 5);
    EXPECT_EQ(slots(segment, "level", 0)[1'700'000'000].summary.min, 5);
    EXPECT_EQ(slots(segment, "counter", 0)[1'700'000'000].value, 2u);
    EXPECT_EQ(segment.rejected_samples, 4u) << "two of the gauge, two of the level; the others are cumulative";

    writer.tick(0);
    handles.record_all(9);
    writer.tick(kNow + 2 * kSecond);
    handles.record_all(1);
    segment = writer.decoded();
    EXPECT_EQ(segment.rebases, 0u);
    EXPECT_EQ(slots(segment, "gauge", 0)[1'700'000'001].summary.sum, 16);
    EXPECT_EQ(slots(segment, "counter", 0)[1'700'000'001].value, 4u);
}

// A thread may be held up for minutes between reading the clock and closing a window that others closed long ago.
TEST(Time, DoesNotRebaseASharedCounterForAThreadThatWasHeldUp) {
    Writer writer(two_tiers(), kNow);
    Handles handles(writer.segment());
    for (std::uint64_t second = 0; second < 40; ++second) {
        writer.tick(kNow + second * kSecond);
        rside_shared_counter_add(handles.shared, 1);
    }
    auto before = slots(writer.decoded(), "shared", 0);
    rside_turn(handles.shared.series.cell, writer.segment(),
               kNow);  // what the late thread does with the time that it read
    plain::Segment segment = writer.decoded();
    EXPECT_EQ(segment.rebases, 0u);
    EXPECT_EQ(segment.clock_steps_back, 0u);
    EXPECT_EQ(slots(segment, "shared", 0).size(), before.size());
    EXPECT_EQ(segment.find("shared")->open_ns, kNow + 39 * kSecond);
}

TEST(Time, RebasesASharedCounterWhenTheClockItselfWentBack) {
    Writer writer(two_tiers(), kNow);
    Handles handles(writer.segment());
    rside_shared_counter_add(handles.shared, 1);
    writer.tick(kNow - 3600 * kSecond);
    rside_shared_counter_add(handles.shared, 1);
    plain::Segment segment = writer.decoded();
    EXPECT_EQ(segment.rebases, 1u);
    EXPECT_EQ(segment.rebase_from_ns, kNow);
    EXPECT_EQ(segment.rebase_to_ns, kNow - 3600 * kSecond);
    EXPECT_EQ(segment.find("shared")->open_ns, kNow - 3600 * kSecond);
    EXPECT_EQ(segment.find("shared")->value, 2u);
}

// Rings from much longer to much shorter than the step, windows without a slot, and slots of earlier laps.
TEST(Time, DropsTheSlotsAheadOfALargeStepBackAndNoOther) {
    for (std::uint64_t step : {11u, 30u, 63u, 64u, 65u, 159u, 160u, 700u}) {
        Writer writer(two_tiers(), kNow);
        Handles handles(writer.segment());
        std::uint64_t second = 0;
        for (; second < 1000; second += second % 50 == 0 ? 7 : 1) {
            writer.tick(kNow + second * kSecond);
            handles.record_all(3);
        }
        plain::Segment before = writer.decoded();
        std::uint64_t back_s = (before.find("counter")->open_ns / kSecond) - step;
        writer.tick(back_s * kSecond);
        handles.record_all(5);

        plain::Segment after = writer.decoded();
        std::uint64_t dropped = 0;
        for (const char* metric : {"counter", "gauge", "level", "shared", "histogram"}) {
            for (std::size_t tier = 0; tier < 2; ++tier) {
                std::set<std::uint32_t> expected, found;
                for (const auto& [window, slot] : slots(before, metric, tier)) {
                    bool ahead = window >= back_s / before.tiers[tier].resolution_s;
                    dropped += ahead;
                    if (!ahead) expected.insert(window);
                }
                for (const auto& [window, slot] : slots(after, metric, tier)) found.insert(window);
                EXPECT_EQ(found, expected) << metric << " tier " << tier << " step " << step;
            }
        }
        EXPECT_EQ(after.rebases, 5u);
        EXPECT_EQ(after.rebased_windows, dropped);
        EXPECT_GT(dropped, 0u);
    }
}

// A host without a battery for its clock: window 0 of the coarser tier has no stamp, and an empty slot is no dropped one.
TEST(Time, CountsNoEmptySlotAsDroppedAtTheBeginOfTime) {
    Writer writer(two_tiers(), kNow);
    Handles handles(writer.segment());
    handles.record_all(1);
    writer.tick(kNow + kSecond);
    handles.record_all(2);
    writer.tick(kSecond);
    handles.record_all(3);
    plain::Segment segment = writer.decoded();
    EXPECT_EQ(segment.rebases, 5u);
    EXPECT_EQ(segment.rebased_windows, 5u);
}

// In coarse-clock mode the kernel's clock decides and rside_tick has no say.
TEST(Time, ComesFromTheCoarseClockWithoutTicks) {
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = two_tiers();
    rside_options options = plain_options(folder.path(), spec.get());
    options.clock = RSIDE_CLOCK_COARSE;
    rside_segment* segment = nullptr;
    ASSERT_EQ(rside_segment_create(&options, &segment, nullptr), 0);
    rside_tick(segment, 5);
    struct timespec before, after;
    clock_gettime(CLOCK_REALTIME_COARSE, &before);
    rside_gauge_record(rside_gauge_register(segment, "gauge", nullptr, 0, nullptr), 1);
    clock_gettime(CLOCK_REALTIME_COARSE, &after);
    std::string contradiction;
    plain::Segment read = plain::decode_file(rside_segment_path(segment), &contradiction);
    std::uint64_t open_s = read.find("gauge")->open_ns / kSecond;
    EXPECT_GE(open_s, static_cast<std::uint64_t>(before.tv_sec));
    EXPECT_LE(open_s, static_cast<std::uint64_t>(after.tv_sec));
    EXPECT_EQ(read.clock_mode, 0u);
    rside_segment_close(segment, 0, nullptr);
}

}  // namespace
}  // namespace ringside
