#include "agent/api/acceptor.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

constexpr std::uint32_t kStranger = 61234;  // a uid that nobody has

int connect_to(const std::string& path) {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

// Whether the other end closes; it never sends anything.
bool is_hung_up(int fd) {
    char byte;
    pollfd wait{fd, POLLIN, 0};
    return poll(&wait, 1, 30'000) == 1 && read(fd, &byte, 1) <= 0;
}

std::size_t open_descriptors() {
    std::size_t count = 0;
    DIR* folder = opendir("/proc/self/fd");
    while (readdir(folder) != nullptr) ++count;
    closedir(folder);
    return count;
}

struct Fixture {
    TemporaryFolder folder;
    Metrics metrics;
    PeerTable peers{PeerTableOptions{.first_fd = 500, .fd_count = 64}};
    std::atomic<int> taken{0};
    UnixSocket socket = [&] {
        UnixSocketOptions options;
        options.path = folder / "agent.sock";
        options.mode = 0666;  // Who may come is this test's question, and only the policy answers it.
        auto made = UnixSocket::listen(options);
        EXPECT_TRUE(made) << made.error().message();
        return std::move(*made);
    }();

    std::unique_ptr<Acceptor> start(const AccessPolicy& policy) {
        // So that another uid can reach the socket's file.
        EXPECT_EQ(chmod(folder.path().c_str(), 0755), 0);
        auto acceptor = std::make_unique<Acceptor>(socket, policy, peers, metrics, [this](int fd) {
            ++taken;
            close(fd);
        });
        EXPECT_TRUE(acceptor->start());
        return acceptor;
    }
    std::uint64_t refused(const char* reason) {
        return metrics
            .counter("ringside_api_connections_refused_total",
                     "Connections to the API socket that were turned away, by reason.", {{"reason", reason}})
            .value();
    }
};

// Connects `count` times as a uid that the policy forbids, and says whether each try was hung up on.
bool connect_as_stranger(const std::string& path, int count) {
    const pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setresuid(kStranger, kStranger, kStranger) != 0) _exit(2);
        for (int i = 0; i < count; ++i) {
            const int fd = connect_to(path);
            if (fd < 0 || !is_hung_up(fd)) _exit(1);
            close(fd);
        }
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(Acceptor, TurnsAwayAForbiddenUidTenThousandTimesAndKeepsNothing) {
    Fixture fixture;
    AccessPolicy policy;
    policy.own_uid = kStranger + 1;
    policy.any_tenant = false;
    auto acceptor = fixture.start(policy);
    const std::size_t before = open_descriptors();

    EXPECT_TRUE(connect_as_stranger(fixture.socket.path(), 10'000));

    EXPECT_EQ(fixture.taken, 0);
    EXPECT_EQ(fixture.refused("forbidden"), 10'000u);
    EXPECT_EQ(open_descriptors(), before);
    EXPECT_EQ(fixture.peers.connections(), 0u);
}

TEST(Acceptor, HandsOnThoseWhoMayCome) {
    Fixture fixture;
    AccessPolicy policy;
    policy.own_uid = geteuid();
    auto acceptor = fixture.start(policy);
    const int fd = connect_to(fixture.socket.path());
    ASSERT_GE(fd, 0);
    EXPECT_TRUE(is_hung_up(fd));  // By the fixture, which got it.
    EXPECT_EQ(fixture.taken, 1);
    EXPECT_EQ(fixture.refused("forbidden"), 0u);
    close(fd);
}

TEST(Acceptor, TurnsAwayWhenThereIsNoRoom) {
    Fixture fixture;
    std::vector<int> kept;
    AccessPolicy policy;
    policy.own_uid = geteuid();
    PeerTable tiny(PeerTableOptions{.first_fd = 600, .fd_count = 64, .connections_max = 2});
    Acceptor acceptor(fixture.socket, policy, tiny, fixture.metrics, [&](int fd) { kept.push_back(fd); });
    ASSERT_TRUE(acceptor.start());
    std::vector<int> mine;
    for (int i = 0; i < 3; ++i) mine.push_back(connect_to(fixture.socket.path()));
    EXPECT_TRUE(is_hung_up(mine[2]));
    acceptor.stop();  // the hang-up comes before the count
    EXPECT_EQ(fixture.refused("full"), 1u);
    EXPECT_EQ(kept.size(), 2u);
    for (int fd : kept) close(fd);
    for (int fd : mine) close(fd);
}

TEST(Acceptor, AnswersAgainAfterTheProcessRanOutOfDescriptors) {
    Fixture fixture;
    AccessPolicy policy;
    policy.own_uid = geteuid();
    auto acceptor = fixture.start(policy);
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);

    const int waiting = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::vector<int> filler;
    const rlimit low{400, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (int fd; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) filler.push_back(fd);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, fixture.socket.path().data(), fixture.socket.path().size());
    ASSERT_EQ(connect(waiting, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_TRUE(is_hung_up(waiting));
    EXPECT_EQ(fixture.taken, 0);
    EXPECT_GE(fixture.refused("error"), 1u);
    for (int fd : filler) close(fd);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    close(waiting);

    const int fd = connect_to(fixture.socket.path());
    ASSERT_GE(fd, 0);
    EXPECT_TRUE(is_hung_up(fd));
    EXPECT_EQ(fixture.taken, 1);
    close(fd);
}

TEST(Acceptor, StopsTwiceWithoutHarm) {
    Fixture fixture;
    auto acceptor = fixture.start({});
    acceptor->stop();
    acceptor->stop();
    EXPECT_EQ(fixture.taken, 0);
}

}  // namespace
}  // namespace ringside::agent
