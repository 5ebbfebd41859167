#include "agent/archive/columns.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/results.h"
#include "tests/support/run_length.h"
#include "tests/support/value_series.h"

namespace ringside::agent {
namespace {

using Values = std::vector<std::uint64_t>;

void expect_back(const PackedColumn& packed, const Values& values, std::size_t stride, const std::string& what) {
    auto back = unpack_column(packed.encoding, packed.bytes, values.size() / stride, stride);
    ASSERT_TRUE(back.ok()) << what << ": " << message_of(back);
    EXPECT_TRUE(*back == values) << what;
    EXPECT_LE(packed.bytes.size(), values.size() * 8) << what << ": plain is always an answer";
}

TEST(Columns, OfAnyValuesComeBackBitForBit) {
    const std::uint64_t seed = chosen_seed();
    RecordProperty("seed", std::to_string(seed));
    std::mt19937_64 random(seed);
    std::map<Encoding, int> met;
    for (std::uint64_t run = 0; run < longer_in_soak(1000); ++run) {
        const int kind = static_cast<int>(run % kValueSeriesKinds);
        const std::string what = "seed " + std::to_string(seed) + " kind " + std::to_string(kind);
        Values values = value_series(kind, value_count(random), random);
        for (const PackedColumn& packed : {pack_integers(values), pack_floats(values), pack_counter(values)}) {
            expect_back(packed, values, 1, what);
            ++met[packed.encoding];
        }
        for (std::size_t stride : {std::size_t{1}, std::size_t{2}, std::size_t{10}, values.size()}) {
            if (values.size() % stride != 0) continue;
            PackedColumn packed = pack_buckets(values, stride);
            expect_back(packed, values, stride, what + " stride " + std::to_string(stride));
            ++met[packed.encoding];
        }
    }
    for (Encoding encoding : {Encoding::kPlain, Encoding::kIntegers, Encoding::kDecimals, Encoding::kBuckets}) {
        EXPECT_GT(met[encoding], 0) << static_cast<int>(encoding);
    }
}

TEST(Columns, OfDecimalsTakeTheirDigits) {
    std::mt19937_64 random(6);
    Values percents(1000), sums(1000);
    double sum = 17;
    for (std::size_t i = 0; i < percents.size(); ++i) {
        percents[i] = std::bit_cast<std::uint64_t>(static_cast<double>(random() % 1000) / 10);
        sum += static_cast<double>(random() % 1000) / 1e6;
        sums[i] = std::bit_cast<std::uint64_t>(sum);
    }
    EXPECT_LT(pack_floats(percents).bytes.size(), 1000u * 12 / 8) << "10 bits of entropy";
    EXPECT_LT(pack_floats(sums).bytes.size(), 1000u * 17 / 8) << "10 bits, and the rounding of a sum";
}

TEST(Columns, WithOneNanAmongDecimalsStaySmall) {
    Values values(1000, std::bit_cast<std::uint64_t>(0.1));
    values[500] = UINT64_C(0x7ff8000000000001);
    EXPECT_LT(pack_floats(values).bytes.size(), 100u);
}

TEST(Columns, OfBucketsThatStandStillTakeAFewBytes) {
    Values values;
    for (int window = 0; window < 300; ++window) {
        for (std::uint64_t bucket = 0; bucket < 100; ++bucket) values.push_back(bucket == 50 ? 7 : 0);
    }
    EXPECT_LT(pack_buckets(values, 100).bytes.size(), 40u);
}

TEST(Columns, OfTimesComeBack) {
    constexpr std::uint64_t kSecond = 1'000'000'000;
    std::mt19937_64 random(7);
    for (std::uint64_t resolution : {std::uint64_t{1}, kSecond, 10 * kSecond, 604'800 * kSecond}) {
        for (int run = 0; run < 50; ++run) {
            Values ends;
            std::uint64_t end = random() % 5 == 0 ? random() % (UINT64_MAX / 2) : 1'700'000'000 * kSecond;
            for (std::size_t i = value_count(random); i > 0; --i) {
                end += 1 + (random() % 4 == 0 ? random() % (3 * resolution) : resolution - 1);
                ends.push_back(end);
            }
            const std::uint64_t first = window_of(ends.front(), resolution);
            auto back = unpack_times(pack_times(ends, resolution, first), ends.size(), resolution, first);
            ASSERT_TRUE(back.ok()) << message_of(back);
            EXPECT_TRUE(*back == ends);
        }
    }
}

TEST(Columns, OfTimesWithoutAGapTakeAFewBytes) {
    constexpr std::uint64_t kSecond = 1'000'000'000;
    Values ends;
    for (std::uint64_t i = 0; i < 300; ++i) ends.push_back((1'700'000'000 + i) * kSecond);
    EXPECT_LT(pack_times(ends, kSecond, 1'700'000'000).size(), 8u);
}

TEST(Columns, InAnEncodingThatIsNewerAreRefusedByItsNumber) {
    auto refused = unpack_column(static_cast<Encoding>(77), "whatever", 3, 1);
    EXPECT_EQ(code_of(refused), Code::kUnavailable);
    EXPECT_NE(refused.error().context.find("encoding 77"), std::string::npos);
}

TEST(Columns, FromAnyBytesAreAsLongAsTheirBlockOrCorrupt) {
    const std::uint64_t seed = chosen_seed();
    RecordProperty("seed", std::to_string(seed));
    std::mt19937_64 random(seed);
    std::uint64_t taken = 0, refused = 0;
    for (std::uint64_t run = 0; run < longer_in_soak(20'000); ++run) {
        const std::size_t points = value_count(random), stride = 1 + random() % 3;
        Values values = value_series(static_cast<int>(random() % kValueSeriesKinds), points * stride, random);
        PackedColumn packed = random() % 2 == 0 ? pack_buckets(values, stride) : pack_floats(values);
        for (std::uint64_t i = random() % 4; i > 0 && !packed.bytes.empty(); --i) {
            packed.bytes[random() % packed.bytes.size()] = static_cast<char>(random());
        }
        for (Encoding encoding : {packed.encoding, static_cast<Encoding>(random() % 6)}) {
            auto back = unpack_column(encoding, packed.bytes, points, stride);
            back.ok() ? ++taken : ++refused;
            if (back.ok()) {
                EXPECT_EQ(back->size(), points * stride);
            }
            auto times = unpack_times(packed.bytes, points, 1'000'000'000, random());
            if (times.ok()) {
                EXPECT_EQ(times->size(), points);
            }
        }
    }
    EXPECT_GT(taken, 0u);
    EXPECT_GT(refused, 0u);
}

}  // namespace
}  // namespace ringside::agent
