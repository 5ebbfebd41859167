// An archive file damaged at any byte or cut at any length: each answer is the right one or an error.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>

#include "agent/archive/archived_vm.h"
#include "agent/archive/writer.h"
#include "tests/support/memory_source.h"
#include "tests/support/results.h"
#include "tests/support/simulated_disk.h"

namespace ringside::agent {
namespace {

constexpr char kPath[] = "/vm.rsa";

class ArchiveDamage : public testing::Test {
  protected:
    SimulatedDisk disk_;
    MemorySource source_ = random_vm(21, 7, 4);  // every kind, three tiers, the last series of a second metric
    std::string good_;

    void SetUp() override {
        ASSERT_TRUE(write_archive(disk_, kPath, source_, source_.info, 5).ok());
        good_ = *disk_.content(kPath);
    }

    // How many of the file's answers are errors. Any that is neither an error nor right fails the test.
    std::size_t errors(const std::string& bytes, const std::string& what) {
        disk_.put(kPath, bytes);
        SchemaPool pool;
        auto vm = ArchivedVm::open(disk_, kPath, pool);
        if (!vm.ok()) {
            EXPECT_TRUE(vm.error().code == Code::kCorrupt || vm.error().code == Code::kUnavailable) << what;
            return 1;
        }
        std::size_t found = (*vm)->verify().ok() ? 0 : 1;
        EXPECT_EQ(difference((*vm)->vm(), source_.info), "") << what;
        EXPECT_EQ(*(*vm)->schema(), *source_.layout) << what;
        auto series = (*vm)->series();
        found += series.ok() ? 0 : 1;
        if (series.ok()) {
            EXPECT_EQ(difference(*series, source_.list), "") << what;
        }
        for (const SeriesInfo& one : source_.list) {
            for (std::uint32_t tier = 0; tier < source_.layout->tiers.size(); ++tier) {
                ReadRequest request;
                request.tier = tier;
                auto data = (*vm)->read(one.index, request);
                found += data.ok() ? 0 : 1;
                if (!data.ok()) continue;
                EXPECT_EQ(difference(*data, *source_.read(one.index, request)), "") << what;
            }
        }
        return found;
    }
};

TEST_F(ArchiveDamage, IsNoneInTheFileAsWritten) { EXPECT_EQ(errors(good_, "untouched"), 0u); }

TEST_F(ArchiveDamage, OfAnyByteIsNoticed) {
    for (std::size_t at = 0; at < good_.size(); ++at) {
        for (int mask : {0x01, 0x80, 0xff}) {
            std::string bytes = good_;
            bytes[at] = static_cast<char>(bytes[at] ^ mask);
            std::string what = "byte " + std::to_string(at) + " of " + std::to_string(good_.size());
            EXPECT_GT(errors(bytes, what), 0u) << what;
        }
    }
}

TEST_F(ArchiveDamage, ByAnyCutIsNoticed) {
    for (std::size_t size = 0; size < good_.size(); ++size) {
        EXPECT_GT(errors(good_.substr(0, size), "cut to " + std::to_string(size)), 0u) << size;
    }
}

TEST_F(ArchiveDamage, ByBytesAppendedOrLostInFrontIsNoticed) {
    EXPECT_GT(errors(good_ + '\0', "one byte more"), 0u);
    EXPECT_GT(errors(good_ + good_, "twice"), 0u);
    EXPECT_GT(errors(good_.substr(1), "first byte lost"), 0u);
    EXPECT_GT(errors(std::string(64, '\0') + good_, "64 bytes before"), 0u);
}

// What a disk does to a file: sectors of zeros, of another file, exchanged.
TEST_F(ArchiveDamage, OfRandomStretchesIsNoticed) {
    const char* soak = std::getenv("RINGSIDE_SOAK");
    int runs = soak != nullptr ? 200'000 : 3'000;
    std::uint64_t seed = 20'260'101;
    if (const char* given = std::getenv("RINGSIDE_SEED")) seed = std::strtoull(given, nullptr, 10);
    RecordProperty("seed", std::to_string(seed));
    std::mt19937_64 random(seed);
    for (int run = 0; run < runs; ++run) {
        std::string bytes = good_;
        std::size_t at = random() % bytes.size();
        std::size_t size = 1 + random() % std::min<std::size_t>(512, bytes.size() - at);
        switch (random() % 3) {
            case 0: bytes.replace(at, size, std::string(size, '\0')); break;
            case 1:
                for (std::size_t i = at; i < at + size; ++i) bytes[i] = static_cast<char>(random());
                break;
            default: {
                std::size_t from = random() % (bytes.size() - size + 1);
                bytes.replace(at, size, good_.substr(from, size));
            }
        }
        if (bytes == good_) continue;
        EXPECT_GT(errors(bytes, "seed " + std::to_string(seed) + " run " + std::to_string(run)), 0u);
    }
}

}  // namespace
}  // namespace ringside::agent
