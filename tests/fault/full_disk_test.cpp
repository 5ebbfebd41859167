// The drain on a file system of 1 MiB that is full: a real one where this user may mount one in a namespace of his own
// (root, or with user namespaces), a simulated one elsewhere.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <vector>

#include "agent/drain/drain.h"
#include "tests/support/private_tmpfs.h"
#include "tests/support/results.h"
#include "tests/support/segment_folder.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;
constexpr std::uint64_t kNow = 1'800'000'000 * kNsPerS;
constexpr std::uint64_t kDiskBytes = 1 << 20;

// `ballast` takes most of the room until it is removed.
void drain_until_full_and_go_on(FileSystem& disk, const std::string& root, FileSystem& memory,
                                const std::string& segments) {
    std::string ballast = root + "/ballast";
    ASSERT_TRUE(write_file_durably(disk, ballast, std::string(700 << 10, 'b')).ok());
    ArchiveStore store(disk, {root + "/archive", std::uint64_t{1} << 30, 15 * 86400});
    SegmentFolder host(memory, segments);
    DrainOptions options;
    options.max_per_tick = 1000;
    Drain drain(options, store, host);
    std::vector<std::string> keys;
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        MemorySource source = random_vm(seed, 12, 40);
        host.make(memory, source);
        keys.push_back(vm_key(source.info));
        drain.submit(keys.back());
    }
    std::uint64_t monotonic_ns = kNsPerS;
    drain.tick({kNow, monotonic_ns});

    // Full: some are in the archive, the others in their segments, and the reason is known.
    ArchiveStatus full = store.status();
    EXPECT_GT(full.files, 0u);
    EXPECT_LT(full.files, keys.size());
    EXPECT_EQ(full.write_errors, keys.size() - full.files);
    for (const PendingDrain& pending : drain.pending()) {
        EXPECT_EQ(pending.failed_at, DrainStep::kArchive);
        EXPECT_EQ(pending.last_error.code, Code::kExhausted) << pending.last_error.message();
        EXPECT_EQ(store.find(pending.key), nullptr);
    }
    auto left = list_directory(memory, segments);
    ASSERT_TRUE(left.ok());
    EXPECT_EQ(left->size(), keys.size() - full.files);
    auto files = list_directory(disk, root + "/archive");
    ASSERT_TRUE(files.ok());
    EXPECT_EQ(files->size(), full.files) << "no leftover takes the room that is missing";

    // Room again: the rest follows by itself.
    ASSERT_TRUE(remove_file(disk, ballast).ok());
    monotonic_ns += options.retry_max_ns;
    drain.tick({kNow, monotonic_ns});
    EXPECT_EQ(drain.status().pending, 0u);
    EXPECT_EQ(store.status().files, keys.size());
    EXPECT_EQ(store.status().written_files, keys.size());
    EXPECT_TRUE(list_directory(memory, segments)->empty());
    for (const std::string& key : keys) EXPECT_TRUE(store.verified(key).ok());
}

TEST(FullDisk, KeepsSegmentsUntilThereIsRoomOnAFileSystemOfOneMebibyte) {
    TemporaryFolder folder("/dev/shm");
    std::string segments = folder / "segments";
    std::string root = folder / "disk";
    ASSERT_TRUE(make_directories(FileSystem::real(), segments).ok());
    ASSERT_TRUE(make_directories(FileSystem::real(), root).ok());
    constexpr int kMayNotMount = 77;
    std::fflush(nullptr);
    pid_t child = fork();
    if (child == 0) {
        if (!mount_private_tmpfs(root, "size=1m").empty()) _exit(kMayNotMount);
        drain_until_full_and_go_on(FileSystem::real(), root, FileSystem::real(), segments);
        std::fflush(nullptr);
        _exit(HasFailure() ? 1 : 0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status)) << "status " << status;
    if (WEXITSTATUS(status) != kMayNotMount) {
        RecordProperty("disk", "tmpfs");
        EXPECT_EQ(WEXITSTATUS(status), 0) << "see above";
        return;
    }
    std::puts("this user may mount nothing, not even in a namespace: a simulated disk stands in");
    RecordProperty("disk", "simulated");
    SimulatedDisk disk;
    disk.set_capacity(kDiskBytes);
    drain_until_full_and_go_on(disk, "", FileSystem::real(), segments);
}

TEST(FullDisk, KeepsSegmentsUntilThereIsRoomOnASimulatedDiskOfOneMebibyte) {
    SimulatedDisk disk;
    SimulatedDisk memory;
    disk.set_capacity(kDiskBytes);
    ASSERT_TRUE(make_directories(memory, "/segments").ok());
    drain_until_full_and_go_on(disk, "", memory, "/segments");
}

}  // namespace
}  // namespace ringside::agent
