// When a cumulative series began to count: in its zero and in each of its samples the same.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/unit/upstream/rollup_fixture.h"

namespace ringside::agent {
namespace {

using Starts = std::set<std::int64_t>;

// The starts that the samples of one name carry, from kBaseMs; 0 stays 0.
Starts starts(const Vm& vm, const std::string& name) {
    const RollupPlan plan = vm.plan();
    const VmRollup rollup = vm.roll();
    Starts all;
    for (const RollupStep& step : rollup.steps) {
        for (const RollupPoint& point : step.points) {
            const WireSample sample = wire_sample(plan, rollup, point);
            if (label_value(*sample.labels, kNameLabel) != name) continue;
            EXPECT_LE(sample.start_ms, sample.timestamp_ms);
            EXPECT_TRUE(step.kind != StepKind::kZeros || sample.start_ms == sample.timestamp_ms);
            all.insert(sample.start_ms == 0 ? 0 : sample.start_ms - kBaseMs);
        }
    }
    return all;
}

TEST(RollupStart, IsTheTimeOfTheZeroInEverySampleToTheStaleMarker) {
    Vm vm;
    SeriesWindows& exits = vm.add("exits_total", Kind::kCounter);
    put_value(exits, window(1), 5);
    put_value(exits, window(1) + kSecond, 8, kPointPartial);
    exits.series.created_ns = vm.info.created_ns + 7 * kMs + 999'999;
    vm.end(window(1) + kSecond);
    EXPECT_EQ(vm.roll().steps.size(), 4u);
    EXPECT_EQ(starts(vm, "exits_total"), Starts{10'007});
}

TEST(RollupStart, IsTheSameInARunWithoutTheFirstWindow) {
    Vm vm;
    put_value(vm.add("exits_total", Kind::kCounter), window(7), 5);
    vm.range.after_ns = vm.range.zeros_after_ns = window(6);
    vm.range.until_ns = window(7);
    EXPECT_EQ(starts(vm, "exits_total"), Starts{10'000});
}

TEST(RollupStart, IsOfCumulativeSeriesOnly) {
    Vm vm;
    put_gauge(vm.add("depth", Kind::kGauge), window(1), {1, 1, 1, 1, 1});
    vm.add("vm_info", Kind::kInfo);
    for (const char* name : {"depth", "depth:5m_sum", "depth:5m_count", "vm_info"}) {
        EXPECT_EQ(starts(vm, name), Starts{0}) << name;
    }
}

TEST(RollupStart, OfWhatWasLaidOutBeforeItsWriterCameIsWhenTheWriterCame) {
    Vm vm;
    vm.info.attached_ns = vm.info.created_ns + 60 * kSecond;
    put_value(vm.add("exits_total", Kind::kCounter), window(1), 5);
    EXPECT_EQ(starts(vm, "exits_total"), Starts{70'000});
    EXPECT_EQ(text(vm.roll()).at(0), "zeros exits_total=0@70000");
}

TEST(RollupStart, LiesPastTheLastSampleOfAnEarlierLife) {
    Vm vm;
    put_value(vm.add("exits_total", Kind::kCounter), window(1), 5);
    put_value(vm.series[0], window(2), 6);
    vm.range.floor_ms = window_ms(1) + 17;
    vm.range.until_ns = window(2);
    EXPECT_EQ(starts(vm, "exits_total"), Starts{300'018});
    vm.range.after_ns = vm.range.zeros_after_ns = window(1);  // a later run, with the floor from the cursor
    EXPECT_EQ(starts(vm, "exits_total"), Starts{300'018});
}

TEST(RollupStart, IsNotKnownOnceTheClockHasBeenSetBack) {
    Vm vm;
    vm.info.created_ns = window(3);  // an hour ahead, say; its time comes again
    vm.info.rebases = 1;
    SeriesWindows& exits = vm.add("exits_total", Kind::kCounter);
    for (std::uint64_t n = 1; n <= 4; ++n) put_value(exits, window(n), n);
    vm.range.until_ns = window(4);
    EXPECT_EQ(starts(vm, "exits_total"), Starts{0});
    for (const std::string& step : text(vm.roll())) EXPECT_EQ(step.find("zeros"), std::string::npos) << step;
}

TEST(RollupStart, IsNotNamedByASampleOfTheSameInstant) {
    Vm vm;
    vm.info.created_ns = kBase + 10 * kSecond + 1;
    put_value(vm.add("exits_total", Kind::kCounter), kBase + 9 * kSecond, 3, kPointPartial);  // before its series
    vm.end(kBase + 9 * kSecond);
    EXPECT_EQ(starts(vm, "exits_total"), Starts{0});
}

}  // namespace
}  // namespace ringside::agent
