#include "tools/bridge/file.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>

namespace ringside::bridge {
namespace {

class FileReaderTest : public ::testing::Test {
  protected:
    void SetUp() override { ASSERT_NE(mkdtemp(directory_.data()), nullptr); }
    void TearDown() override {
        unlink(path_().c_str());
        rmdir(directory_.c_str());
    }
    std::string path_() const { return directory_ + "/file"; }
    void write(const std::string& text) const {
        std::FILE* file = std::fopen(path_().c_str(), "wb");
        ASSERT_NE(file, nullptr);
        EXPECT_EQ(std::fwrite(text.data(), 1, text.size(), file), text.size());
        std::fclose(file);
    }

    std::string directory_ = "/tmp/ringside-test-XXXXXX";
    FileReader reader_;
};

TEST_F(FileReaderTest, ReadsAllOfAFileThatDoesNotFitAtFirst) {
    const std::string text(100'000, 'x');
    write(text);
    ASSERT_EQ(reader_.read(path_()), FileStatus::kRead);
    EXPECT_EQ(reader_.text(), text);
}

TEST_F(FileReaderTest, ReadsAShorterFileAfterALongerOne) {
    write("longer");
    ASSERT_EQ(reader_.read(path_()), FileStatus::kRead);
    write("short");
    ASSERT_EQ(reader_.read(path_()), FileStatus::kRead);
    EXPECT_EQ(reader_.text(), "short");
}

TEST_F(FileReaderTest, ReadsFilesOfProcWhoseSizeIsZero) {
    ASSERT_EQ(reader_.read("/proc/self/stat"), FileStatus::kRead);
    EXPECT_FALSE(reader_.text().empty());
}

TEST_F(FileReaderTest, CallsAMissingFileAbsentAndForgetsTheOneBefore) {
    write("text");
    ASSERT_EQ(reader_.read(path_()), FileStatus::kRead);
    EXPECT_EQ(reader_.read(directory_ + "/none"), FileStatus::kAbsent);
    EXPECT_EQ(reader_.errno_value(), ENOENT);
    EXPECT_EQ(reader_.text(), "");
    EXPECT_EQ(reader_.read(path_() + "/below"), FileStatus::kAbsent);
}

TEST_F(FileReaderTest, FailsOnAFolder) {
    EXPECT_EQ(reader_.read(directory_), FileStatus::kFailed);
    EXPECT_EQ(reader_.errno_value(), EISDIR);
}

TEST_F(FileReaderTest, DoesNotWaitForAFifo) {
    ASSERT_EQ(mkfifo(path_().c_str(), 0600), 0);
    EXPECT_EQ(reader_.read(path_()), FileStatus::kRead);
    EXPECT_EQ(reader_.text(), "");
}

TEST_F(FileReaderTest, FailsOnAFileWithoutEnd) {
    EXPECT_EQ(reader_.read("/dev/zero"), FileStatus::kFailed);
    EXPECT_EQ(reader_.errno_value(), EFBIG);
}

}  // namespace
}  // namespace ringside::bridge
