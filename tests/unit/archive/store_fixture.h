// A store of archived VMs in a folder of its own, on a disk that fails when told to.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "agent/archive/store.h"
#include "tests/support/faulty_files.h"
#include "tests/support/memory_source.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {

inline constexpr std::uint64_t kNsPerS = 1'000'000'000;
inline constexpr std::uint64_t kDay = 86400 * kNsPerS;
inline constexpr std::uint64_t kNow = 1'800'000'000 * kNsPerS;

class ArchiveStoreTest : public testing::Test {
  protected:
    TemporaryFolder folder_{"/dev/shm"};
    FaultyFiles files_;
    ArchiveOptions options_{folder_ / "archive", std::uint64_t{1} << 30, 15 * 86400};

    // A VM that ended so many days before kNow.
    static MemorySource vm_that_ended(std::uint64_t seed, std::uint64_t days_ago) {
        MemorySource source = random_vm(seed, 6, 5);
        source.info.ended_ns = kNow - days_ago * kDay;
        return source;
    }
    static std::string key(const MemorySource& source) { return vm_key(source.info); }
    std::vector<std::string> names(const std::string& below = "") {
        auto found = list_directory(FileSystem::real(), options_.directory + below);
        return found.ok() ? *found : std::vector<std::string>{};
    }
    void spoil(const std::string& path) {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(100);
        char byte = static_cast<char>(file.peek() ^ 0x10);
        file.write(&byte, 1);
        ASSERT_TRUE(file.good());
    }
};

}  // namespace ringside::agent
