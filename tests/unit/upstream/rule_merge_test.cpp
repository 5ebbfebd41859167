// Merging buckets, against the writer's own choice of a bucket for a value.
#include "agent/upstream/rule_merge.h"

#include <gtest/gtest.h>
#include <ringside/schema.h>

#include <cmath>
#include <random>

namespace ringside::agent {
namespace {

MetricInfo histogram(int scale, std::int32_t first, std::uint32_t count) {
    MetricInfo metric;
    metric.kind = Kind::kHistogram;
    metric.histogram_scale = static_cast<std::int8_t>(scale);
    metric.bucket_first = first;
    metric.bucket_count = count;
    return metric;
}

void record(const MetricInfo& metric, double value, std::vector<std::uint64_t>& buckets) {
    const std::int64_t at =
        std::int64_t{rside_histogram_index(value, metric.histogram_scale)} - metric.bucket_first + 1;
    if (at < 1) {
        ++buckets[0];
    } else if (at <= std::int64_t{metric.bucket_count}) {
        ++buckets[static_cast<std::size_t>(at)];
    }
}

TEST(RuleMerge, GivesTheBucketsThatTheCoarserOneWouldHaveHad) {
    std::mt19937_64 random(7);
    auto below = [&](int least, int most) { return std::uniform_int_distribution<int>(least, most)(random); };
    int merged = 0;
    for (int round = 0; round < 3000; ++round) {
        const int scale = below(-4, 8), coarser = below(-4, scale);
        const double span = std::ldexp(1.0, -scale);  // of a bucket, in powers of two
        const MetricInfo from = histogram(scale, below(-60, 20), static_cast<std::uint32_t>(below(1, 120)));
        const MetricInfo to = histogram(coarser, below(-20, 20), static_cast<std::uint32_t>(below(1, 60)));
        if (!merges_into(from, to)) continue;
        ++merged;
        std::vector<std::uint64_t> fine(from.bucket_count + 1u), coarse(to.bucket_count + 1u);
        for (int i = 0; i < 40; ++i) {
            const int index = below(from.bucket_first - 5, from.bucket_first + static_cast<int>(from.bucket_count) - 1);
            // Half of them bounds.
            const double power = span * (index - (i % 2 == 0 ? 0.0 : 0.5));
            if (std::abs(power) > 900) continue;
            const double value = std::exp2(power);
            record(from, value, fine);
            record(to, value, coarse);
        }
        ASSERT_EQ(merged_buckets(from, to, fine), coarse) << "scale " << scale << " to " << coarser;
    }
    EXPECT_GT(merged, 500);
}

TEST(RuleMerge, RefusesWhatWouldHaveToBeGuessed) {
    EXPECT_TRUE(merges_into(histogram(2, -7, 10), histogram(2, -7, 10)));
    EXPECT_TRUE(merges_into(histogram(2, -7, 10), histogram(2, -7, 50)));
    EXPECT_FALSE(merges_into(histogram(1, -7, 10), histogram(2, -7, 10))) << "coarser";
    EXPECT_FALSE(merges_into(histogram(2, -6, 10), histogram(2, -7, 10))) << "its zero bucket crosses a bound";
    EXPECT_TRUE(merges_into(histogram(2, -7, 10), histogram(1, -3, 10))) << "both begin above 2^-2";
    EXPECT_FALSE(merges_into(histogram(2, -6, 10), histogram(1, -3, 10)));
}

TEST(RuleMerge, PutsWhatIsBelowIntoTheZeroBucketAndDropsWhatIsAbove) {
    // (1, 2], (2, 4], ... to 32 by way of (2, 4], (4, 8]
    EXPECT_EQ(merged_buckets(histogram(0, 1, 5), histogram(0, 2, 2), {1, 2, 3, 4, 5, 6}),
              (std::vector<std::uint64_t>{3, 3, 4}));
}

}  // namespace
}  // namespace ringside::agent
