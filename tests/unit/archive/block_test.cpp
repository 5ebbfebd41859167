#include "agent/archive/block.h"

#include <gtest/gtest.h>

#include <cstring>

#include "agent/base/crc32c.h"
#include "tests/support/memory_source.h"
#include "tests/support/results.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr BlockPlace kPlace{3, 1, kSecond};

SeriesData gauge(std::size_t windows) {
    SeriesData data;
    for (std::size_t i = 0; i < windows; ++i) {
        data.end_ns.push_back((1'700'000'000 + i) * kSecond);
        data.flags.push_back(0);
        data.count.push_back(1);
        for (auto* column : {&data.sum, &data.min, &data.max, &data.last}) {
            column->push_back(static_cast<double>(i % 7) / 10);
        }
    }
    return data;
}

TEST(Block, HoldsItsWindowsAndNoOthers) {
    SeriesData data = gauge(100);
    BlockEntry entry;
    std::string bytes = encode_block(kPlace, data, 20, 50, &entry);
    EXPECT_EQ(entry.points, 50u);
    EXPECT_EQ(entry.first_window, 1'700'000'020u);
    EXPECT_EQ(entry.last_window, 1'700'000'069u);
    auto head = decode_block_head(kPlace, entry, bytes);
    ASSERT_TRUE(head.ok()) << message_of(head);
    auto back = decode_block(kPlace, entry, *head, kColumnsAll);
    ASSERT_TRUE(back.ok()) << message_of(back);
    EXPECT_EQ(back->end_ns, std::vector<std::uint64_t>(data.end_ns.begin() + 20, data.end_ns.begin() + 70));
    EXPECT_EQ(back->sum, std::vector<double>(data.sum.begin() + 20, data.sum.begin() + 70));
    EXPECT_EQ(back->last, back->sum);
}

TEST(Block, KeepsEqualColumnsOnce) {
    SeriesData four = gauge(100), one = four;
    one.min = one.max = one.last = {};
    BlockEntry entry;
    EXPECT_LE(encode_block(kPlace, four, 0, 100, &entry).size(), encode_block(kPlace, one, 0, 100, &entry).size() + 9);
}

TEST(Block, GivesAColumnThatIsTheSameAsOneThatWasNotAskedFor) {
    SeriesData data = gauge(10);
    BlockEntry entry;
    std::string bytes = encode_block(kPlace, data, 0, 10, &entry);
    auto head = decode_block_head(kPlace, entry, bytes);
    auto back = decode_block(kPlace, entry, *head, kColumnMax);
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(back->max, data.max);
    EXPECT_TRUE(back->sum.empty());
}

TEST(Block, OfAnotherSeriesTierOrTimeIsCorrupt) {
    BlockEntry entry;
    std::string bytes = encode_block(kPlace, gauge(10), 0, 10, &entry);
    for (BlockPlace place : {BlockPlace{4, 1, kSecond}, BlockPlace{3, 0, kSecond}}) {
        EXPECT_EQ(code_of(decode_block_head(place, entry, bytes)), Code::kCorrupt);
    }
    BlockEntry other = entry;
    ++other.first_window;
    EXPECT_EQ(code_of(decode_block_head(kPlace, other, bytes)), Code::kCorrupt);
    other = entry;
    --other.points;
    EXPECT_EQ(code_of(decode_block_head(kPlace, other, bytes)), Code::kCorrupt);
    other = entry;
    ++other.last_window;
    auto head = decode_block_head(kPlace, other, bytes);
    ASSERT_TRUE(head.ok()) << "the directory's checksum has the last window";
    EXPECT_EQ(code_of(decode_block(kPlace, other, *head, 0)), Code::kCorrupt);
}

TEST(Block, WithAColumnFromANewerWriterGivesTheOthers) {
    SeriesData data = gauge(10);
    BlockEntry entry;
    std::string bytes = encode_block(kPlace, data, 0, 10, &entry);
    auto head = decode_block_head(kPlace, entry, bytes);
    ASSERT_TRUE(head.ok());
    for (auto& column : head->list) {
        if (column.column == BlockColumn::kCount) column.encoding = static_cast<Encoding>(200);
    }
    auto all = decode_block(kPlace, entry, *head, kColumnsAll);
    EXPECT_EQ(code_of(all), Code::kUnavailable);
    EXPECT_NE(all.error().context.find("column count"), std::string::npos) << message_of(all);
    auto some = decode_block(kPlace, entry, *head, kColumnsAll & ~kColumnCount);
    ASSERT_TRUE(some.ok()) << message_of(some);
    EXPECT_EQ(some->sum, data.sum);
}

TEST(Block, TakesAsManyWindowsAsItsBoundsAllow) {
    SeriesData data = gauge(1);
    EXPECT_EQ(block_points(data), kBlockPointsMax);
    data.buckets.assign(100, 0);
    EXPECT_EQ(block_points(data), kBlockValuesMax / 100);
    data.buckets.assign(2 * kBlockValuesMax, 0);
    EXPECT_EQ(block_points(data), 1u);
}

TEST(Block, SaysWhatItsWantedColumnsTake) {
    SeriesData data = gauge(10);
    data.buckets.assign(70, 1);
    BlockEntry entry;
    std::string bytes = encode_block(kPlace, data, 0, 10, &entry);
    auto head = decode_block_head(kPlace, entry, bytes);
    ASSERT_TRUE(head.ok());
    EXPECT_EQ(wanted_bytes(*head, 10, kColumnsAll), 10 * plain_window_bytes(data));
    EXPECT_EQ(wanted_bytes(*head, 10, kColumnSum), 10u * (9 + 8));
    EXPECT_EQ(wanted_bytes(*head, 10, kColumnBuckets), 10u * (9 + 7 * 8));
}

}  // namespace
}  // namespace ringside::agent
