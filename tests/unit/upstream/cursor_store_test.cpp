#include "agent/upstream/cursor_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <string>
#include <vector>

#include "tests/support/faulty_files.h"
#include "tests/support/results.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

constexpr char kPath[] = "/state/a.cursors";  // on a simulated disk

FileSystem& real() { return FileSystem::real(); }

Cursor cursor(std::uint8_t number, std::uint64_t acked_ns, std::string component = "") {
    Cursor one;
    one.vm_id = "vm-" + std::to_string(number);
    one.component = std::move(component);
    one.epoch.fill(number);
    one.created_ns = 1000u + number;
    one.acked_ns = acked_ns;
    one.zeros_ns = acked_ns + 1;
    one.last_ms = static_cast<std::int64_t>(acked_ns / 2);
    one.floor_ms = -5;
    return one;
}

CursorStore opened(const std::string& path, std::size_t max = 100, FileSystem& files = real()) {
    Result<CursorStore> store = CursorStore::open(files, path, max);
    EXPECT_TRUE(store.ok()) << message_of(store);
    return std::move(*store);
}

std::string content(const std::string& path) {
    Result<std::string> bytes = read_file(real(), path, 1 << 24);
    EXPECT_TRUE(bytes.ok()) << message_of(bytes);
    return bytes.ok() ? *bytes : "";
}

void overwrite(const std::string& path, const std::string& bytes) {
    ASSERT_TRUE(write_file_durably(real(), path, bytes).ok());
}

TEST(CursorStore, StartsEmptyWhereThereIsNoFile) {
    TemporaryFolder folder;
    CursorStore store = opened(folder / "new/deeper/a.cursors");
    EXPECT_TRUE(store.all().empty());
    EXPECT_EQ(store.damaged(), 0u);
    EXPECT_EQ(store.put_aside(), "");
    EXPECT_EQ(store.find("vm-1"), nullptr);
}

TEST(CursorStore, GivesBackWhatWasSaved) {
    TemporaryFolder folder;
    const std::string path = folder / "a.cursors";
    Cursor first = cursor(1, 100), second = cursor(2, UINT64_MAX, "net");
    second.done = true;
    Cursor third = cursor(3, 7);
    third.superseded = true;
    third.last_ms = INT64_MIN;
    third.vm_id.assign(63, 'v');
    third.component.assign(31, 'c');
    {
        CursorStore store = opened(path);
        for (const Cursor& one : {first, second, third}) store.put(one);
        ASSERT_TRUE(store.save().ok());
    }
    CursorStore store = opened(path);
    EXPECT_EQ(store.all().size(), 3u);
    for (const Cursor& one : {first, second, third}) {
        const Cursor* found = store.find(cursor_key(one));
        ASSERT_NE(found, nullptr) << cursor_key(one);
        EXPECT_EQ(*found, one);
    }
    EXPECT_EQ(cursor_key(second), "vm-2.02020202020202020202020202020202.net");
}

TEST(CursorStore, KeepsTheNewestOfEachEpoch) {
    TemporaryFolder folder;
    const std::string path = folder / "a.cursors";
    {
        CursorStore store = opened(path);
        for (std::uint64_t n = 1; n <= 10; ++n) {
            store.put(cursor(1, n));
            store.put(cursor(2, n * 10));
            ASSERT_TRUE(store.save().ok());
        }
    }
    CursorStore store = opened(path);
    EXPECT_EQ(store.find(cursor_key(cursor(1, 0)))->acked_ns, 10u);
    EXPECT_EQ(store.find(cursor_key(cursor(2, 0)))->acked_ns, 100u);
}

TEST(CursorStore, AppendsWhatChangedAndRewritesMostlyHistory) {
    SimulatedDisk disk;
    CursorStore store = opened(kPath, 100, disk);
    std::uint64_t largest = 0, rewrites = 0, before = 0;
    for (std::uint64_t n = 1; n <= 5000; ++n) {
        store.put(cursor(static_cast<std::uint8_t>(n % 3), n));
        ASSERT_TRUE(store.save().ok());
        const std::uint64_t size = disk.content(kPath)->size();
        EXPECT_EQ(size % kCursorRecordBytes, 0u);
        largest = std::max(largest, size);
        rewrites += size < before ? 1 : 0;
        before = size;
    }
    EXPECT_LE(largest, (2 * 3 + 1024 + 1) * kCursorRecordBytes);
    EXPECT_EQ(rewrites, 4u);  // every 1,030 - 3 records or so
}

TEST(CursorStore, ASaveWithoutChangesTouchesNothing) {
    TemporaryFolder folder;
    FaultyFiles files;
    CursorStore store = opened(folder / "a.cursors", 100, files);
    store.put(cursor(1, 1));
    ASSERT_TRUE(store.save().ok());
    std::uint64_t calls = files.calls();
    ASSERT_TRUE(store.save().ok());
    EXPECT_EQ(files.calls(), calls);
}

TEST(CursorStore, AppendCostsOneWriteAndOneSync) {
    TemporaryFolder folder;
    std::vector<std::string> calls;
    FaultyFiles files;
    CursorStore store = opened(folder / "a.cursors", 100, files);
    store.put(cursor(1, 1));
    ASSERT_TRUE(store.save().ok());
    files.fail_when([&](const std::string& call, const std::string&) {
        calls.push_back(call);
        return 0;
    });
    store.put(cursor(1, 2));
    store.put(cursor(2, 2));
    ASSERT_TRUE(store.save().ok());
    EXPECT_EQ(calls, (std::vector<std::string>{"write", "fsync"}));
}

TEST(CursorStore, ForgetsAndForgetsForGoodWithTheNextRewrite) {
    TemporaryFolder folder;
    const std::string path = folder / "a.cursors";
    {
        CursorStore store = opened(path);
        store.put(cursor(1, 1));
        store.put(cursor(2, 1));
        ASSERT_TRUE(store.save().ok());
    }
    CursorStore store = opened(path);
    store.forget(cursor_key(cursor(1, 0)));
    EXPECT_EQ(store.find(cursor_key(cursor(1, 0))), nullptr);
    store.put(cursor(2, 2));
    ASSERT_TRUE(store.save().ok());  // the first save of a run writes the file anew
    EXPECT_EQ(opened(path).all().size(), 1u);
}

TEST(CursorStore, OverItsLimitDoneEpochsGoFirstThenTheOldest) {
    TemporaryFolder folder;
    CursorStore store = opened(folder / "a.cursors", 3);
    for (std::uint8_t n = 1; n <= 3; ++n) {
        Cursor one = cursor(n, 5);
        one.done = n == 2;
        store.put(one);
    }
    store.put(cursor(4, 5));
    EXPECT_EQ(store.find(cursor_key(cursor(2, 0))), nullptr);
    EXPECT_EQ(store.all().size(), 3u);
    store.put(cursor(5, 5));
    EXPECT_EQ(store.find(cursor_key(cursor(1, 0))), nullptr);
    store.put(cursor(4, 6));  // known: nobody has to go
    EXPECT_EQ(store.all().size(), 3u);
    EXPECT_NE(store.find(cursor_key(cursor(3, 0))), nullptr);
}

// A file of three generations: 3 cursors, then the same further on, then once more.
struct Sample {
    std::string bytes;
    std::vector<std::vector<Cursor>> history;  // by epoch, oldest first
};
Sample three_generations(FileSystem& files, const std::string& path) {
    Sample sample;
    sample.history.resize(3);
    CursorStore store = opened(path, 100, files);
    for (std::uint64_t generation = 1; generation <= 3; ++generation) {
        for (std::uint8_t n = 0; n < 3; ++n) {
            Cursor one = cursor(n, generation * 100);
            store.put(one);
            sample.history[n].push_back(one);
        }
        EXPECT_TRUE(store.save().ok());
    }
    Result<std::string> bytes = read_file(files, path, 1 << 20);
    sample.bytes = bytes.ok() ? *bytes : "";
    EXPECT_EQ(sample.bytes.size(), 10 * kCursorRecordBytes);
    return sample;
}

// C2: every cursor is one that was saved once for its epoch.
std::size_t check_all_saved_once(const CursorStore& store, const Sample& sample) {
    std::size_t newest = 0;
    for (const auto& [key, found] : store.all()) {
        bool known = false;
        for (const auto& history : sample.history) {
            for (const Cursor& one : history) known = known || one == found;
            newest += found == history.back() ? 1 : 0;
        }
        EXPECT_TRUE(known) << key;
    }
    return newest;
}

TEST(CursorStore, AnyFlippedByteCostsAtMostTheRecordItIsIn) {
    SimulatedDisk disk;
    const Sample sample = three_generations(disk, kPath);
    for (std::size_t at = 0; at < sample.bytes.size(); ++at) {
        std::string bytes = sample.bytes;
        bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(1 + at % 255));
        disk.put(kPath, bytes);
        CursorStore store = opened(kPath, 100, disk);
        ASSERT_EQ(store.all().size(), 3u) << at;
        bool in_newest = at >= 7 * kCursorRecordBytes;
        ASSERT_EQ(check_all_saved_once(store, sample), in_newest ? 2u : 3u) << at;
        ASSERT_EQ(store.damaged(), 1u) << at;
        ASSERT_EQ(store.put_aside(), "") << at;
    }
}

TEST(CursorStore, AFileCutAtAnyLengthGivesWhatWasBefore) {
    SimulatedDisk disk;
    const Sample sample = three_generations(disk, kPath);
    for (std::size_t length = 0; length < sample.bytes.size(); ++length) {
        disk.put(kPath, sample.bytes.substr(0, length));
        CursorStore store = opened(kPath, 100, disk);
        std::size_t records = length / kCursorRecordBytes;  // with the header
        std::size_t expected = records == 0 ? 0 : std::min<std::size_t>(records - 1, 3);
        ASSERT_EQ(store.all().size(), expected) << length;
        check_all_saved_once(store, sample);
        ASSERT_EQ(store.put_aside().empty(), expected > 0 || length == kCursorRecordBytes) << length;
    }
}

TEST(CursorStore, PutsAFileAsideThatIsNoneAndGoesOn) {
    TemporaryFolder folder;
    const std::string path = folder / "a.cursors";
    for (const std::string& bytes : {std::string("hello"), std::string(1000, '\0'), std::string(1 << 20, 'x')}) {
        overwrite(path, bytes);
        CursorStore store = opened(path);
        EXPECT_TRUE(store.all().empty());
        EXPECT_NE(store.put_aside(), "");
        EXPECT_EQ(content(path + ".damaged"), bytes);
        store.put(cursor(1, 1));
        ASSERT_TRUE(store.save().ok());
        EXPECT_EQ(opened(path).all().size(), 1u);
    }
}

TEST(CursorStore, PutsAsideWhatIsNoRegularFile) {
    TemporaryFolder folder;
    const std::string fifo = folder / "fifo.cursors", link = folder / "link.cursors", dir = folder / "dir.cursors";
    ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
    ASSERT_EQ(symlink("/etc/passwd", link.c_str()), 0);
    ASSERT_EQ(mkdir(dir.c_str(), 0700), 0);
    for (const std::string& path : {fifo, link, dir}) {
        CursorStore store = opened(path);
        EXPECT_NE(store.put_aside(), "") << path;
        store.put(cursor(1, 1));
        ASSERT_TRUE(store.save().ok()) << path;
        EXPECT_EQ(opened(path).all().size(), 1u);
    }
}

TEST(CursorStore, LeavesAGoodFileInPlaceWhenTheMomentIsBad) {
    TemporaryFolder folder;
    const std::string path = folder / "a.cursors";
    three_generations(real(), path);
    FaultyFiles files;
    for (int fault : {EMFILE, ENOMEM, EACCES}) {
        files.fail_when(
            [&](const std::string& call, const std::string& at) { return call == "open" && at == path ? fault : 0; });
        Result<CursorStore> store = CursorStore::open(files, path, 100);
        ASSERT_FALSE(store.ok());
        EXPECT_NE(store.error().message().find(path), std::string::npos);
    }
    EXPECT_EQ(opened(path).all().size(), 3u);
}

TEST(CursorStore, SaysWhenTheFolderCannotBeUsed) {
    TemporaryFolder folder;
    overwrite(folder / "file", "x");
    Result<CursorStore> store = CursorStore::open(real(), folder / "file/a.cursors", 10);
    ASSERT_FALSE(store.ok());
    EXPECT_NE(store.error().message().find(folder / "file"), std::string::npos) << store.error().message();
}

TEST(CursorStore, ACrashAtAnyCallLosesNothingThatASaveReturnedFrom) {
    std::uint64_t steps = 0;
    for (std::uint64_t k = 1;; ++k) {
        SimulatedDisk disk;
        FaultyFiles files(disk);
        std::uint64_t saved = 0;
        files.crash_at(k);
        {
            Result<CursorStore> store = CursorStore::open(files, kPath, 100);
            for (std::uint64_t n = 1; store.ok() && n <= 4; ++n) {
                store->put(cursor(1, n));
                if (store->save().ok()) saved = n;
            }
        }
        const bool hit = files.hit();
        disk.kill_process();
        CursorStore after = opened(kPath, 100, disk);
        const Cursor* found = after.find(cursor_key(cursor(1, 0)));
        EXPECT_GE(found == nullptr ? 0 : found->acked_ns, saved) << k;
        if (!hit) break;
        steps = k;
    }
    EXPECT_GT(steps, 15u);  // 4 saves: one whole file, three appends
}

TEST(CursorStore, APowerCutAtAnyTimeLosesNothingThatASaveReturnedFrom) {
    const std::uint64_t seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    std::uint64_t older = 0;
    for (int round = 0; round < 1000; ++round) {
        SimulatedDisk disk;
        FaultyFiles files(disk);
        files.crash_at(1 + random() % 30);
        std::uint64_t saved = 0, put = 0;
        {
            Result<CursorStore> store = CursorStore::open(files, kPath, 100);
            while (store.ok() && put < 8 && !files.hit()) {
                store->put(cursor(1, ++put));
                if (store->save().ok()) saved = put;
            }
        }
        disk.cut_power(random);
        CursorStore after = opened(kPath, 100, disk);
        const Cursor* found = after.find(cursor_key(cursor(1, 0)));
        const std::uint64_t acked = found == nullptr ? 0 : found->acked_ns;
        ASSERT_GE(acked, saved) << round;
        ASSERT_LE(acked, put) << round;
        older += acked < put ? 1 : 0;
    }
    EXPECT_GT(older, 100u);  // the cut did take what was not saved yet
}

TEST(CursorStore, AfterAnyFailingCallTheNextSaveMakesUpForIt) {
    std::uint64_t steps = 0;
    for (int fault : {ENOSPC, EIO}) {
        for (std::uint64_t k = 1;; ++k) {
            SimulatedDisk disk;
            FaultyFiles files(disk);
            CursorStore store = opened(kPath, 100, files);
            files.fail_at(k, fault);
            std::uint64_t failures = 0;
            for (std::uint64_t n = 1; n <= 4; ++n) {
                store.put(cursor(1, n));
                failures += store.save().ok() ? 0 : 1;
            }
            EXPECT_LE(failures, 1u) << k;
            if (!files.hit()) break;
            // The fault may have met the very last save, which has nothing after it.
            files.reset();
            ASSERT_TRUE(store.save().ok()) << k;
            EXPECT_EQ(opened(kPath, 100, disk).find(cursor_key(cursor(1, 0)))->acked_ns, 4u) << k;
            ++steps;
        }
    }
    EXPECT_GE(steps, 20u);
}

TEST(CursorStore, NeverAppendsBehindATornRecord) {
    TemporaryFolder folder;
    const std::string path = folder / "a.cursors";
    FaultyFiles files;
    CursorStore store = opened(path, 100, files);
    store.put(cursor(1, 1));
    ASSERT_TRUE(store.save().ok());
    // 100 bytes of the record go out, then the disk is full.
    files.shorten_writes(100);
    files.fail_at(2, ENOSPC);
    store.put(cursor(1, 2));
    ASSERT_FALSE(store.save().ok());
    EXPECT_EQ(content(path).size(), 2 * kCursorRecordBytes + 100);
    EXPECT_EQ(opened(path).find(cursor_key(cursor(1, 0)))->acked_ns, 1u);
    files.reset();
    store.put(cursor(1, 3));
    ASSERT_TRUE(store.save().ok());
    EXPECT_EQ(content(path).size(), 2 * kCursorRecordBytes);
    EXPECT_EQ(opened(path).find(cursor_key(cursor(1, 0)))->acked_ns, 3u);
}

// A file system of 64 KiB, in a mount namespace of a child, which only root can make.
TEST(CursorStore, SurvivesAFullDiskAndRecoversWhenThereIsRoom) {
    if (geteuid() != 0) GTEST_SKIP() << "needs root for a tmpfs of its own; the injected ENOSPC tests run for all";
    TemporaryFolder folder;
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        auto check = [](bool good, int code) {
            if (!good) _exit(code);
        };
        check(unshare(CLONE_NEWNS) == 0, 10);
        check(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, 11);
        check(mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=64k") == 0, 12);
        const std::string path = folder / "a.cursors", filler = folder / "filler";
        Result<CursorStore> store = CursorStore::open(real(), path, 1000);
        check(store.ok(), 13);
        store->put(cursor(1, 1));
        check(store->save().ok(), 14);
        const int fd = open(filler.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        const std::string page(4096, 'x');
        while (write(fd, page.data(), page.size()) > 0) {
        }
        check(errno == ENOSPC, 15);
        bool failed = false;
        for (std::uint64_t n = 2; n < 100; ++n) {
            store->put(cursor(1, n));
            failed = failed || !store->save().ok();
        }
        check(failed, 16);
        Result<CursorStore> meanwhile = CursorStore::open(real(), path, 1000);
        check(meanwhile.ok() && meanwhile->find(cursor_key(cursor(1, 0))) != nullptr, 17);
        check(ftruncate(fd, 0) == 0, 18);
        check(store->save().ok(), 19);
        Result<CursorStore> after = CursorStore::open(real(), path, 1000);
        check(after.ok() && after->find(cursor_key(cursor(1, 0)))->acked_ns == 99, 20);
        _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0) << "the check with this number failed in the child";
}

}  // namespace
}  // namespace ringside::agent
