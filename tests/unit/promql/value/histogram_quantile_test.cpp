#include "agent/promql/value/histogram_quantile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ringside::agent::promql {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

FloatHistogram filled(BucketCounts positive, double nan_count = 0) {
    FloatHistogram histogram;
    histogram.positive = std::move(positive);
    for (const BucketCount& bucket : histogram.positive) histogram.count += bucket.count;
    histogram.sum = nan_count > 0 ? NAN : histogram.count;
    histogram.count += nan_count;
    return histogram;
}

TEST(NativeQuantile, InterpolatesOnALogarithmicScale) {
    FloatHistogram histogram = filled({{1, 2}});  // (1, 2]
    EXPECT_DOUBLE_EQ(quantile(0.5, histogram).value, std::sqrt(2));
    EXPECT_DOUBLE_EQ(quantile(1, histogram).value, 2);
}

TEST(NativeQuantile, GoesBackAndForthWithFraction) {
    FloatHistogram histogram = filled({{-1, 3}, {2, 5}, {3, 1}});
    for (double q : {0.1, 0.3, 0.4, 0.7, 0.95}) {
        EXPECT_NEAR(fraction(-kInfinity, quantile(q, histogram).value, histogram).value, q, 1e-12) << q;
    }
}

TEST(NativeQuantile, OutsideOfZeroToOneIsInfinite) {
    FloatHistogram histogram = filled({{1, 1}});
    EXPECT_EQ(quantile(-0.1, histogram).value, -kInfinity);
    EXPECT_EQ(quantile(1.1, histogram).value, kInfinity);
    EXPECT_TRUE(std::isnan(quantile(NAN, histogram).value));
    EXPECT_TRUE(std::isnan(quantile(0.5, FloatHistogram()).value));
}

TEST(NativeQuantile, SaysWhatNanObservationsDo) {
    EXPECT_EQ(quantile(0.1, filled({{1, 8}}, 2)).nan_effect, NanEffect::kSkewed);
    Estimate beyond = quantile(0.95, filled({{1, 8}}, 2));
    EXPECT_TRUE(std::isnan(beyond.value));
    EXPECT_EQ(beyond.nan_effect, NanEffect::kResultIsNan);
}

TEST(ClassicQuantile, InterpolatesLinearly) {
    std::vector<ClassicBucket> buckets = {{kInfinity, 10}, {1, 4}, {2, 8}};
    EXPECT_DOUBLE_EQ(quantile(0.6, buckets).value, 1.5);
    EXPECT_DOUBLE_EQ(quantile(0.9, buckets).value, 2);  // in the last bucket nothing more is known
}

TEST(ClassicQuantile, NeedsTheLastBucket) {
    std::vector<ClassicBucket> buckets = {{1, 4}, {2, 8}};
    EXPECT_TRUE(std::isnan(quantile(0.5, buckets).value));
}

TEST(ClassicQuantile, LiftsCountsThatFallAndSaysSo) {
    std::vector<ClassicBucket> buckets = {{1, 5}, {2, 3}, {3, 4}, {kInfinity, 10}};
    ClassicQuantile found = quantile(0.5, buckets);
    EXPECT_TRUE(found.forced_monotonic);
    EXPECT_EQ(found.lowest_bound, 2);
    EXPECT_EQ(found.highest_bound, 3);
    EXPECT_EQ(found.largest_lift, 2);
}

TEST(ClassicQuantile, TakesTinyDifferencesForRounding) {
    std::vector<ClassicBucket> buckets = {{1, 5}, {2, 5 - 1e-13}, {kInfinity, 5 + 1e-13}};
    EXPECT_FALSE(quantile(0.5, buckets).forced_monotonic);
}

TEST(ClassicFraction, CountsFromZeroIfAllBoundsArePositive) {
    std::vector<ClassicBucket> buckets = {{1, 4}, {2, 8}, {kInfinity, 8}};
    EXPECT_DOUBLE_EQ(fraction(0.5, 1.5, buckets), 0.5);
    EXPECT_DOUBLE_EQ(fraction(-kInfinity, kInfinity, buckets), 1);
}

TEST(Quantile, LiesBetweenTheNearestTwo) {
    std::vector<double> values = {3, 1, 2};
    EXPECT_EQ(quantile(0.25, values), 1.5);
    values = {1, NAN, 2};
    EXPECT_TRUE(std::isnan(quantile(0, values)));  // NaN counts as the smallest
    values.clear();
    EXPECT_TRUE(std::isnan(quantile(0.5, values)));
}

}  // namespace
}  // namespace ringside::agent::promql
