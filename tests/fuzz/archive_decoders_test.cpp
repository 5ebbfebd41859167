// Archive structures made by somebody who knows the checksums: a decoder takes them or says what is wrong, and neither
// crashes nor allocates without bound. The reader of a whole file gets the same treatment.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "agent/archive/archived_vm.h"
#include "agent/archive/codec.h"
#include "agent/archive/writer.h"
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

TEST_F(ArchiveDecoders, OfDirectoryEntriesStayInsideTheRuns) {
    DirectoryEntry entry{3, 1, {{64, 100, 5, RunState::kStored}, {164, 50, 2, RunState::kUnreadable}}};
    const std::string good = encode_entry(entry);
    for (int run = 0; run < runs_; ++run) {
        std::string bytes = good;
        mutate(&bytes);
        seal(&bytes, good.size() - kEntryTailBytes);
        auto decoded = decode_entry(bytes, 2, 1000);
        if (!decoded.ok()) continue;
        for (const DirectoryEntry::Tier& tier : decoded->tiers) {
            if (tier.state == RunState::kAbsent) continue;
            EXPECT_GE(tier.offset, kArchiveHeaderBytes);
            EXPECT_LE(tier.offset, 1000u);
            EXPECT_LE(tier.bytes, 1000 - tier.offset);
        }
    }
}

TEST_F(ArchiveDecoders, OfFootersStayInsideTheFile) {
    ArchiveFooter footer;
    footer.vm = {500, 100, 1};
    footer.schema = {600, 100, 2};
    footer.series = {700, 100, 3};
    footer.directory_offset = 800;
    footer.series_count = 2;
    footer.tier_count = 3;
    footer.file_bytes = 800 + 2 * entry_bytes(3) + kArchiveFooterBytes;
    const std::string good = encode_footer(footer);
    ASSERT_TRUE(decode_footer(good, footer.file_bytes).ok());
    for (int run = 0; run < runs_; ++run) {
        std::string bytes = good;
        mutate(&bytes);
        seal(&bytes, kArchiveFooterBytes - 12);
        auto decoded = decode_footer(bytes, footer.file_bytes);
        if (!decoded.ok()) continue;
        EXPECT_LE(decoded->series.offset + decoded->series.bytes, footer.file_bytes);
        EXPECT_LE(decoded->series_count * entry_bytes(decoded->tier_count), footer.file_bytes);
    }
}

TEST_F(ArchiveDecoders, OfWholeFilesWithRightChecksumsTakeAnything) {
    SimulatedDisk disk;
    ASSERT_TRUE(write_archive(disk, "/good.rsa", source_, source_.info, 7).ok());
    const std::string good = *disk.content("/good.rsa");
    std::uint64_t answers = 0, refusals = 0;
    for (int run = 0; run < runs_ / 10; ++run) {
        std::string bytes = good;
        // Heads of chunks and directory entries have fixed lengths here, so they can be found and sealed again.
        std::size_t chunk = bytes.find("CHK0", random_() % bytes.size());
        if (chunk != std::string::npos) {
            std::string head = bytes.substr(chunk, kChunkHeadBytes + 2 * kChunkColumnBytes);
            std::string mutated = head;
            mutate(&mutated);
            mutated.resize(head.size(), '\0');
            bytes.replace(chunk, head.size(), mutated);
            std::uint32_t columns = 0;
            std::memcpy(&columns, bytes.data() + chunk + 20, sizeof columns);
            std::string all = bytes.substr(chunk);
            seal(&all, kChunkHeadBytes + (columns % 10) * kChunkColumnBytes);
            bytes.replace(chunk, all.size(), all);
        }
        disk.put("/bad.rsa", bytes);
        SchemaPool pool;
        auto vm = ArchivedVm::open(disk, "/bad.rsa", pool);
        if (!vm.ok()) {  // a checksum of the last chunk was written over the section behind it
            ++refusals;
            continue;
        }
        for (const SeriesInfo& one : source_.list) {
            for (std::uint32_t tier = 0; tier < 3; ++tier) {
                ReadRequest request;
                request.tier = tier;
                auto data = (*vm)->read(one.index, request);
                (data.ok() ? answers : refusals) += 1;
                if (!data.ok()) continue;
                // Whatever it says, it has the shape that every reader relies on.
                EXPECT_EQ(data->flags.size(), data->size());
                for (const auto* column : {&data->sum, &data->min, &data->max, &data->last}) {
                    EXPECT_TRUE(column->empty() || column->size() == data->size());
                }
                for (const auto* column : {&data->count, &data->value}) {
                    EXPECT_TRUE(column->empty() || column->size() == data->size());
                }
                EXPECT_TRUE(data->size() == 0 ? data->buckets.empty() : data->buckets.size() % data->size() == 0);
            }
        }
    }
    EXPECT_GT(answers, 0u);
    EXPECT_GT(refusals, 0u);
}

}  // namespace
}  // namespace ringside::agent
