// Histograms as native ones: the same observations as in the classic form, as finely as the schema has them.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/unit/upstream/rollup_fixture.h"

namespace ringside::agent {
namespace {

using Steps = std::vector<std::string>;

// Buckets 1 .. 4 end at 1.41, 2, 2.83, 4; the zero bucket at 1.
SeriesWindows& add_wait(Vm& vm) {
    SeriesWindows& wait = vm.add("wait_seconds", Kind::kHistogram);
    MetricInfo& metric = vm.schema->metrics.back();
    metric.histogram_scale = 1;
    metric.bucket_first = 1;
    metric.bucket_count = 4;
    vm.choice.histograms = HistogramForm::kNative;
    return wait;
}

void put(SeriesWindows& to, std::uint64_t end_ns, std::uint64_t count, double sum, std::vector<std::uint64_t> buckets) {
    to.data.end_ns.push_back(end_ns);
    to.data.flags.push_back(0);
    to.data.count.push_back(count);
    to.data.sum.push_back(sum);
    to.data.buckets.insert(to.data.buckets.end(), buckets.begin(), buckets.end());
}

TEST(NativeRollup, StartsEmptyThenHasAllBucketsAndEndsStale) {
    Vm vm;
    SeriesWindows& wait = add_wait(vm);
    put(wait, window(1), 0, 0, {0, 0, 0, 0, 0});
    put(wait, window(2), 10, 21.25, {1, 2, 3, 4, 0});
    vm.end(window(2));
    EXPECT_EQ(text(vm.roll()), (Steps{"zeros wait_seconds={count 0, sum 0, 0 to 1, from bucket 0:}@10000",
                                      "window wait_seconds={count 0, sum 0, 0 to 1, from bucket 0:}@300000",
                                      "window wait_seconds={count 10, sum 21.25, 1 to 1, from bucket 1: 2 3 4}@600000",
                                      "end wait_seconds=stale@600001" + killed_at(600000)}));
    const VmRollup rollup = vm.roll();
    EXPECT_EQ(rollup.histograms.at(2).schema, 1);
    EXPECT_TRUE(vm.plan().families().at(rollup.series.at(0).family).native);
}

TEST(NativeRollup, SamplesPointAtTheirHistogramAndMarkersAtNone) {
    Vm vm;
    put(add_wait(vm), window(1), 3, 4, {0, 0, 0, 3, 0});
    vm.end(window(1));
    const RollupPlan plan = vm.plan();
    const VmRollup rollup = vm.roll();
    const WireSample sample = wire_sample(plan, rollup, rollup.steps.at(1).points.at(0));
    ASSERT_NE(sample.histogram, nullptr);
    EXPECT_EQ(sample.histogram->count, 3u);
    EXPECT_EQ(sample.histogram->first_bucket, 3);
    EXPECT_EQ(sample.start_ms, kBaseMs + 10'000);
    const WireSample marker = wire_sample(plan, rollup, rollup.steps.at(2).points.at(0));
    EXPECT_EQ(marker.histogram, nullptr);
    EXPECT_TRUE(is_stale(marker));
}

TEST(NativeRollup, WhatLiesAboveTheRangeIsInOneBucketMore) {
    Vm vm;
    put(add_wait(vm), window(1), 16, 99, {1, 2, 3, 4, 0});
    vm.range.zeros_after_ns = window(1);
    EXPECT_EQ(text(vm.roll()),
              Steps{"window wait_seconds={count 16, sum 99, 1 to 1, from bucket 1: 2 3 4 0 6}@300000"});
}

TEST(NativeRollup, BucketsAndCountOfAHostileSegmentStillAddUp) {
    Vm vm;
    put(add_wait(vm), window(1), 3, 99, {1, 2, 3, 4, 0});
    vm.range.zeros_after_ns = window(1);
    EXPECT_EQ(text(vm.roll()), Steps{"window wait_seconds={count 10, sum 99, 1 to 1, from bucket 1: 2 3 4}@300000"});
}

TEST(NativeRollup, ASumOfStaleBitsIsAnOrdinaryNan) {
    Vm vm;
    put(add_wait(vm), window(1), 1, stale_marker(), {1, 0, 0, 0, 0});
    const VmRollup rollup = vm.roll();
    EXPECT_EQ(std::bit_cast<std::uint64_t>(rollup.histograms.back().sum), kQuietNanBits);
}

TEST(NativeRollup, WithoutASumItIsNanAndWithoutBucketsTheFormIsClassic) {
    Vm vm;
    SeriesWindows& wait = add_wait(vm);
    put(wait, window(1), 3, 7, {3, 0, 0, 0, 0});
    vm.range.zeros_after_ns = window(1);
    vm.schema->tiers.back().columns = kColumnCount | kColumnBuckets;
    wait.data.sum.clear();
    EXPECT_TRUE(std::isnan(vm.roll().histograms.at(0).sum));
    vm.schema->tiers.back().columns = kColumnCount;
    EXPECT_EQ(text(vm.roll()), Steps{"window wait_seconds_count=3@300000"});
}

TEST(NativeRollup, HasTheCountsOfTheClassicFormAtEachOfItsBounds) {
    Vm vm;
    put(add_wait(vm), window(1), 21, 40.25, {1, 2, 3, 4, 5});  // and 6 above the range
    const VmRollup native = vm.roll();
    vm.choice.histograms = HistogramForm::kClassic;
    const VmRollup classic = vm.roll();
    const NativeHistogram& histogram = native.histograms.at(native.steps.at(1).points.at(0).histogram);
    std::size_t bounds = 0;
    for (const RollupPoint& point : classic.steps.at(1).points) {
        const std::string le(label_value(classic.series[point.series].labels, "le"));
        if (le.empty() || le == "+Inf") continue;
        ++bounds;
        double below = static_cast<double>(histogram.zero_count);
        for (std::size_t i = 0; i < histogram.buckets.size(); ++i) {
            const double end =
                std::exp2(std::ldexp(histogram.first_bucket + static_cast<double>(i), -histogram.schema));
            if (end <= std::stod(le) * (1 + 1e-12)) below += static_cast<double>(histogram.buckets[i]);
        }
        EXPECT_EQ(below, point.value) << le;
    }
    EXPECT_EQ(bounds, 3u);
}

}  // namespace
}  // namespace ringside::agent
