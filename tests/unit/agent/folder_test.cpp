#include "agent/folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

mode_t mode_of(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

TEST(SegmentFolder, IsMadeWithItsModeWhateverTheUmask) {
    TemporaryFolder memory("/dev/shm");
    const mode_t old = ::umask(0077);
    auto folder = prepare_segment_folder(memory / "a/vms");
    ::umask(old);
    ASSERT_TRUE(folder.ok()) << folder.error().message();
    EXPECT_EQ(mode_of(memory / "a/vms"), 03753u);
}

TEST(SegmentFolder, IsTakenAsItIsWhenItIsTighter) {
    TemporaryFolder memory("/dev/shm");
    EXPECT_TRUE(prepare_segment_folder(memory.path()).ok());
    EXPECT_EQ(mode_of(memory.path()), 0700u);
}

TEST(SegmentFolder, IsRefusedWhenOthersCouldList) {
    TemporaryFolder memory("/dev/shm");
    ASSERT_EQ(::chmod(memory.path().c_str(), 03777), 0);
    auto folder = prepare_segment_folder(memory.path());
    ASSERT_FALSE(folder.ok());
    EXPECT_EQ(folder.error().code, Code::kDenied);
    EXPECT_NE(folder.error().context.find("chmod 3753"), std::string::npos);
}

TEST(SegmentFolder, IsRefusedOnADisk) {
    // The build folder: the system's folder for temporary files is a tmpfs on some hosts.
    TemporaryFolder disk(std::getenv("RINGSIDE_BUILD_DIR") ? std::getenv("RINGSIDE_BUILD_DIR") : ".");
    auto folder = prepare_segment_folder(disk.path());
    ASSERT_FALSE(folder.ok());
    EXPECT_NE(folder.error().context.find("not on a memory file system"), std::string::npos) << folder.error().context;
}

TEST(StateLock, IsHeldByOneAtATime) {
    TemporaryFolder disk;
    {
        auto first = StateLock::take(disk / "state");
        ASSERT_TRUE(first.ok()) << first.error().message();
        auto second = StateLock::take(disk / "state");
        ASSERT_FALSE(second.ok());
        EXPECT_EQ(second.error().code, Code::kExists);
        EXPECT_NE(second.error().context.find("process " + std::to_string(::getpid())), std::string::npos);
    }
    EXPECT_TRUE(StateLock::take(disk / "state").ok());
}

TEST(StateLock, SaysWhyItCannotBeTaken) {
    TemporaryFolder disk;
    std::ofstream(disk / "file") << "x";
    auto lock = StateLock::take(disk / "file");
    ASSERT_FALSE(lock.ok());
    EXPECT_NE(lock.error().message().find("is there and is not a folder"), std::string::npos) << lock.error().message();
}

}  // namespace
}  // namespace ringside::agent
