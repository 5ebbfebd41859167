#include "agent/archive/integers.h"

#include <gtest/gtest.h>

#include <numeric>

#include "agent/archive/bits.h"
#include "tests/support/results.h"
#include "tests/support/run_length.h"
#include "tests/support/value_series.h"

namespace ringside::agent {
namespace {

using Values = std::vector<std::uint64_t>;

std::size_t packed_bytes(const Values& values) {
    std::string bytes = encode_integers(values);
    auto decoded = decode_integers(bytes, values.size());
    EXPECT_TRUE(decoded.ok()) << message_of(decoded);
    EXPECT_TRUE(decoded.ok() && *decoded == values);
    return bytes.size();
}

TEST(Bits, ComeBackAsWritten) {
    std::mt19937_64 random(1);
    std::vector<std::pair<std::uint64_t, unsigned>> written;
    BitWriter writer;
    for (int i = 0; i < 2000; ++i) {
        const auto count = static_cast<unsigned>(random() % 66);
        if (count == 65) {
            written.emplace_back(random() % 200, count);
            writer.unary(written.back().first);
            continue;
        }
        written.emplace_back(count == 0 ? 0 : random() >> (64 - count), count);
        writer.put(written.back().first, count);
    }
    const std::string bytes = writer.take();
    BitReader reader(bytes);
    for (const auto& [value, count] : written) EXPECT_EQ(count == 65 ? reader.unary() : reader.get(count), value);
    EXPECT_TRUE(reader.finished());
    reader.get(8);
    EXPECT_TRUE(reader.failed());
}

TEST(Bits, AUnaryNumberWithoutAnEndFails) {
    const std::string ones(20, '\xff');
    BitReader reader(ones);
    reader.unary();
    EXPECT_TRUE(reader.failed());
}

TEST(Integers, OfAnySeriesComeBack) {
    const std::uint64_t seed = chosen_seed();
    RecordProperty("seed", std::to_string(seed));
    std::mt19937_64 random(seed);
    for (std::uint64_t run = 0; run < longer_in_soak(1500); ++run) {
        const int kind = static_cast<int>(run % kValueSeriesKinds);
        Values values = value_series(kind, value_count(random), random);
        // At the worst a code a group and two unary bits a bit.
        EXPECT_LE(packed_bytes(values), 16 * values.size() + 32) << "seed " << seed << " kind " << kind;
    }
}

TEST(Integers, ThatAreEqualTakeThreeBytes) {
    EXPECT_LE(packed_bytes(Values(4096, 0)), 2u);
    EXPECT_LE(packed_bytes(Values(4096, 100)), 3u);
    EXPECT_LE(packed_bytes(Values(4096, UINT64_MAX)), 2u) << "the base is signed";
}

TEST(Integers, OnALineTakeAFewBytes) {
    Values values(4096);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = 5 + 1000 * i;
    EXPECT_LE(packed_bytes(values), 6u);
}

TEST(Integers, WithACommonFactorTakeTheBitsOfTheQuotients) {
    std::mt19937_64 random(3);
    Values plain(1000), scaled(1000);
    for (std::size_t i = 0; i < plain.size(); ++i) {
        plain[i] = random() % 1000;
        scaled[i] = 17 + 4096 * plain[i];
    }
    EXPECT_LE(packed_bytes(scaled), packed_bytes(plain) + 4);
}

TEST(Integers, ThatAreRareCostLittle) {
    Values values(3200, 0);
    for (std::size_t i = 100; i < values.size(); i += 400) values[i] = 1'000'000;
    EXPECT_LT(packed_bytes(values), 8u * 20u) << "8 of 3,200 are not 0";
}

TEST(Integers, OfUniformNoiseTakeTheirEntropy) {
    std::mt19937_64 random(4);
    Values values(4096);
    for (std::uint64_t& value : values) value = random() % 1024;
    const double bits = static_cast<double>(packed_bytes(values)) * 8 / 4096;
    EXPECT_LT(bits, 11.5) << "10 bits of entropy, and the sign that it is not worth to leave out";
}

TEST(Integers, FromBytesThatAreCutOrGoOnAreCorrupt) {
    std::mt19937_64 random(5);
    for (int kind = 0; kind < kValueSeriesKinds; ++kind) {
        Values values = value_series(kind, 100, random);
        const std::string bytes = encode_integers(values);
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            auto decoded = decode_integers(bytes.substr(0, size), values.size());
            EXPECT_TRUE(!decoded.ok() || *decoded != values) << kind << " cut to " << size;
        }
        EXPECT_EQ(code_of(decode_integers(bytes + '\0', values.size())), Code::kCorrupt) << kind;
    }
}

TEST(Integers, FromAnyBytesAreAsManyAsAskedForOrCorrupt) {
    const std::uint64_t seed = chosen_seed();
    RecordProperty("seed", std::to_string(seed));
    std::mt19937_64 random(seed);
    std::uint64_t taken = 0, refused = 0;
    for (std::uint64_t run = 0; run < longer_in_soak(20'000); ++run) {
        std::string bytes(1 + random() % 60, '\0');
        for (char& byte : bytes) byte = static_cast<char>(random());
        bytes[0] = static_cast<char>(random() % 32);
        const std::size_t count = value_count(random);
        auto decoded = decode_integers(bytes, count);
        decoded.ok() ? ++taken : ++refused;
        if (decoded.ok()) {
            EXPECT_EQ(decoded->size(), count);
        }
    }
    EXPECT_GT(taken, 0u);
    EXPECT_GT(refused, 0u);
}

}  // namespace
}  // namespace ringside::agent
