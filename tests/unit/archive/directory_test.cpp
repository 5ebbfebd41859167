#include "agent/archive/directory.h"

#include <gtest/gtest.h>

#include "tests/support/results.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kOffset = 1'000'000;

// `count` series, every third index, with none to two blocks a tier.
std::vector<SeriesEntry> some_entries(std::uint32_t count) {
    std::vector<SeriesEntry> entries;
    std::uint64_t offset = kArchiveHeaderBytes;
    for (std::uint32_t i = 0; i < count; ++i) {
        SeriesEntry entry{3 * i + 5, {}};
        for (std::uint32_t tier = 0; tier < 3; ++tier) {
            RunEntry run;
            std::uint64_t window = 1'700'000'000 / (tier + 1) + i % 2;
            for (std::uint32_t block = (i + tier) % 3; block > 0; --block) {
                run.blocks.push_back({offset, 10 + i, 1 + i % kBlockPointsMax, window, window + i});
                offset += 10 + i;
                window += i + 1;
            }
            if (run.blocks.empty()) run.state = i % 4 == 0 ? RunState::kUnreadable : RunState::kAbsent;
            entry.tiers.push_back(run);
        }
        entries.push_back(entry);
    }
    return entries;
}

TEST(Directory, ComesBackPageByPage) {
    for (std::uint32_t count : {0u, 1u, 63u, 64u, 65u, 1000u}) {
        const std::vector<SeriesEntry> entries = some_entries(count);
        DirectoryWriter writer;
        for (const SeriesEntry& entry : entries) writer.add(entry);
        DirectoryWriter::Bytes bytes = writer.finish(kOffset);
        EXPECT_EQ(bytes.page_count, (count + kPageSeries - 1) / kPageSeries);
        ASSERT_EQ(bytes.index.size(), bytes.page_count * kPageEntryBytes);
        std::vector<SeriesEntry> back;
        for (std::uint32_t i = 0; i < bytes.page_count; ++i) {
            auto page = decode_page_entry(std::string_view(bytes.index).substr(i * kPageEntryBytes, kPageEntryBytes));
            ASSERT_TRUE(page.ok()) << message_of(page);
            std::string_view raw = std::string_view(bytes.pages).substr(page->offset - kOffset, page->bytes);
            auto some = decode_page(*page, raw, 3, UINT64_MAX);
            ASSERT_TRUE(some.ok()) << message_of(some);
            EXPECT_EQ(some->front().series_index, page->first_series);
            back.insert(back.end(), some->begin(), some->end());
        }
        EXPECT_TRUE(back == entries) << count;
    }
}

TEST(Directory, ASeriesWithManyBlocksClosesItsPage) {
    SeriesEntry entry{0, {{RunState::kStored, {}}}};
    std::uint64_t offset = kArchiveHeaderBytes;
    for (std::uint64_t i = 0; i < 20'000; ++i, offset += 100) entry.tiers[0].blocks.push_back({offset, 100, 50, i, i});
    DirectoryWriter writer;
    writer.add(entry);
    writer.add({1, {{RunState::kAbsent, {}}}});
    EXPECT_EQ(writer.finish(kOffset).page_count, 2u);
}

TEST(Directory, ABlockBehindTheRunsIsCorrupt) {
    DirectoryWriter writer;
    writer.add({0, {{RunState::kStored, {{kArchiveHeaderBytes, 100, 5, 1, 5}}}}});
    DirectoryWriter::Bytes bytes = writer.finish(kOffset);
    auto page = decode_page_entry(bytes.index);
    ASSERT_TRUE(page.ok());
    EXPECT_TRUE(decode_page(*page, bytes.pages, 1, kArchiveHeaderBytes + 100).ok());
    EXPECT_EQ(code_of(decode_page(*page, bytes.pages, 1, kArchiveHeaderBytes + 99)), Code::kCorrupt);
    EXPECT_EQ(code_of(decode_page(*page, bytes.pages, 2, kOffset)), Code::kCorrupt) << "of another number of tiers";
}

// The file may well have that many bytes: a file with holes is as long as somebody likes.
TEST(Directory, ABlockThatIsLongerThanItsWindowsCanBeIsCorrupt) {
    for (std::uint64_t more : {0, 1}) {
        DirectoryWriter writer;
        writer.add({0, {{RunState::kStored, {{kArchiveHeaderBytes, kBlockBytesMax + more, 5, 1, 5}}}}});
        DirectoryWriter::Bytes bytes = writer.finish(kOffset);
        auto page = decode_page_entry(bytes.index);
        ASSERT_TRUE(page.ok());
        EXPECT_EQ(decode_page(*page, bytes.pages, 1, UINT64_MAX).ok(), more == 0);
    }
}

}  // namespace
}  // namespace ringside::agent
