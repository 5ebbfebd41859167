// Archive structures made by somebody who knows the checksums: a decoder takes them or says what is wrong, and neither
// crashes nor allocates without bound. The reader of a whole file gets the same treatment.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "agent/archive/archived_vm.h"
#include "agent/archive/block.h"
#include "agent/archive/codec.h"
#include "agent/archive/directory.h"
#include "agent/archive/writer.h"
#include "agent/base/bytes.h"
#include "agent/base/crc32c.h"
#include "tests/support/memory_source.h"
#include "tests/support/results.h"
#include "tests/support/simulated_disk.h"

namespace ringside::agent {
namespace {

using Random = std::mt19937_64;

class ArchiveDecoders : public testing::Test {
  protected:
    Random random_;
    int runs_ = std::getenv("RINGSIDE_SOAK") != nullptr ? 2'000'000 : 20'000;
    MemorySource source_ = random_vm(50, 12, 5);

    void SetUp() override {
        std::uint64_t seed = 20'260'103;
        if (const char* given = std::getenv("RINGSIDE_SEED")) seed = std::strtoull(given, nullptr, 10);
        RecordProperty("seed", std::to_string(seed));
        random_.seed(seed);
    }

    // A few values changed to what breaks programs.
    void mutate(std::string* bytes) {
        static constexpr std::uint64_t kNasty[] = {0,          1,          0x7f,       0xff,      0x7fffffff,
                                                   0x80000000, 0xffffffff, UINT64_MAX, INT64_MAX, 1ull << 63};
        for (std::uint64_t i = 1 + random_() % 4; i > 0 && !bytes->empty(); --i) {
            std::size_t at = random_() % bytes->size();
            std::uint64_t value = random_() % 3 == 0 ? random_() : kNasty[random_() % std::size(kNasty)];
            std::size_t size = std::min<std::size_t>(std::size_t{1} << random_() % 4, bytes->size() - at);
            std::memcpy(bytes->data() + at, &value, size);
        }
        if (random_() % 8 == 0) bytes->resize(random_() % (bytes->size() + 1));
    }
    static void seal(std::string* bytes, std::size_t crc_at) {
        if (bytes->size() < crc_at + 4) return;
        std::uint32_t crc = crc32c(std::string_view(*bytes).substr(0, crc_at));
        std::memcpy(bytes->data() + crc_at, &crc, sizeof crc);
    }
};

TEST_F(ArchiveDecoders, OfTheVmTakeAnyBytes) {
    const std::string good = encode_vm(source_.info, 7);
    int taken = 0;
    for (int run = 0; run < runs_; ++run) {
        std::string bytes = good;
        mutate(&bytes);
        auto decoded = decode_vm(bytes);
        if (!decoded.ok()) continue;
        ++taken;
        auto again = decode_vm(encode_vm(decoded->vm, decoded->archived_ns));
        ASSERT_TRUE(again.ok());
        EXPECT_EQ(difference(decoded->vm, again->vm), "");
    }
    EXPECT_GT(taken, 0);
    EXPECT_LT(taken, runs_);
}

TEST_F(ArchiveDecoders, OfSchemasTakeAnyBytes) {
    const std::string good = encode_schema(*source_.layout);
    int taken = 0;
    for (int run = 0; run < runs_; ++run) {
        std::string bytes = good;
        mutate(&bytes);
        auto decoded = decode_schema(bytes);
        if (!decoded.ok()) continue;
        ++taken;
        EXPECT_TRUE(*decode_schema(encode_schema(*decoded)) == *decoded);
    }
    EXPECT_GT(taken, 0);
    EXPECT_LT(taken, runs_);
}

TEST_F(ArchiveDecoders, OfSeriesTakeAnyBytes) {
    const std::string good = encode_series(source_.list);
    int taken = 0;
    for (int run = 0; run < runs_; ++run) {
        std::string bytes = good;
        mutate(&bytes);
        auto decoded = decode_series(bytes, *source_.layout);
        if (!decoded.ok()) continue;
        ++taken;
        auto again = decode_series(encode_series(*decoded), *source_.layout);
        ASSERT_TRUE(again.ok());
        EXPECT_EQ(difference(*decoded, *again), "");
    }
    EXPECT_GT(taken, 0);
    EXPECT_LT(taken, runs_);
}

TEST_F(ArchiveDecoders, OfDirectoryPagesStayInsideTheRuns) {
    DirectoryWriter writer;
    writer.add({3, {{RunState::kStored, {{64, 100, 5, 1'700'000, 1'700'010}, {164, 50, 2, 1'700'010, 1'700'020}}}}});
    writer.add({4, {{RunState::kUnreadable, {{214, 60, 4096, 1'700'000, 1'700'010}}}}});
    writer.add({9, {{RunState::kAbsent, {}}}});
    const DirectoryWriter::Bytes good = writer.finish(5000);
    PageEntry page = *decode_page_entry(good.index);
    int taken = 0;
    for (int run = 0; run < runs_; ++run) {
        std::string bytes = good.pages;
        mutate(&bytes);
        page.bytes = static_cast<std::uint32_t>(bytes.size());
        page.crc = crc32c(bytes);
        auto decoded = decode_page(page, bytes, 1, 1000);
        if (!decoded.ok()) continue;
        ++taken;
        for (const SeriesEntry& entry : *decoded) {
            ASSERT_EQ(entry.tiers.size(), 1u);
            std::uint64_t window = 0;
            for (const BlockEntry& block : entry.tiers[0].blocks) {
                EXPECT_GE(block.offset, kArchiveHeaderBytes);
                EXPECT_LE(block.bytes, 1000 - block.offset);
                EXPECT_LE(block.points, kBlockPointsMax);
                EXPECT_GE(block.last_window, block.first_window);
                EXPECT_GE(block.first_window, window);
                window = block.last_window;
            }
        }
    }
    EXPECT_GT(taken, 0);
    EXPECT_LT(taken, runs_);
}

// Blocks under right checksums: whatever they say, they give the shape that every reader relies on.
TEST_F(ArchiveDecoders, OfBlocksTakeAnyBytes) {
    std::uint64_t answers = 0, refusals = 0;
    for (int run = 0; run < runs_; ++run) {
        const SeriesInfo& one = source_.list[random_() % source_.list.size()];
        const SeriesData& data = source_.runs[{one.index, 0}];
        if (data.size() == 0) continue;
        const BlockPlace place{one.index, 0, 1'000'000'000};
        BlockEntry entry;
        std::string bytes = encode_block(place, data, 0, data.size(), &entry);
        bytes.resize(bytes.size() - kBlockTailBytes);
        mutate(&bytes);
        if (random_() % 4 == 0) entry.points = 1 + static_cast<std::uint32_t>(random_() % kBlockPointsMax);
        ByteWriter name;
        name.u32(place.series_index);
        name.u32(place.tier);
        name.u32(entry.points);
        name.u64(entry.first_window);
        ByteWriter sealed;
        sealed.raw(bytes);
        sealed.u32(crc32c(name.bytes() + bytes));
        entry.bytes = sealed.size();
        auto head = decode_block_head(place, entry, sealed.bytes());
        Result<SeriesData> back = head.ok() ? decode_block(place, entry, *head, kColumnsAll) : head.error();
        back.ok() ? ++answers : ++refusals;
        if (!back.ok()) continue;
        ASSERT_EQ(back->size(), entry.points);
        EXPECT_EQ(back->flags.size(), back->size());
        for (const auto* column : {&back->sum, &back->min, &back->max, &back->last}) {
            EXPECT_TRUE(column->empty() || column->size() == back->size());
        }
        for (const auto* column : {&back->count, &back->value}) {
            EXPECT_TRUE(column->empty() || column->size() == back->size());
        }
        EXPECT_EQ(back->buckets.size() % back->size(), 0u);
        EXPECT_LE(back->buckets.size(), kBlockValuesMax);
        EXPECT_EQ(wanted_bytes(*head, entry.points, kColumnsAll), back->size() * plain_window_bytes(*back));
    }
    EXPECT_GT(answers, 0u);
    EXPECT_GT(refusals, 0u);
}

TEST_F(ArchiveDecoders, OfFootersStayInsideTheFile) {
    ArchiveFooter footer;
    footer.vm = {500, 100, 1};
    footer.schema = {600, 100, 2};
    footer.series = {700, 100, 3};
    footer.directory_offset = 800;
    footer.index_offset = 900;
    footer.page_count = 2;
    footer.series_count = 100;
    footer.tier_count = 3;
    footer.file_bytes = 900 + 2 * kPageEntryBytes + kArchiveFooterBytes;
    const std::string good = encode_footer(footer);
    ASSERT_TRUE(decode_footer(good, footer.file_bytes).ok());
    for (int run = 0; run < runs_; ++run) {
        std::string bytes = good;
        mutate(&bytes);
        seal(&bytes, kArchiveFooterBytes - 12);
        auto decoded = decode_footer(bytes, footer.file_bytes);
        if (!decoded.ok()) continue;
        EXPECT_LE(decoded->series.offset + decoded->series.bytes, footer.file_bytes);
        EXPECT_LE(decoded->page_count * kPageEntryBytes, footer.file_bytes);
        EXPECT_LE(decoded->index_offset, footer.file_bytes);
    }
}

// A file whose sections were packed by somebody else: zstd frames that lie about their length, or hold anything.
TEST_F(ArchiveDecoders, OfPackedSectionsTakeAnyBytes) {
    SchemaInfo large = *source_.layout;
    for (MetricInfo& metric : large.metrics) metric.help = std::string(4000, 'x');
    const std::string good = encode_schema(large);
    ASSERT_EQ(good[0], 1) << "it is packed";
    ASSERT_TRUE(*decode_schema(good) == large);
    int refused = 0;
    for (int run = 0; run < runs_ / 4; ++run) {
        std::string bytes = good;
        mutate(&bytes);
        refused += decode_schema(bytes).ok() ? 0 : 1;
    }
    EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace ringside::agent
