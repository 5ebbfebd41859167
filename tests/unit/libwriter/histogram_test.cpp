// Histograms: which bucket a value falls into, at every bound and one step around it, what is rejected, and that it does not
// matter in which order they are merged.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
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

// Below the smallest normal double bounds lie closer than doubles: the two doubles around each of them.
TEST(HistogramIndex, IsExactOnBothSidesOfEverySubnormalBound) {
    for (int scale = RSIDE_HISTOGRAM_SCALE_MIN; scale <= RSIDE_HISTOGRAM_SCALE_MAX; ++scale) {
        for (std::int64_t i = lowest_index(scale); exact_bound(i, scale) < static_cast<long double>(kMinNormal); ++i) {
            double below = static_cast<double>(exact_bound(i, scale));
            if (static_cast<long double>(below) > exact_bound(i, scale)) below = std::nextafter(below, 0);
            if (below > 0) expect_between_bounds(below, scale);
            expect_between_bounds(std::nextafter(below, kInf), scale);
            ASSERT_FALSE(testing::Test::HasFailure());
        }
    }
}

// What makes histograms of different scales mergeable: each bucket of one scale is two of the next.
TEST(HistogramIndex, IsHalfOfThatOfTheNextScaleRoundedUp) {
    for (int scale = RSIDE_HISTOGRAM_SCALE_MIN; scale < RSIDE_HISTOGRAM_SCALE_MAX; ++scale) {
        for (std::int64_t i = lowest_index(scale + 1); i < highest_index(scale + 1); ++i) {
            const double bound = rside_histogram_bound(static_cast<std::int32_t>(i), scale + 1);
            for (double value : {std::nextafter(bound, 0), bound, std::nextafter(bound, kInf)}) {
                if (!(value > 0 && value <= kMax)) continue;
                const std::int32_t finer = rside_histogram_index(value, scale + 1);
                ASSERT_EQ(rside_histogram_index(value, scale), (finer + 1) >> 1) << value << " at scale " << scale;
            }
        }
    }
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

// --- all of the doubles, by recording ---------------------------------------------------------------------------------

// A stretch of at most RSIDE_MAX_BUCKETS buckets, as long as a segment can have.
class Stretch {
  public:
    Stretch(int scale, std::int64_t first, std::int64_t last) : scale_(scale), first_(first), last_(last) {}

    // Records both sides of each bound and the bound; what the buckets must hold then is worked out by the exact bounds.
    void expect_exact() const {
        const double lowest = rside_histogram_bound(static_cast<std::int32_t>(first_), scale_);
        const double highest = std::min(rside_histogram_bound(static_cast<std::int32_t>(last_), scale_), kMax);
        Writer writer(SchemaSpec("stretch").tier(1, 2).histogram("h", scale_, lowest, highest));
        rside_histogram handle = rside_histogram_register(writer.segment(), "h", nullptr, 0, nullptr);
        std::vector<std::uint64_t> expected(static_cast<std::size_t>(last_ - first_) + 2);
        std::uint64_t records = 0;
        for (std::int64_t i = first_ - 1; i <= last_; ++i) {
            const double bound = rside_histogram_bound(static_cast<std::int32_t>(i), scale_);
            for (double value : {std::nextafter(bound, 0), bound, std::nextafter(bound, kInf)}) {
                if (!(value >= 0 && value <= kMax)) continue;
                rside_histogram_record(handle, value);
                ++records;
                const std::size_t bucket = bucket_of(value, i);
                if (bucket < expected.size()) ++expected[bucket];
            }
        }
        const plain::Segment segment = writer.decoded();
        EXPECT_EQ(segment.series.at(0).hot.count, records);
        EXPECT_EQ(segment.rejected_samples, 0u);
        EXPECT_TRUE(segment.series.at(0).hot_buckets == expected)
            << "scale " << scale_ << ", buckets " << first_ << " to " << last_;
    }

  private:
    // The smallest bucket whose exact bound is not below `value`, which lies near that of `near`.
    std::size_t bucket_of(double value, std::int64_t near) const {
        std::int64_t index = near - 2;
        while (exact_bound(index, scale_) < static_cast<long double>(value)) ++index;
        return index < first_ ? 0 : static_cast<std::size_t>(index - first_) + 1;
    }

    int scale_;
    std::int64_t first_, last_;
};

TEST(HistogramRange, CountsExactlyAtEveryBoundOfAllDoublesAtEveryScale) {
    for (int scale = RSIDE_HISTOGRAM_SCALE_MIN; scale <= RSIDE_HISTOGRAM_SCALE_MAX; ++scale) {
        // Of the buckets between subnormal bounds most hold no double at all, so that no schema can name them.
        std::int64_t first = rside_histogram_index(kMinNormal, scale) + 1;
        while (first <= highest_index(scale)) {
            const std::int64_t last = std::min<std::int64_t>(first + RSIDE_MAX_BUCKETS - 1, highest_index(scale));
            Stretch(scale, first, last).expect_exact();
            ASSERT_FALSE(testing::Test::HasFailure());
            first = last + 1;
        }
    }
}

// --- merging ----------------------------------------------------------------------------------------------------------

// What a histogram grew by in one window, or several histograms in several.
struct Piece {
    std::uint64_t count = 0;
    double sum = 0;
    std::vector<std::uint32_t> buckets;

    void add(const Piece& other) {
        count += other.count;
        sum += other.sum;
        buckets.resize(other.buckets.size());
        for (std::size_t i = 0; i < buckets.size(); ++i) buckets[i] += other.buckets[i];
    }
    bool operator==(const Piece&) const = default;
};

Piece total_of(const plain::Slot& slot) { return {slot.summary.count, slot.summary.sum, slot.buckets}; }

// The closed windows of one tier, oldest first.
std::vector<Piece> pieces(const plain::Series& series, std::size_t tier) {
    std::map<std::uint32_t, const plain::Slot*> ring;
    for (const plain::Slot& slot : series.rings[tier]) {
        if (slot.window) ring[slot.window] = &slot;
    }
    std::vector<Piece> out;
    Piece before;
    for (const auto& [window, slot] : ring) {
        Piece grown = total_of(*slot);
        before.buckets.resize(grown.buckets.size());
        grown.count -= before.count;
        grown.sum -= before.sum;
        for (std::size_t i = 0; i < grown.buckets.size(); ++i) grown.buckets[i] -= before.buckets[i];
        out.push_back(grown);
        before = total_of(*slot);
    }
    return out;
}

// Nothing is merged where windows become windows of coarser tiers, as slots are totals; whoever reads merges: windows of any
// tier, of any series. Observations are fractions that doubles add up exactly.
TEST(HistogramMerge, GivesTheSameBytesInAnyOrder) {
    constexpr std::uint64_t kNow = 1'700'000'100 * kSecond;  // begins a window of 300 s
    constexpr std::size_t kParts = 5;
    SchemaSpec spec("merge");
    spec.tier(1, 1000).tier(10, 100).tier(300, 4).histogram("h", 2, 1e-3, 1e3, kParts + 1, {"n"});
    Writer writer(spec, kNow);
    std::vector<rside_histogram> handles;
    for (const char* n : {"0", "1", "2", "3", "4", "whole"}) {
        handles.push_back(rside_histogram_register(writer.segment(), "h", &n, 1, nullptr));
    }
    std::mt19937_64 random(7);
    for (std::uint64_t now = kNow; now < kNow + 900 * kSecond; now += random() % 64 * (kSecond / 32)) {
        writer.tick(now);
        const double value = static_cast<double>(random() % (1 << 21)) / 1024;  // also zero, and above the last bucket
        rside_histogram_record(handles[random() % kParts], value);
        rside_histogram_record(handles[kParts], value);
    }
    writer.tick(kNow + 900 * kSecond);
    for (rside_histogram handle : handles) rside_histogram_record(handle, 1);  // closes all windows

    const plain::Segment segment = writer.decoded();
    for (int round = 0; round < 50; ++round) {
        std::vector<Piece> all, whole = pieces(segment.series.at(kParts), random() % 3);
        for (std::size_t n = 0; n < kParts; ++n) {
            const std::vector<Piece> some = pieces(segment.series.at(n), random() % 3);
            all.insert(all.end(), some.begin(), some.end());
        }
        std::shuffle(all.begin(), all.end(), random);
        std::shuffle(whole.begin(), whole.end(), random);
        Piece of_parts, of_whole;
        for (const Piece& piece : all) of_parts.add(piece);
        for (const Piece& piece : whole) of_whole.add(piece);
        ASSERT_GT(of_whole.count, 800u);
        ASSERT_TRUE(of_parts == of_whole);
    }
}

// Nor does the order of the records themselves.
TEST(HistogramMerge, GivesTheSameBytesWhateverTheOrderOfRecords) {
    SchemaSpec spec("order");
    spec.tier(1, 4).histogram("h", 8, 0.5, 64, 2, {"n"});
    Writer writer(spec);
    const char *first = "0", *second = "1";
    rside_histogram forward = rside_histogram_register(writer.segment(), "h", &first, 1, nullptr);
    rside_histogram shuffled = rside_histogram_register(writer.segment(), "h", &second, 1, nullptr);
    std::vector<double> values(5000);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i) / 64;
    for (double value : values) rside_histogram_record(forward, value);
    std::shuffle(values.begin(), values.end(), std::mt19937_64(3));
    for (double value : values) rside_histogram_record(shuffled, value);
    writer.tick(1'700'000'001 * kSecond);
    for (rside_histogram handle : {forward, shuffled}) rside_histogram_record(handle, 1);
    const plain::Segment segment = writer.decoded();
    EXPECT_TRUE(total_of(segment.series.at(0).rings[0][0]) == total_of(segment.series.at(1).rings[0][0]));
    EXPECT_EQ(segment.series.at(0).rings[0][0].summary.count, values.size());
    EXPECT_EQ(segment.series.at(0).hot_buckets, segment.series.at(1).hot_buckets);
}

}  // namespace
}  // namespace ringside
