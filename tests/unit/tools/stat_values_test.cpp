// What `ringsidectl stat` makes of several series: it does not depend on the order in which the agent has them.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tools/ringsidectl/stat_columns.h"

namespace ringside::ctl {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kNow = 1'700'000'000 * kSecond;
constexpr std::uint64_t kWindows = 10;

// Ten windows of a histogram with buckets (0.5, 1] to (4, 8], each one a random total above the one before.
SeriesOfPoints histogram(std::mt19937_64& random, std::int32_t bucket_first = 0) {
    SeriesOfPoints series;
    series.metric = "h";
    series.kind = agent::Kind::kHistogram;
    series.resolution_s = 1;
    series.created_ns = kNow - 100 * kSecond;
    series.bucket_first = bucket_first;
    series.bucket_count = 4;
    std::vector<std::uint64_t> totals(series.bucket_count + 1);
    std::uint64_t overflow = 0;
    for (std::uint64_t w = 0; w <= kWindows; ++w) {
        series.data.end_ns.push_back(kNow + w * kSecond);
        series.data.flags.push_back(0);
        for (std::uint64_t& total : totals) total += random() % 1000;
        overflow += random() % 3;
        series.data.buckets.insert(series.data.buckets.end(), totals.begin(), totals.end());
        std::uint64_t count = overflow;
        for (std::uint64_t total : totals) count += total;
        series.data.count.push_back(count);
    }
    return series;
}

StatColumn quantile(double q) {
    StatColumn column = parse_columns("h:p50")->front();
    column.quantile = q;
    column.resolution_s = 1;
    return column;
}

Value merged(const std::vector<SeriesOfPoints>& series, double q) {
    return stat_value(quantile(q), series, kNow, kNow + kWindows * kSecond);
}

TEST(StatQuantile, IsTheSameInWhateverOrderHistogramsAreMerged) {
    std::mt19937_64 random(5);
    std::vector<SeriesOfPoints> series(12);
    for (SeriesOfPoints& one : series) one = histogram(random);
    for (double q : {0.0, 0.01, 0.5, 0.9, 0.99, 1.0}) {
        const Value first = merged(series, q);
        ASSERT_TRUE(std::holds_alternative<double>(first));
        for (int round = 0; round < 20; ++round) {
            std::shuffle(series.begin(), series.end(), random);
            EXPECT_EQ(std::get<double>(merged(series, q)), std::get<double>(first)) << q;
        }
    }
}

TEST(StatQuantile, IsThatOfAllObservationsTogether) {
    std::mt19937_64 random(6);
    std::vector<SeriesOfPoints> series(3);
    for (SeriesOfPoints& one : series) one = histogram(random);
    SeriesOfPoints whole = series[0];
    for (std::size_t i = 1; i < series.size(); ++i) {
        for (std::size_t k = 0; k < whole.data.buckets.size(); ++k) whole.data.buckets[k] += series[i].data.buckets[k];
        for (std::size_t k = 0; k < whole.data.count.size(); ++k) whole.data.count[k] += series[i].data.count[k];
    }
    for (double q : {0.1, 0.5, 0.95})
        EXPECT_EQ(std::get<double>(merged(series, q)), std::get<double>(merged({whole}, q)));
}

// Buckets of other bounds do not add up: unknown, whichever comes first.
TEST(StatQuantile, IsUnknownForHistogramsOfDifferentBounds) {
    std::mt19937_64 random(7);
    const SeriesOfPoints one = histogram(random), other = histogram(random, 1);
    EXPECT_TRUE(std::holds_alternative<std::monostate>(merged({one, other}, 0.5)));
    EXPECT_TRUE(std::holds_alternative<std::monostate>(merged({other, one}, 0.5)));
}

}  // namespace
}  // namespace ringside::ctl
