// Every word of a segment with every value that ends a number line: it is refused, or what is read from it holds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/support/segment_builder.h"
#include "tests/support/segment_exercise.h"

namespace ringside::agent::test {
namespace {

constexpr std::uint64_t kNowNs = 1020 * kSecond;

// Something of everything: lapped rings, all kinds, both banks.
SegmentBuilder busy_segment() {
    SegmentBuilder builder = SegmentBuilder::example();
    for (const char* path : {"/a", "/b"}) {
        std::uint32_t series = builder.add("requests_total", {path});
        for (std::uint64_t w = 1000; w < 1018; w += 3) builder.counter_slot(series, 0, w, w);
        for (std::uint64_t w = 200; w < 203; ++w) builder.counter_slot(series, 1, w, w);
        builder.set_open(series, 1018 * kSecond);
        builder.set_counter(series, 2000);
    }
    std::uint32_t gauge = builder.add("latency_seconds", {"q"});
    std::uint32_t level = builder.add("memory_bytes", {"heap"});
    for (std::uint32_t series : {gauge, level}) {
        for (std::uint64_t w = 1010; w < 1018; ++w) builder.gauge_slot(series, 0, w, {kSecond, 2, 2, 2, 2});
        builder.gauge_slot(series, 1, 202, {5 * kSecond, 10, 2, 2, 2});
        builder.set_accumulator(series, 1, 0, {3 * kSecond, 6, 2, 2, 2});
        builder.set_open(series, 1018 * kSecond);
        builder.set_level(series, {kSecond / 2, 1, 2, 2, 2}, 1018 * kSecond + kSecond / 2);
    }
    std::uint32_t histogram = builder.add("io_seconds", {"vda"});
    for (std::uint32_t w = 1010; w < 1018; ++w)
        builder.histogram_slot(histogram, 0, w, w * 2, 1, {w - 1000, 1, 0, 0, 0});
    builder.set_open(histogram, 1018 * kSecond);
    builder.set_histogram(histogram, 5000, 9, {100, 1, 0, 0, 0});
    builder.add("build_info", {"1.0"});
    return builder;
}

template <typename T>
std::vector<T> ends_of_the_line() {
    T max = static_cast<T>(-1);
    T half = static_cast<T>(max / 2 + 1);  // 2^31, 2^63
    return {0, 1, 2, static_cast<T>(half - 1), half, static_cast<T>(max - 1), max};
}

class SegmentFields : public testing::Test {
  protected:
    struct Counts {
        int accepted = 0;
        int refused = 0;
        std::set<QuarantineReason> reasons;
    };

    // Overwrites every aligned word of [begin, end) in turn.
    template <typename T>
    void sweep(std::uint64_t begin, std::uint64_t end, bool seal, Counts* counts) {
        SegmentBuilder builder = busy_segment();
        for (std::uint64_t offset = begin; offset + sizeof(T) <= end; offset += sizeof(T)) {
            T before = builder.peek<T>(offset);
            std::vector<T> values = ends_of_the_line<T>();
            values.push_back(static_cast<T>(before + 1));
            values.push_back(static_cast<T>(before - 1));
            for (T value : values) {
                builder.poke(offset, value);
                if (seal) builder.seal();
                Exercised result = exercise(builder.bytes, kNowNs);
                ASSERT_THAT(result.broken, testing::IsEmpty()) << "offset " << offset << " value " << +value;
                ++(result.accepted ? counts->accepted : counts->refused);
                if (!result.accepted) counts->reasons.insert(result.refusal.reason);
            }
            builder.poke(offset, before);
            if (seal) builder.seal();
        }
    }
};

TEST_F(SegmentFields, OfTheHeaderAreCheckedWithASoundChecksum) {
    Counts counts;
    sweep<std::uint32_t>(512, 760, true, &counts);
    sweep<std::uint64_t>(512, 760, true, &counts);
    sweep<std::uint8_t>(592, 688, true, &counts);
    EXPECT_GT(counts.refused, 300);
    EXPECT_TRUE(counts.reasons.contains(QuarantineReason::kBadMagic));
    EXPECT_TRUE(counts.reasons.contains(QuarantineReason::kOtherVersion));
    EXPECT_TRUE(counts.reasons.contains(QuarantineReason::kWrongSize));
    EXPECT_TRUE(counts.reasons.contains(QuarantineReason::kBadHeader));
}

TEST_F(SegmentFields, OfTheImmutablePartAreCoveredByTheChecksum) {
    SegmentBuilder builder = busy_segment();
    std::uint64_t end = builder.at.schema + builder.at.schema_bytes;
    for (std::uint64_t offset = 0; offset < end; ++offset) {
        if (offset == 1024) offset = builder.at.schema;  // the writer's part is not
        for (std::uint8_t bit : {std::uint8_t{1}, std::uint8_t{0x80}}) {
            builder.poke<std::uint8_t>(offset, builder.peek<std::uint8_t>(offset) ^ bit);
            Exercised result = exercise(builder.bytes, kNowNs);
            ASSERT_FALSE(result.accepted) << offset;
            builder.poke<std::uint8_t>(offset, builder.peek<std::uint8_t>(offset) ^ bit);
        }
    }
    EXPECT_TRUE(exercise(builder.bytes, kNowNs).accepted);
}

TEST_F(SegmentFields, OfTheSchemaAreCheckedWithASoundChecksum) {
    Counts counts;
    SegmentBuilder builder = busy_segment();
    std::uint64_t end = builder.at.schema + builder.at.schema_bytes;
    sweep<std::uint32_t>(builder.at.schema, end, true, &counts);
    sweep<std::uint8_t>(builder.at.schema, end, true, &counts);
    EXPECT_GT(counts.refused, 1000);
    EXPECT_GT(counts.accepted, 1000);  // help texts, versions
    EXPECT_TRUE(counts.reasons.contains(QuarantineReason::kBadSchema));
}

TEST_F(SegmentFields, OfTheWriterCannotBreakTheReader) {
    Counts counts;
    SegmentBuilder builder = busy_segment();
    sweep<std::uint32_t>(1024, 1344, false, &counts);
    sweep<std::uint64_t>(1024, 1344, false, &counts);
    sweep<std::uint32_t>(builder.at.directory, builder.at.arena, false, &counts);
    sweep<std::uint8_t>(builder.at.arena, builder.at.arena + 24, false, &counts);
    sweep<std::uint64_t>(builder.at.cells, builder.at.rings, false, &counts);
    sweep<std::uint32_t>(builder.at.cells, builder.at.accumulators, false, &counts);
    EXPECT_EQ(counts.refused, 0);
    EXPECT_GT(counts.accepted, 5000);
}

TEST_F(SegmentFields, OfTheRingsCannotBreakTheReader) {
    Counts counts;
    SegmentBuilder builder = busy_segment();
    sweep<std::uint32_t>(builder.at.rings, builder.at.bytes, false, &counts);
    EXPECT_EQ(counts.refused, 0);
    EXPECT_GT(counts.accepted, 5000);
}

}  // namespace
}  // namespace ringside::agent::test
