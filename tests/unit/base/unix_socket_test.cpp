#include "agent/base/unix_socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

int connect_to(const std::string& path) {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
    close(fd);
    return -1;
}

bool exists(const std::string& path) {
    struct stat status {};
    return lstat(path.c_str(), &status) == 0;
}

UnixSocketOptions at(const std::string& path) {
    UnixSocketOptions options;
    options.path = path;
    return options;
}

TEST(UnixSocket, ListensWithModeAndGroupAsAsked) {
    TemporaryFolder folder;
    UnixSocketOptions options = at(folder / "agent.sock");
    options.mode = 0620;
    options.group = getegid();
    auto made = UnixSocket::listen(options);
    ASSERT_TRUE(made) << made.error().message();
    struct stat status {};
    ASSERT_EQ(lstat(options.path.c_str(), &status), 0);
    EXPECT_TRUE(S_ISSOCK(status.st_mode));
    EXPECT_EQ(status.st_mode & 07777, 0620u);
    EXPECT_EQ(status.st_gid, getegid());
    const int fd = connect_to(options.path);
    EXPECT_GE(fd, 0);
    close(fd);
}

TEST(UnixSocket, GivesTheModeAsAskedWhateverTheUmask) {
    TemporaryFolder folder;
    const mode_t before = umask(0077);
    auto made = UnixSocket::listen(at(folder / "agent.sock"));
    umask(before);
    ASSERT_TRUE(made) << made.error().message();
    struct stat status {};
    ASSERT_EQ(lstat(made->path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0660u);
}

TEST(UnixSocket, RemovesItsFileAtTheEnd) {
    TemporaryFolder folder;
    { ASSERT_TRUE(UnixSocket::listen(at(folder / "agent.sock"))); }
    EXPECT_FALSE(exists(folder / "agent.sock"));
}

TEST(UnixSocket, LeavesAFileThatIsAnothersByNow) {
    TemporaryFolder folder;
    auto made = UnixSocket::listen(at(folder / "agent.sock"));
    ASSERT_TRUE(made);
    ASSERT_EQ(unlink(made->path().c_str()), 0);
    std::ofstream(made->path()) << "another's";
    made->close();
    EXPECT_TRUE(exists(folder / "agent.sock"));
}

TEST(UnixSocket, ReplacesASocketWhereNobodyAnswers) {
    TemporaryFolder folder;
    const std::string path = folder / "agent.sock";
    {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        close(fd);  // As after SIGKILL: the file stays.
    }
    ASSERT_TRUE(exists(path));
    auto made = UnixSocket::listen(at(path));
    ASSERT_TRUE(made) << made.error().message();
    const int fd = connect_to(path);
    EXPECT_GE(fd, 0);
    close(fd);
}

TEST(UnixSocket, LeavesASocketWhereAnAgentAnswers) {
    TemporaryFolder folder;
    auto first = UnixSocket::listen(at(folder / "agent.sock"));
    ASSERT_TRUE(first);
    auto second = UnixSocket::listen(at(folder / "agent.sock"));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::kExists);
    const int fd = connect_to(folder / "agent.sock");
    EXPECT_GE(fd, 0);
    close(fd);
}

TEST(UnixSocket, LeavesASocketWhoseQueueIsFull) {
    TemporaryFolder folder;
    UnixSocketOptions options = at(folder / "agent.sock");
    options.backlog = 0;
    auto first = UnixSocket::listen(options);
    ASSERT_TRUE(first);
    const int fill = connect_to(options.path);
    ASSERT_GE(fill, 0);
    auto second = UnixSocket::listen(options);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::kExists);
    close(fill);
}

TEST(UnixSocket, NeverRemovesWhatIsNoSocket) {
    TemporaryFolder folder;
    std::ofstream(folder / "agent.sock") << "precious";
    auto made = UnixSocket::listen(at(folder / "agent.sock"));
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Code::kExists);
    EXPECT_TRUE(exists(folder / "agent.sock"));
    // Nor what a link points to.
    const std::string target = folder / "target.sock";
    auto real = UnixSocket::listen(at(target));
    ASSERT_TRUE(real);
    ASSERT_EQ(symlink(target.c_str(), (folder / "link.sock").c_str()), 0);
    EXPECT_FALSE(UnixSocket::listen(at(folder / "link.sock")));
    EXPECT_TRUE(exists(target));
}

TEST(UnixSocket, RefusesPathsThatCannotBe) {
    TemporaryFolder folder;
    for (const std::string& path : {std::string(), std::string("agent.sock"), folder / std::string(120, 'x')}) {
        auto made = UnixSocket::listen(at(path));
        ASSERT_FALSE(made) << path;
        EXPECT_EQ(made.error().code, Code::kInvalid) << path;
    }
    auto made = UnixSocket::listen(at(folder / "missing/agent.sock"));
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Code::kNotFound);
}

TEST(UnixSocket, StartsAlthoughAStrangerHoldsTheLockOfTheFolder) {
    TemporaryFolder folder;
    const int held = open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ASSERT_EQ(flock(held, LOCK_EX), 0);
    EXPECT_TRUE(UnixSocket::listen(at(folder / "agent.sock")));
    close(held);
}

}  // namespace
}  // namespace ringside::agent
