#include "agent/base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "tests/support/faulty_files.h"
#include "tests/support/results.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

FileSystem& real() { return FileSystem::real(); }

std::string content(const std::string& path) {
    Result<std::string> bytes = read_file(real(), path, 1 << 20);
    return bytes.ok() ? *bytes : "<" + bytes.error().message() + ">";
}

std::vector<std::string> names(const TemporaryFolder& folder) {
    auto found = list_directory(real(), folder.path());
    return found.ok() ? *found : std::vector<std::string>{"(" + found.error().message() + ")"};
}

TEST(DurableFile, WritesAWholeFile) {
    TemporaryFolder folder;
    ASSERT_TRUE(write_file_durably(real(), folder / "cursor", "seven bytes").ok());
    EXPECT_EQ(content(folder / "cursor"), "seven bytes");
    EXPECT_EQ(names(folder), std::vector<std::string>{"cursor"});
}

TEST(DurableFile, ReplacesWhatWasThere) {
    TemporaryFolder folder;
    ASSERT_TRUE(write_file_durably(real(), folder / "cursor", "a longer old content").ok());
    ASSERT_TRUE(write_file_durably(real(), folder / "cursor", "new").ok());
    EXPECT_EQ(content(folder / "cursor"), "new");
}

TEST(DurableFile, GivesTheModeAskedFor) {
    TemporaryFolder folder;
    mode_t before = umask(0);
    ASSERT_TRUE(write_file_durably(real(), folder / "cursor", "x", 0600).ok());
    umask(before);
    struct stat status {};
    ASSERT_EQ(lstat((folder / "cursor").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(DurableFile, WithoutCommitLeavesTheOldContentAndNoLeftover) {
    TemporaryFolder folder;
    ASSERT_TRUE(write_file_durably(real(), folder / "cursor", "old").ok());
    {
        Result<DurableFile> file = DurableFile::create(real(), folder / "cursor");
        ASSERT_TRUE(file.ok());
        ASSERT_TRUE(file->append(std::string(1 << 20, 'x')).ok());
    }
    EXPECT_EQ(content(folder / "cursor"), "old");
    EXPECT_EQ(names(folder).size(), 1u);
}

TEST(DurableFile, ReplacesALeftoverOfItsOwnName) {
    TemporaryFolder folder;
    ASSERT_EQ(symlink("/etc/passwd", (folder / "cursor.tmp").c_str()), 0);
    ASSERT_TRUE(write_file_durably(real(), folder / "cursor", "x").ok());
    EXPECT_EQ(content(folder / "cursor"), "x");
}

TEST(DurableFile, PutsShortWritesTogether) {
    TemporaryFolder folder;
    FaultyFiles files;
    files.shorten_writes(7);
    std::string bytes(1000, 'y');
    ASSERT_TRUE(write_file_durably(files, folder / "cursor", bytes).ok());
    EXPECT_EQ(content(folder / "cursor"), bytes);
}

TEST(DurableFile, SyncsTheBytesBeforeTheRenameAndTheFolderAfter) {
    TemporaryFolder folder;
    FaultyFiles files;
    std::string calls;
    files.fail_when([&](const std::string& call, const std::string&) {
        calls += call + " ";
        return 0;
    });
    ASSERT_TRUE(write_file_durably(files, folder / "cursor", "x").ok());
    EXPECT_EQ(calls, "open write fsync close rename open fsync close ");
}

TEST(DurableFile, NamesManyFilesAndLeavesNothingOfTheOneThatFails) {
    TemporaryFolder folder;
    FaultyFiles files;
    std::vector<DurableFile> made;
    for (int i = 0; i < 20; ++i) {
        made.push_back(std::move(*DurableFile::create(files, folder / std::to_string(i))));
        ASSERT_TRUE(made.back().append("file " + std::to_string(i)).ok());
    }
    std::vector<DurableFile*> all;
    for (DurableFile& file : made) all.push_back(&file);
    files.fail_when([&](const std::string& call, const std::string& path) {
        return call == "rename" && path == folder / "7" ? EIO : 0;
    });
    auto named = DurableFile::name_all(files, all);
    made.clear();
    ASSERT_EQ(named.size(), 20u);
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(named[static_cast<std::size_t>(i)].ok(), i != 7) << i;
        if (i == 7) continue;
        EXPECT_EQ(content(folder / std::to_string(i)), "file " + std::to_string(i));
    }
    EXPECT_EQ(names(folder).size(), 19u);
}

TEST(FileSystem, SyncsManyFilesAndSaysOfEachWhetherItSucceeded) {
    TemporaryFolder folder;
    EXPECT_TRUE(real().fsync_all({}).empty());
    std::vector<int> fds;
    for (int i = 0; i < 30; ++i) {
        fds.push_back(real().open(folder / std::to_string(i), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        ASSERT_GE(fds.back(), 0);
    }
    std::vector<int> with_bad = fds;
    with_bad.insert(with_bad.begin() + 11, -1);
    const std::vector<int> results = real().fsync_all(with_bad);
    ASSERT_EQ(results.size(), 31u);
    for (std::size_t i = 0; i < results.size(); ++i) EXPECT_EQ(results[i], i == 11 ? -EBADF : 0) << i;
    for (int fd : fds) real().close(fd);
}

TEST(DurableFile, AFailedCallLeavesTheOldContentOrTheNew) {
    for (int errno_value : {EIO, ENOSPC, EROFS, EDQUOT}) {
        TemporaryFolder folder;
        FaultyFiles files;
        ASSERT_TRUE(write_file_durably(real(), folder / "cursor", "old").ok());
        bool failed_once = false;
        for (std::uint64_t k = 1;; ++k) {
            files.fail_at(k, errno_value);
            Result<void> written = write_file_durably(files, folder / "cursor", "new");
            if (!files.hit()) break;
            failed_once = failed_once || !written.ok();
            std::string now = content(folder / "cursor");
            if (written.ok()) {
                EXPECT_EQ(now, "new");  // a close that complains loses nothing after fsync
            } else {
                EXPECT_TRUE(now == "old" || now == "new") << now;
                EXPECT_EQ(written.error().errno_value, errno_value);
            }
            EXPECT_EQ(names(folder).size(), 1u) << "leftover at " << k;
            ASSERT_TRUE(write_file_durably(real(), folder / "cursor", "old").ok());
        }
        EXPECT_TRUE(failed_once);
    }
}

TEST(DurableFile, ACrashLeavesTheOldContentOrTheNewAndALeftoverThatCleaningRemoves) {
    TemporaryFolder folder;
    FaultyFiles files;
    int leftovers = 0;
    for (std::uint64_t k = 1;; ++k) {
        ASSERT_TRUE(write_file_durably(real(), folder / "cursor", "old").ok());
        files.crash_at(k);
        Result<void> written = write_file_durably(files, folder / "cursor", "new");
        if (!files.hit()) break;
        std::string now = content(folder / "cursor");
        EXPECT_TRUE(now == "old" || now == "new") << now;
        Result<std::size_t> removed = remove_temporaries(real(), folder.path());
        ASSERT_TRUE(removed.ok());
        leftovers += static_cast<int>(*removed);
        EXPECT_EQ(names(folder).size(), 1u);
    }
    EXPECT_GE(leftovers, 3);  // killed at write, fsync, rename
}

TEST(ReadFile, SaysWhatIsWrong) {
    TemporaryFolder folder;
    EXPECT_EQ(code_of(read_file(real(), folder / "none", 10)), Code::kNotFound);
    EXPECT_EQ(code_of(read_file(real(), folder.path(), 10)), Code::kInvalid);
    ASSERT_TRUE(write_file_durably(real(), folder / "long", "12345678901").ok());
    EXPECT_EQ(code_of(read_file(real(), folder / "long", 10)), Code::kExhausted);
    ASSERT_EQ(symlink((folder / "long").c_str(), (folder / "link").c_str()), 0);
    EXPECT_FALSE(read_file(real(), folder / "link", 100).ok());
    ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
    EXPECT_EQ(code_of(read_file(real(), folder / "fifo", 100)), Code::kInvalid);
}

TEST(File, AReadPastTheEndIsCorrupt) {
    TemporaryFolder folder;
    ASSERT_TRUE(write_file_durably(real(), folder / "short", "123").ok());
    Result<File> file = File::open(real(), folder / "short", O_RDONLY, "file");
    ASSERT_TRUE(file.ok());
    char bytes[4];
    EXPECT_TRUE(file->read_at(1, bytes, 2).ok());
    EXPECT_EQ(code_of(file->read_at(1, bytes, 3)), Code::kCorrupt);
}

TEST(MakeDirectories, MakesWhatIsMissingAndTakesWhatIsThere) {
    TemporaryFolder folder;
    ASSERT_TRUE(make_directories(real(), folder / "a/b/c").ok());
    ASSERT_TRUE(make_directories(real(), folder / "a/b/c/").ok());
    ASSERT_EQ(symlink("a", (folder / "link").c_str()), 0);
    ASSERT_TRUE(make_directories(real(), folder / "link/b/d").ok());
    EXPECT_TRUE(sync_directory(real(), folder / "link").ok());
    ASSERT_TRUE(write_file_durably(real(), folder / "file", "x").ok());
    Result<void> made = make_directories(real(), folder / "file/d");
    ASSERT_FALSE(made.ok());
    EXPECT_NE(made.error().context.find("file"), std::string::npos);
}

TEST(RemoveFile, TakesAMissingFileForRemoved) {
    TemporaryFolder folder;
    EXPECT_TRUE(remove_file(real(), folder / "none").ok());
    EXPECT_TRUE(remove_file(real(), folder / "none/none").ok());
}

TEST(ParentDirectory, IsThatOfTheLastPart) {
    EXPECT_EQ(parent_directory("/a/b"), "/a");
    EXPECT_EQ(parent_directory("/a/b/"), "/a");
    EXPECT_EQ(parent_directory("/a//b"), "/a");
    EXPECT_EQ(parent_directory("/a"), "/");
    EXPECT_EQ(parent_directory("/"), "/");
    EXPECT_EQ(parent_directory("a"), ".");
    EXPECT_EQ(parent_directory("a/b"), "a");
}

}  // namespace
}  // namespace ringside::agent
