#include "agent/promql/value/float_histogram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "agent/promql/value/histogram_trim.h"

namespace ringside::agent::promql {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

FloatHistogram exponential(std::int32_t schema, BucketCounts positive, double zero_count = 0, double zero_threshold = 0,
                           BucketCounts negative = {}) {
    FloatHistogram histogram;
    histogram.schema = schema;
    histogram.positive = std::move(positive);
    histogram.negative = std::move(negative);
    histogram.zero_count = histogram.count = zero_count;
    histogram.zero_threshold = zero_threshold;
    for (const BucketCount& b : histogram.positive) histogram.count += b.count;
    for (const BucketCount& b : histogram.negative) histogram.count += b.count;
    return histogram;
}

FloatHistogram custom(std::vector<double> bounds, BucketCounts counts) {
    FloatHistogram histogram = exponential(kCustomSchema, std::move(counts));
    histogram.custom_bounds = std::move(bounds);
    return histogram;
}

TEST(ExponentialBound, IsExactAtPowersOfTwo) {
    EXPECT_EQ(exponential_bound(0, 0), 1);
    EXPECT_EQ(exponential_bound(3, 0), 8);
    EXPECT_EQ(exponential_bound(-3, 0), 0.125);
    EXPECT_EQ(exponential_bound(2, -1), 16);
    EXPECT_EQ(exponential_bound(16, 3), 4);
    EXPECT_DOUBLE_EQ(exponential_bound(1, 1), std::sqrt(2));
    for (std::int32_t schema = 0; schema <= kSchemaMax; ++schema) {
        EXPECT_EQ(exponential_bound(5 * (1 << schema), schema), 32) << schema;
    }
}

TEST(ExponentialBound, EndsAtTheLargestDoubleAndThenAtInfinity) {
    EXPECT_EQ(exponential_bound(1024, 0), std::numeric_limits<double>::max());
    EXPECT_EQ(exponential_bound(1025, 0), kInfinity);
    EXPECT_EQ(exponential_bound(1024 * 8, 3), std::numeric_limits<double>::max());
    EXPECT_EQ(exponential_bound(64, -4), std::numeric_limits<double>::max());
}

TEST(BucketSpans, AreRunsOfNeighbours) {
    BucketCounts buckets = {{-2, 1}, {-1, 2}, {3, 4}};
    std::vector<BucketSpan> spans = {{-2, 2}, {3, 1}};
    EXPECT_EQ(bucket_spans(buckets), spans);
    Result<BucketCounts> back = bucket_counts(spans, {1, 2, 4});
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(*back, buckets);
}

TEST(BucketSpans, ThatDoNotFitTheirCountsAreRefused) {
    EXPECT_FALSE(bucket_counts({{0, 2}}, {1}).ok());
    EXPECT_FALSE(bucket_counts({{0, 1}}, {1, 2}).ok());
    EXPECT_FALSE(bucket_counts({{0, 1}, {-1, 1}}, {1, 2}).ok());
    EXPECT_FALSE(bucket_counts({{2147483647, 4000000000}}, {1}).ok());
}

TEST(HistogramAdd, TakesTheWiderSchema) {
    FloatHistogram fine = exponential(1, {{1, 1}, {2, 2}, {3, 4}});
    ASSERT_TRUE(fine.add(exponential(0, {{1, 10}})).ok());
    EXPECT_TRUE(fine.same_as(exponential(0, {{1, 13}, {2, 4}})));
    FloatHistogram coarse = exponential(0, {{1, 10}});
    ASSERT_TRUE(coarse.add(exponential(1, {{1, 1}, {2, 2}, {3, 4}})).ok());
    EXPECT_TRUE(coarse.same_as(fine));
}

TEST(HistogramAdd, IsUndoneBySubtracting) {
    std::mt19937 random(7);
    for (int i = 0; i < 200; ++i) {
        auto any = [&](std::int32_t schema) {
            BucketCounts buckets;
            for (std::int32_t index = -20; index < 20; ++index) {
                if (random() % 3 == 0) buckets.push_back({index, static_cast<double>(random() % 100)});
            }
            return exponential(schema, buckets, static_cast<double>(random() % 5), 0.001);
        };
        FloatHistogram a = any(2), b = any(2), sum = a;
        ASSERT_TRUE(sum.add(b).ok());
        EXPECT_EQ(sum.count, a.count + b.count);
        ASSERT_TRUE(sum.subtract(b).ok());
        EXPECT_TRUE(sum.same_as(a)) << sum.text() << a.text();
    }
}

// The larger threshold wins; buckets inside it go into the zero bucket of the other side.
TEST(HistogramAdd, ReconcilesZeroBuckets) {
    FloatHistogram narrow = exponential(0, {{-2, 3}, {0, 5}}, 1, 0.001);
    ASSERT_TRUE(narrow.add(exponential(0, {{0, 7}}, 2, 0.25)).ok());
    EXPECT_TRUE(narrow.same_as(exponential(0, {{0, 12}}, 6, 0.25))) << narrow.text();
}

// A threshold that cuts a filled bucket of the other side grows to the bucket's bound, on both sides of zero.
TEST(HistogramAdd, GrowsTheZeroBucketOverBucketsThatItCuts) {
    FloatHistogram cut = exponential(0, {{1, 5}, {3, 9}}, 1, 0, {{2, 4}});
    ASSERT_TRUE(cut.add(exponential(0, {}, 2, 1.5)).ok());
    EXPECT_TRUE(cut.same_as(exponential(0, {{3, 9}}, 8, 2, {{2, 4}}))) << cut.text();
    FloatHistogram negative = exponential(0, {{2, 6}}, 1, 0, {{2, 4}});
    ASSERT_TRUE(negative.add(exponential(0, {}, 2, 3)).ok());
    EXPECT_TRUE(negative.same_as(exponential(0, {}, 13, 4))) << negative.text();
}

TEST(HistogramAdd, KeepsTheBoundsThatBothHave) {
    FloatHistogram a = custom({1, 2, 3}, {{0, 1}, {1, 2}, {2, 3}, {3, 4}});
    Result<HistogramNote> note = a.add(custom({2, 4}, {{0, 10}, {1, 20}, {2, 30}}));
    ASSERT_TRUE(note.ok());
    EXPECT_TRUE(note->bounds_reconciled);
    EXPECT_TRUE(a.same_as(custom({2}, {{0, 13}, {1, 57}}))) << a.text();
}

TEST(HistogramAdd, RefusesToMixCustomAndExponential) {
    FloatHistogram a = exponential(0, {{1, 1}});
    EXPECT_FALSE(a.add(custom({1}, {{0, 1}})).ok());
    EXPECT_TRUE(a.same_as(exponential(0, {{1, 1}})));
}

TEST(HistogramAdd, MakesOneHintOfTwo) {
    using enum ResetHint;
    struct Case {
        ResetHint a, b, sum;
        bool collision;
    };
    for (Case c : {Case{kUnknown, kUnknown, kUnknown, false}, Case{kNotReset, kNotReset, kNotReset, false},
                   Case{kReset, kNotReset, kUnknown, true}, Case{kGauge, kReset, kGauge, false},
                   Case{kReset, kGauge, kGauge, false}, Case{kReset, kUnknown, kUnknown, false}}) {
        FloatHistogram a, b;
        a.reset_hint = c.a;
        b.reset_hint = c.b;
        Result<HistogramNote> note = a.add(b);
        ASSERT_TRUE(note.ok());
        EXPECT_EQ(a.reset_hint, c.sum);
        EXPECT_EQ(note->reset_collision, c.collision);
    }
}

TEST(HistogramDivide, ByZeroLeavesNoBuckets) {
    FloatHistogram histogram = exponential(0, {{1, 4}}, 0);
    histogram.divide(0);
    EXPECT_TRUE(histogram.positive.empty());
    EXPECT_EQ(histogram.count, kInfinity);
    EXPECT_TRUE(std::isnan(histogram.zero_count));
}

TEST(HistogramReset, IsSeenInEveryPart) {
    FloatHistogram before = exponential(1, {{1, 2}, {4, 3}}, 2, 0.001, {{1, 2}});
    EXPECT_FALSE(before.is_reset_after(before));
    auto changed = [&](auto change) {
        FloatHistogram now = before;
        now.count += 100;
        change(now);
        return now.is_reset_after(before);
    };
    EXPECT_FALSE(changed([](FloatHistogram&) {}));
    EXPECT_TRUE(changed([](FloatHistogram& h) { h.count = 1; }));
    EXPECT_TRUE(changed([](FloatHistogram& h) { h.zero_count = 1; }));
    EXPECT_TRUE(changed([](FloatHistogram& h) { h.positive[0].count = 1; }));
    EXPECT_TRUE(changed([](FloatHistogram& h) { h.positive.pop_back(); }));
    EXPECT_TRUE(changed([](FloatHistogram& h) { h.negative.clear(); }));
    EXPECT_TRUE(changed([](FloatHistogram& h) { h.zero_threshold = 0; }));
    EXPECT_TRUE(changed([](FloatHistogram& h) { h.schema = 2; }));
    // Wider buckets and a larger zero bucket do not need a reset.
    EXPECT_FALSE(changed([](FloatHistogram& h) { h.reduce_resolution(0); }));
    EXPECT_TRUE(changed([](FloatHistogram& h) { h.zero_threshold = 1.2; }));
    EXPECT_FALSE(changed([](FloatHistogram& h) {
        h.zero_threshold = 0.5;
        h.positive[0].count = 2;
    }));
}

TEST(HistogramReset, BelievesTheHint) {
    FloatHistogram before = exponential(0, {{1, 5}}), now = exponential(0, {{1, 1}});
    now.reset_hint = ResetHint::kNotReset;
    EXPECT_FALSE(now.is_reset_after(before));
    now = before;
    now.reset_hint = ResetHint::kReset;
    EXPECT_TRUE(now.is_reset_after(before));
}

TEST(HistogramReset, ComparesCustomBucketsOverCommonBounds) {
    FloatHistogram before = custom({2, 4}, {{0, 3}, {1, 1}});
    EXPECT_FALSE(custom({1, 2, 4}, {{0, 1}, {1, 2}, {2, 1}}).is_reset_after(before));
    EXPECT_TRUE(custom({1, 2, 4}, {{0, 1}, {1, 1}, {2, 9}}).is_reset_after(before));
}

TEST(HistogramSum, KeepsWhatRoundingTakesInEachBucket) {
    HistogramSum sum(exponential(0, {{1, 1}}));
    for (double value : {1e100, 1.0, -1e100}) ASSERT_TRUE(sum.add(exponential(0, {{1, value}})).ok());
    EXPECT_EQ(sum.value().positive[0].count, 2);
    EXPECT_EQ(sum.value().count, 2);
}

TEST(HistogramMean, DoesNotOverflowWhereTheSumDoes) {
    FloatHistogram large = exponential(0, {{1, 1.5e308}});
    HistogramMean mean(large);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(mean.add(large).ok());
    EXPECT_NEAR(mean.value().positive[0].count / 1.5e308, 1, 1e-12);
}

TEST(HistogramEquality, DoesNotSeeEmptyBucketsButSeesBounds) {
    EXPECT_TRUE(exponential(0, {{1, 4}, {2, 0}}).same_as(exponential(0, {{1, 4}})));
    EXPECT_FALSE(exponential(0, {{1, 4}}).same_as(exponential(1, {{1, 4}})));
    EXPECT_FALSE(custom({1}, {{0, 4}}).same_as(custom({2}, {{0, 4}})));
}

TEST(HistogramText, ListsFilledBucketsFromBelow) {
    FloatHistogram histogram = exponential(0, {{1, 2}, {2, 0}}, 1, 0.5, {{1, 4}});
    histogram.sum = 1.5;
    EXPECT_EQ(histogram.text(), "{count:7, sum:1.5, [-2,-1):4, [-0.5,0.5]:1, (1,2]:2}");
    EXPECT_EQ(custom({5}, {{0, 1}, {1, 2}}).text(), "{count:3, sum:0, [-Inf,5]:1, (5,+Inf]:2}");
}

TEST(HistogramTrim, LeavesAloneWhatLiesOnTheRightSide) {
    FloatHistogram histogram = exponential(0, {{1, 2}}, 1, 0.5);
    histogram.sum = 99;  // not what the buckets say: must stay
    EXPECT_EQ(trim(histogram, 2, Keep::kBelow).sum, 99);
    EXPECT_EQ(trim(histogram, -1, Keep::kAbove).sum, 99);
}

TEST(HistogramTrim, CutsABucketWhereItsBoundLies) {
    FloatHistogram below = trim(exponential(0, {{1, 8}}), std::sqrt(2), Keep::kBelow);
    EXPECT_NEAR(below.count, 4, 1e-12);
    FloatHistogram nothing = trim(exponential(0, {{1, 8}}), NAN, Keep::kAbove);
    EXPECT_EQ(nothing.count, 0);
}

}  // namespace
}  // namespace ringside::agent::promql
