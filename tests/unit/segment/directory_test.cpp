#include "agent/segment/directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

using testing::HasSubstr;

const std::string kEpochText = "00112233445566778899aabbccddeeff";

void touch(const std::string& path) { std::ofstream(path) << "x"; }

TEST(SegmentDirectory, SortsEntriesByKind) {
    TemporaryFolder folder("/dev/shm");
    touch(folder / ("vm-1." + kEpochText + ".seg"));
    touch(folder / ".0011223344556677.tmp");
    touch(folder / "notes.txt");
    ::chmod(folder.path().c_str(), 03753);

    Result<SegmentDirectory> directory = SegmentDirectory::open(folder.path(), ::geteuid());
    ASSERT_TRUE(directory) << directory.error().message();
    Result<FolderListing> listing = directory->scan();
    ASSERT_TRUE(listing);
    EXPECT_FALSE(listing->cut);
    ASSERT_EQ(listing->entries.size(), 3u);
    EXPECT_EQ(listing->entries[0].kind, EntryKind::kCreating);
    EXPECT_EQ(listing->entries[1].kind, EntryKind::kForeign);
    EXPECT_EQ(listing->entries[2].kind, EntryKind::kSegment);
    EXPECT_EQ(listing->entries[2].name.vm_id, "vm-1");
    EXPECT_NE(listing->entries[2].inode, 0u);
}

TEST(SegmentDirectory, SeesEveryScanFromItsBegin) {
    TemporaryFolder folder("/dev/shm");
    Result<SegmentDirectory> directory = SegmentDirectory::open(folder.path(), ::geteuid());
    ASSERT_TRUE(directory) << directory.error().message();
    EXPECT_EQ(directory->scan()->entries.size(), 0u);
    touch(folder / "a");
    EXPECT_EQ(directory->scan()->entries.size(), 1u);
    EXPECT_EQ(directory->scan()->entries.size(), 1u);
}

TEST(SegmentDirectory, StopsAtTheLimitOfNames) {
    TemporaryFolder folder("/dev/shm");
    touch(folder / "first");
    std::string first = folder / "first";
    for (std::size_t i = 0; i < kMaxEntries; ++i) {
        ASSERT_EQ(::symlink("first", (folder / ("n" + std::to_string(i))).c_str()), 0);
    }
    Result<SegmentDirectory> directory = SegmentDirectory::open(folder.path(), ::geteuid());
    ASSERT_TRUE(directory);
    Result<FolderListing> listing = directory->scan();
    ASSERT_TRUE(listing);
    EXPECT_TRUE(listing->cut);
    EXPECT_EQ(listing->entries.size(), kMaxEntries);
}

TEST(SegmentDirectory, SaysHowToCreateAMissingOne) {
    Result<SegmentDirectory> directory = SegmentDirectory::open("/dev/shm/ringside-test-not-there", ::geteuid());
    ASSERT_FALSE(directory);
    EXPECT_EQ(directory.error().code, Code::kNotFound);
    EXPECT_THAT(directory.error().message(), HasSubstr("install -d -m 3753"));
}

TEST(SegmentDirectory, RefusesAFile) {
    TemporaryFolder folder("/dev/shm");
    touch(folder / "file");
    Result<SegmentDirectory> directory = SegmentDirectory::open(folder / "file", ::geteuid());
    ASSERT_FALSE(directory);
    EXPECT_EQ(directory.error().code, Code::kInvalid);
}

TEST(SegmentDirectory, RefusesAnotherOwner) {
    TemporaryFolder folder("/dev/shm");
    Result<SegmentDirectory> directory = SegmentDirectory::open(folder.path(), ::geteuid() + 1);
    ASSERT_FALSE(directory);
    EXPECT_EQ(directory.error().code, Code::kDenied);
    EXPECT_THAT(directory.error().message(), HasSubstr("chown"));
}

TEST(SegmentDirectory, RefusesLooseModes) {
    for (mode_t mode : {0777u, 0755u, 01777u, 0753u, 0720u, 04700u}) {
        TemporaryFolder folder("/dev/shm");
        ASSERT_EQ(::chmod(folder.path().c_str(), mode), 0);
        Result<SegmentDirectory> directory = SegmentDirectory::open(folder.path(), ::geteuid());
        ASSERT_FALSE(directory) << std::oct << mode;
        EXPECT_EQ(directory.error().code, Code::kDenied);
        EXPECT_THAT(directory.error().message(), HasSubstr("chmod 3753"));
    }
}

TEST(SegmentDirectory, AcceptsTightModes) {
    for (mode_t mode : {03753u, 01753u, 03750u, 0750u, 0700u}) {
        TemporaryFolder folder("/dev/shm");
        ASSERT_EQ(::chmod(folder.path().c_str(), mode), 0);
        EXPECT_TRUE(SegmentDirectory::open(folder.path(), ::geteuid())) << std::oct << mode;
    }
}

}  // namespace
}  // namespace ringside::agent
