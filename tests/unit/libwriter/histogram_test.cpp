// Histograms: which bucket a value falls into, at every bound and one step around it, and what is rejected.
#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "writer.h"

namespace ringside {
namespace {

using testing::ElementsAre;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kMax = std::numeric_limits<double>::max();
constexpr double kMinNormal = std::numeric_limits<double>::min();
constexpr double kMinSubnormal = std::numeric_limits<double>::denorm_min();

// The bound 2^(index / 2^scale), its fraction rounded to a double; long doubles have the exponents for all of them.
long double exact_bound(std::int64_t index, int scale) {
    long double power = std::ldexp(static_cast<long double>(index), -scale);
    long double whole = std::floor(power);
    double fraction = static_cast<double>(std::exp2(power - whole));
    return std::ldexp(static_cast<long double>(fraction), static_cast<int>(whole));
}

std::int64_t lowest_index(int scale) { return scale >= 0 ? -(std::int64_t{1074} << scale) : -(1074 >> -scale); }
std::int64_t highest_index(int scale) { return scale >= 0 ? std::int64_t{1024} << scale : 1024 >> -scale; }

TEST(HistogramBound, IsThePowerRoundedToTheNearestDouble) {
    for (int scale = RSIDE_HISTOGRAM_SCALE_MIN; scale <= RSIDE_HISTOGRAM_SCALE_MAX; ++scale) {
        for (std::int64_t i = lowest_index(scale); i <= highest_index(scale); ++i) {
            double wanted = static_cast<double>(exact_bound(i, scale));  // infinite from 2^1024 on
            ASSERT_EQ(rside_histogram_bound(static_cast<std::int32_t>(i), scale), wanted) << i << " at scale " << scale;
        }
    }
}

TEST(HistogramBound, StaysWithinTheDoublesAtTheEnds) {
    for (int scale = RSIDE_HISTOGRAM_SCALE_MIN; scale <= RSIDE_HISTOGRAM_SCALE_MAX; ++scale) {
        EXPECT_EQ(rside_histogram_bound(std::numeric_limits<std::int32_t>::max(), scale), kInf);
        EXPECT_EQ(rside_histogram_bound(std::numeric_limits<std::int32_t>::min(), scale), 0.0);
    }
}

// Buckets are (lower, upper]: a bound belongs to the bucket that it ends, the next double to the next bucket.
TEST(HistogramIndex, IsExactAtEveryBoundAndOneStepAroundIt) {
    for (int scale = RSIDE_HISTOGRAM_SCALE_MIN; scale <= RSIDE_HISTOGRAM_SCALE_MAX; ++scale) {
        for (std::int64_t i = lowest_index(scale); i < highest_index(scale); ++i) {
            double bound = rside_histogram_bound(static_cast<std::int32_t>(i), scale);
            if (bound < kMinNormal) continue;  // where bounds are closer than doubles: the next test
            ASSERT_EQ(rside_histogram_index(bound, scale), i) << "scale " << scale;
            ASSERT_EQ(rside_histogram_index(std::nextafter(bound, kInf), scale), i + 1) << "scale " << scale;
            if (bound == kMinNormal) continue;
            ASSERT_EQ(rside_histogram_index(std::nextafter(bound, 0), scale), i) << "scale " << scale;
        }
    }
}

void expect_between_bounds(double value, int scale) {
    std::int64_t index = rside_histogram_index(value, scale);
    ASSERT_LE(static_cast<long double>(value), exact_bound(index, scale)) << value << " at scale " << scale;
    ASSERT_GT(static_cast<long double>(value), exact_bound(index - 1, scale)) << value << " at scale " << scale;
}

TEST(HistogramIndex, LiesBetweenTheExactBoundsForEverySortOfValue) {
    std::vector<double> values = {
        kMinSubnormal, 2 * kMinSubnormal,       3 * kMinSubnormal, std::nextafter(kMinNormal, 0), kMinNormal, kMax,
        1.0,           std::nextafter(1.0, 0.0)};
    std::mt19937_64 random(1);
    for (int i = 0; i < 20000; ++i) {
        std::uint64_t bits = random() >> (1 + (i % 4 == 0 ? 11 + random() % 52 : 0));  // a fourth are subnormal
        double value;
        std::memcpy(&value, &bits, sizeof value);
        if (value > 0 && value <= kMax) values.push_back(value);
    }
    for (double value : values) {
        for (int scale = RSIDE_HISTOGRAM_SCALE_MIN; scale <= RSIDE_HISTOGRAM_SCALE_MAX; ++scale) {
            expect_between_bounds(value, scale);
        }
    }
}

// --- recording --------------------------------------------------------------------------------------------------------

// Scale 0 from 2 to 16: zero up to 1, then (1, 2], (2, 4], (4, 8], (8, 16].
class Histogram : public testing::Test {
  protected:
    Histogram() : writer_(SchemaSpec("one").tier(1, 4).histogram("h", 0, 2, 16)) {
        handle_ = rside_histogram_register(writer_.segment(), "h", nullptr, 0, nullptr);
    }
    plain::Series read() const { return writer_.decoded().series.at(0); }

    Writer writer_;
    rside_histogram handle_;
};

TEST_F(Histogram, PutsBoundsIntoTheBucketTheyEnd) {
    for (double value : {1.0, 2.0, 4.0, 8.0, 16.0}) rside_histogram_record(handle_, value);
    EXPECT_THAT(read().hot_buckets, ElementsAre(1, 1, 1, 1, 1));
    for (double value : {1.0, 2.0, 4.0, 8.0, 16.0}) rside_histogram_record(handle_, std::nextafter(value, kInf));
    EXPECT_THAT(read().hot_buckets, ElementsAre(1, 2, 2, 2, 2)) << "the last one overflows";
    EXPECT_EQ(read().hot.count, 10u);
    for (double value : {1.0, 2.0, 4.0, 8.0, 16.0}) rside_histogram_record(handle_, std::nextafter(value, 0));
    EXPECT_THAT(read().hot_buckets, ElementsAre(2, 3, 3, 3, 3));
}

TEST_F(Histogram, CountsWhatIsTooSmallAsZero) {
    for (double value : {0.0, -0.0, kMinSubnormal, kMinNormal, 0.5, 1.0}) rside_histogram_record(handle_, value);
    EXPECT_THAT(read().hot_buckets, ElementsAre(6, 0, 0, 0, 0));
    EXPECT_EQ(read().hot.count, 6u);
}

TEST_F(Histogram, CountsWhatIsTooLargeInNoBucket) {
    for (double value : {17.0, 1e300, kMax / 4}) rside_histogram_record(handle_, value);
    EXPECT_THAT(read().hot_buckets, ElementsAre(0, 0, 0, 0, 0));
    EXPECT_EQ(read().hot.count, 3u);
    EXPECT_EQ(read().hot.sum, 17.0 + 1e300 + kMax / 4);
}

TEST_F(Histogram, RejectsAndCountsWhatIsNoMeasurement) {
    std::vector<std::uint8_t> before = writer_.bytes();
    for (double value : {std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::quiet_NaN(), kInf,
                         -kInf, -1.0, -kMinSubnormal}) {
        rside_histogram_record(handle_, value);
    }
    plain::Segment segment = writer_.decoded();
    EXPECT_EQ(segment.rejected_samples, 6u);
    EXPECT_EQ(segment.series[0].hot.count, 0u);
    EXPECT_EQ(segment.series[0].hot.sum, 0);
    EXPECT_THAT(segment.series[0].hot_buckets, ElementsAre(0, 0, 0, 0, 0));
}

TEST_F(Histogram, SumsUpExactly) {
    for (int i = 0; i < 1000; ++i) rside_histogram_record(handle_, 0.125 * i);
    EXPECT_EQ(read().hot.sum, 0.125 * 999 * 500);
}

// A slot keeps the lower 32 bits of a bucket; the difference of two slots is right all the same.
TEST_F(Histogram, KeepsBucketsModulo32BitsInSlots) {
    rside_histogram_record(handle_, 3);
    const_cast<std::uint64_t&>(handle_.hot->buckets[2]) = 0xffffffff;
    writer_.tick(1'700'000'001 * kSecond);
    rside_histogram_record(handle_, 3);
    rside_histogram_record(handle_, 3);
    writer_.tick(1'700'000'002 * kSecond);
    rside_histogram_record(handle_, 3);
    plain::Series series = read();
    std::uint32_t first = series.rings[0][1'700'000'000 % 4].buckets[2];
    std::uint32_t second = series.rings[0][1'700'000'001 % 4].buckets[2];
    EXPECT_EQ(first, 0xffffffffu);
    EXPECT_EQ(second - first, 2u);
    EXPECT_EQ(series.hot_buckets[2], 0x100000002u);
}

TEST(HistogramRange, CoversAllDoublesAtTheCoarsestScale) {
    Writer writer(SchemaSpec("all").tier(1, 4).histogram("h", -4, kMinSubnormal, kMax));
    rside_histogram handle = rside_histogram_register(writer.segment(), "h", nullptr, 0, nullptr);
    for (double value : {0.0, kMinSubnormal, kMinNormal, 1.0, kMax}) rside_histogram_record(handle, value);
    plain::Series series = writer.decoded().series.at(0);
    std::uint64_t in_buckets = 0;
    for (std::uint64_t count : series.hot_buckets) in_buckets += count;
    EXPECT_EQ(in_buckets, 5u);
    EXPECT_EQ(series.hot_buckets.front(), 1u);
    EXPECT_EQ(series.hot_buckets[1], 1u);
    EXPECT_EQ(series.hot_buckets.back(), 1u);
}

// With one bucket only, everything is zero, in it, or over it.
TEST(HistogramRange, MayBeASingleBucket) {
    Writer writer(SchemaSpec("one").tier(1, 4).histogram("h", 8, 3.0, 3.0));
    rside_histogram handle = rside_histogram_register(writer.segment(), "h", nullptr, 0, nullptr);
    for (double value : {0.0, 2.0, 2.98, 2.995, 3.0, 3.1, 1e9}) rside_histogram_record(handle, value);
    EXPECT_THAT(writer.decoded().series.at(0).hot_buckets, ElementsAre(3, 2));
    EXPECT_EQ(writer.decoded().series.at(0).hot.count, 7u);
}

}  // namespace
}  // namespace ringside
