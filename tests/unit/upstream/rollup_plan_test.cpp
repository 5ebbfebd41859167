#include "agent/upstream/rollup_plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

namespace ringside::agent {
namespace {

constexpr std::uint32_t kGaugeColumns = kColumnCount | kColumnSum | kColumnMin | kColumnMax | kColumnLast;

MetricInfo metric(std::string name, Kind kind) {
    MetricInfo info;
    info.name = std::move(name);
    info.kind = kind;
    info.max_series = 1;
    return info;
}

// Buckets bucket_first .. bucket_first + count - 1 at `scale`.
MetricInfo histogram(int scale, std::int32_t first, std::uint32_t count) {
    MetricInfo info = metric("wait_seconds", Kind::kHistogram);
    info.histogram_scale = static_cast<std::int8_t>(scale);
    info.bucket_first = first;
    info.bucket_count = count;
    return info;
}

RollupPlan plan_of(std::vector<MetricInfo> metrics, TierInfo tier = {300, 288, kColumnsAll}) {
    auto schema = std::make_shared<SchemaInfo>();
    schema->tiers = {{1, 300, kColumnsAll}, tier};
    schema->metrics = std::move(metrics);
    return RollupPlan(std::move(schema));
}

std::vector<std::string> names(const MetricRollup& rollup) {
    std::vector<std::string> all;
    for (const RollupOutput& output : rollup.outputs) {
        all.push_back(output.le.empty() ? output.name : output.name + "{" + output.le + "}");
    }
    return all;
}

using Names = std::vector<std::string>;

TEST(ResolutionText, UsesTheLargestUnitThatDivides) {
    EXPECT_EQ(resolution_text(1), "1s");
    EXPECT_EQ(resolution_text(6), "6s");
    EXPECT_EQ(resolution_text(90), "90s");
    EXPECT_EQ(resolution_text(60), "1m");
    EXPECT_EQ(resolution_text(300), "5m");
    EXPECT_EQ(resolution_text(3600), "1h");
    EXPECT_EQ(resolution_text(5400), "90m");
    EXPECT_EQ(resolution_text(86400), "1d");
    EXPECT_EQ(resolution_text(604800), "7d");
}

TEST(RollupPlan, TakesTheCoarsestTier) {
    RollupPlan plan = plan_of({metric("x_total", Kind::kCounter)}, {6, 20, kColumnsAll});
    EXPECT_EQ(plan.tier(), 1u);
    EXPECT_EQ(plan.resolution_ns(), 6'000'000'000u);
    EXPECT_EQ(plan.slots(), 20u);
}

TEST(RollupPlan, NamesWhatEachKindBecomes) {
    RollupPlan plan = plan_of({metric("a_total", Kind::kCounter), metric("b_seconds_total", Kind::kCounterF64),
                               metric("c", Kind::kGauge), metric("d", Kind::kLevel), metric("e_info", Kind::kInfo),
                               histogram(0, 0, 3)});
    EXPECT_EQ(names(plan.metrics()[0]), Names{"a_total"});
    EXPECT_EQ(names(plan.metrics()[1]), Names{"b_seconds_total"});
    EXPECT_EQ(names(plan.metrics()[2]), (Names{"c", "c:5m_min", "c:5m_max", "c:5m_sum", "c:5m_count"}));
    EXPECT_EQ(names(plan.metrics()[3]), (Names{"d", "d:5m_min", "d:5m_max", "d:5m_sum", "d:5m_count"}));
    EXPECT_EQ(names(plan.metrics()[4]), Names{"e_info"});
    EXPECT_EQ(names(plan.metrics()[5]),
              (Names{"wait_seconds_bucket{0.5}", "wait_seconds_bucket{1}", "wait_seconds_bucket{2}",
                     "wait_seconds_bucket{4}", "wait_seconds_bucket{+Inf}", "wait_seconds_sum", "wait_seconds_count"}));
    EXPECT_EQ(plan.metrics()[4].columns, 0u);
    EXPECT_EQ(plan.metrics()[3].outputs[4].value, OutputValue::kSeconds);
    EXPECT_EQ(plan.metrics()[2].outputs[4].value, OutputValue::kCount);
    EXPECT_TRUE(plan.names_taken().empty());
}

TEST(RollupPlan, TakesTheSuffixFromTheTier) {
    EXPECT_EQ(names(plan_of({metric("c", Kind::kGauge)}, {6, 10, kColumnMin | kColumnSum}).metrics()[0]),
              (Names{"c:6s_min", "c:6s_sum"}));
    EXPECT_EQ(names(plan_of({metric("c", Kind::kGauge)}, {3600, 10, kColumnMax}).metrics()[0]), Names{"c:1h_max"});
}

TEST(RollupPlan, LeavesOutColumnsThatTheTierDoesNotKeep) {
    struct Case {
        std::uint32_t kept;
        Names gauge, counter, histogram;
    };
    const Case cases[] = {
        {kColumnLast, {"c"}, {}, {}},
        {kColumnValue, {}, {"a_total"}, {}},
        {kColumnSum, {"c:5m_sum"}, {}, {"wait_seconds_sum"}},
        {kColumnCount, {"c:5m_count"}, {}, {"wait_seconds_count"}},
        // Without the count there is no bucket of +Inf, and a histogram without that says nothing.
        {kColumnBuckets, {}, {}, {}},
        {kColumnBuckets | kColumnSum, {"c:5m_sum"}, {}, {"wait_seconds_sum"}},
        {kColumnBuckets | kColumnCount,
         {"c:5m_count"},
         {},
         {"wait_seconds_bucket{1}", "wait_seconds_bucket{2}", "wait_seconds_bucket{+Inf}", "wait_seconds_count"}},
    };
    for (const Case& c : cases) {
        RollupPlan plan = plan_of({metric("c", Kind::kGauge), metric("a_total", Kind::kCounter), histogram(0, 1, 1)},
                                  {300, 9, c.kept});
        EXPECT_EQ(names(plan.metrics()[0]), c.gauge) << c.kept;
        EXPECT_EQ(names(plan.metrics()[1]), c.counter) << c.kept;
        EXPECT_EQ(names(plan.metrics()[2]), c.histogram) << c.kept;
        EXPECT_EQ(plan.metrics()[0].columns, c.kept & kGaugeColumns);
    }
}

TEST(RollupPlan, CountersAndHistogramsStartWithAZeroAndGaugesDoNot) {
    RollupPlan plan = plan_of({metric("a_total", Kind::kCounter), metric("c", Kind::kLevel), histogram(3, -5, 40),
                               metric("i_info", Kind::kInfo)});
    for (std::size_t m = 0; m < 4; ++m) {
        for (const RollupOutput& output : plan.metrics()[m].outputs) EXPECT_EQ(output.cumulative, m == 0 || m == 2);
    }
}

TEST(RollupPlan, DescribesEachFamily) {
    MetricInfo gauge = metric("queue_depth", Kind::kGauge);
    gauge.help = "Requests in flight.";
    gauge.unit = "requests";
    MetricInfo level = metric("memory_bytes", Kind::kLevel);
    level.help = "Balloon size.";
    level.unit = "bytes";
    MetricInfo counter = metric("exits_total", Kind::kCounter);
    counter.help = "Exits.";
    RollupPlan plan = plan_of({gauge, level, counter, histogram(0, 0, 2)});
    auto family = [&](std::size_t m, std::size_t output) {
        return plan.families()[plan.metrics()[m].outputs[output].family];
    };
    EXPECT_EQ(family(0, 0).name, "queue_depth");
    EXPECT_EQ(family(0, 0).help, "Requests in flight.");
    EXPECT_EQ(family(0, 0).unit, "requests");
    EXPECT_EQ(family(0, 0).type, FamilyType::kGauge);
    EXPECT_EQ(family(0, 1).name, "queue_depth:5m_min");
    EXPECT_EQ(family(0, 1).help, "Least value of the window of: Requests in flight.");
    EXPECT_EQ(family(0, 3).unit, "requests");
    EXPECT_EQ(family(0, 4).unit, "");
    EXPECT_EQ(family(1, 2).unit, "bytes");
    EXPECT_EQ(family(1, 3).unit, "");
    EXPECT_EQ(family(1, 4).unit, "seconds");
    EXPECT_EQ(family(2, 0).type, FamilyType::kCounter);
    EXPECT_EQ(family(3, 0).type, FamilyType::kHistogram);
    EXPECT_EQ(family(3, 0).name, "wait_seconds");
    EXPECT_EQ(plan.metrics()[3].outputs.front().family, plan.metrics()[3].outputs.back().family);
}

TEST(RollupPlan, TheFirstMetricKeepsANameThatTwoWouldUse) {
    RollupPlan plan = plan_of({histogram(0, 1, 1), metric("wait_seconds_count", Kind::kGauge),
                               metric("wait_seconds_bucket", Kind::kCounter)});
    EXPECT_EQ(names(plan.metrics()[1]), (Names{"wait_seconds_count:5m_min", "wait_seconds_count:5m_max",
                                               "wait_seconds_count:5m_sum", "wait_seconds_count:5m_count"}));
    EXPECT_TRUE(plan.metrics()[2].outputs.empty());
    EXPECT_EQ(plan.names_taken(), (Names{"wait_seconds_count", "wait_seconds_bucket"}));
}

std::string text(const std::vector<BucketBound>& bounds) {
    std::string all;
    for (const BucketBound& bound : bounds) {
        char one[64];
        std::snprintf(one, sizeof one, "%s%.17g:%u", all.empty() ? "" : " ", bound.le, bound.entries);
        all += one;
    }
    return all;
}

TEST(ClassicBounds, AtScaleZeroEachBucketHasItsBound) {
    // Buckets 0, 1, 2 end at 1, 2, 4; the zero bucket at 2^-1.
    EXPECT_EQ(text(classic_bounds(histogram(0, 0, 3))), "0.5:1 1:2 2:3 4:4");
}

TEST(ClassicBounds, BelowScaleZeroTheyAreFurtherApart) {
    // Scale -1: base 4; buckets 0, 1 end at 1, 4; the zero bucket at 4^-1. Scale -4: base 2^16.
    EXPECT_EQ(text(classic_bounds(histogram(-1, 0, 2))), "0.25:1 1:2 4:3");
    EXPECT_EQ(text(classic_bounds(histogram(-4, 1, 1))), "1:1 65536:2");
}

TEST(ClassicBounds, AboveScaleZeroTheyKeepToPowersOfTwo) {
    // Scale 3, buckets 1 .. 16: the zero bucket ends at 1, eight buckets end at 2, sixteen at 4.
    EXPECT_EQ(text(classic_bounds(histogram(3, 1, 16))), "1:1 2:9 4:17");
    // Scale 1, buckets -1 .. 4: the zero bucket ends at 2^-1, then pairs.
    EXPECT_EQ(text(classic_bounds(histogram(1, -1, 6))), "0.5:1 1:3 2:5 4:7");
}

TEST(ClassicBounds, StartAtTheFirstPowerOfTwoInTheRange) {
    // Scale 2, buckets 2 .. 8: the zero bucket ends at 2^(1/4); three buckets more reach 2.
    EXPECT_EQ(text(classic_bounds(histogram(2, 2, 7))), "2:4 4:8");
}

TEST(ClassicBounds, EndAtTheRangesOwnEnd) {
    // Scale 1, buckets 1 .. 3: the last one ends at 2^1.5, which is no power of two.
    EXPECT_EQ(text(classic_bounds(histogram(1, 1, 3))), "1:1 2:3 2.8284271247461903:4");
    // A range within one factor of two has nothing else.
    EXPECT_EQ(text(classic_bounds(histogram(8, 2, 1))), "1.0054299011128027:2");
}

TEST(ClassicBounds, AreThoseOfTheLastBucketForEveryScale) {
    for (int scale = -4; scale <= 8; ++scale) {
        for (std::int32_t first : {-700, -33, -1, 0, 1, 2, 17, 255}) {
            for (std::uint32_t count : {1u, 2u, 3u, 40u, 257u}) {
                MetricInfo info = histogram(scale, scale < 0 ? first / 64 : first, scale < 0 ? count % 50 + 1 : count);
                std::vector<BucketBound> bounds = classic_bounds(info);
                ASSERT_FALSE(bounds.empty());
                EXPECT_EQ(bounds.back().entries, info.bucket_count + 1);
                for (std::size_t i = 0; i < bounds.size(); ++i) {
                    // The bound is that of the bucket which is the last one below it.
                    double bucket = info.bucket_first - 1 + static_cast<double>(bounds[i].entries) - 1;
                    EXPECT_DOUBLE_EQ(bounds[i].le, std::exp2(bucket * std::exp2(-scale)));
                    if (i > 0) {
                        EXPECT_GT(bounds[i].le, bounds[i - 1].le);
                        EXPECT_GT(bounds[i].entries, bounds[i - 1].entries);
                    }
                    if (i + 1 < bounds.size()) {
                        int exponent = 0;
                        EXPECT_EQ(std::frexp(bounds[i].le, &exponent), 0.5);
                    }
                }
            }
        }
    }
}

}  // namespace
}  // namespace ringside::agent
