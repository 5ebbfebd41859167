#include "agent/api/peer_table.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace ringside::agent {
namespace {

using namespace std::chrono_literals;

constexpr PeerTable::Time kStart{};

PeerTableOptions small() {
    PeerTableOptions options;
    options.first_fd = 300;
    options.fd_count = 4;
    options.rest = 10s;
    options.connections_max = 100;
    options.tenant_connections_max = 100;
    options.connections_per_tenant_max = 100;
    return options;
}

// A connection: one end goes into the table, the other stays here.
class Connection {
  public:
    Connection(PeerTable& table, const Caller& caller, PeerTable::Time now = kStart) {
        int ends[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        given_ = ends[0];
        mine_ = ends[1];
        result_ = table.adopt(ends[0], caller, now);
    }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() {
        hang_up();
        close(mine_);
    }

    bool ok() const { return result_.ok(); }
    int fd() const { return *result_; }
    int given_fd() const { return given_; }
    const Error& error() const { return result_.error(); }
    std::string name() const { return "fd:" + std::to_string(fd()); }
    void hang_up() {  // What gRPC does at the end.
        if (ok() && open_) close(fd());
        open_ = false;
    }

  private:
    int given_ = -1;
    int mine_ = -1;
    bool open_ = true;
    Result<int> result_ = ringside::agent::error(Code::kInternal, "not asked yet");
};

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

TEST(PeerTable, KnowsTheCallerBehindAPeerString) {
    PeerTable table(small());
    Connection a(table, {7, false});
    Connection b(table, {0, true});
    ASSERT_TRUE(a.ok());
    ASSERT_TRUE(b.ok());
    EXPECT_EQ(a.fd(), 300);
    EXPECT_EQ(b.fd(), 301);
    EXPECT_FALSE(is_open(a.given_fd()));  // Only the new number is left.
    EXPECT_TRUE(fcntl(a.fd(), F_GETFD) & FD_CLOEXEC);
    ASSERT_TRUE(table.find("fd:300"));
    EXPECT_EQ(table.find("fd:300")->uid, 7u);
    EXPECT_FALSE(table.find("fd:300")->is_operator);
    EXPECT_TRUE(table.find("fd:301")->is_operator);
    for (const char* other : {"fd:302", "fd:3000", "fd:", "fd:300 ", "fd:-1", "unix:/x", "", "300", "ipv4:1.2.3.4:5"}) {
        EXPECT_FALSE(table.find(other)) << other;
    }
}

TEST(PeerTable, ForgetsACallerAsSoonAsItsSocketIsClosed) {
    PeerTable table(small());
    Connection a(table, {7, false});
    a.hang_up();
    EXPECT_FALSE(table.find(a.name()));
}

TEST(PeerTable, DoesNotTakeAnotherSocketUnderTheNumberForTheCaller) {
    PeerTable table(small());
    Connection a(table, {0, true});
    a.hang_up();
    int stranger[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stranger), 0);
    ASSERT_EQ(dup2(stranger[0], a.fd()), a.fd());
    EXPECT_FALSE(table.find(a.name()));
    close(a.fd());
    close(stranger[0]);
    close(stranger[1]);
}

TEST(PeerTable, GivesANumberAgainOnlyAfterALapAndARest) {
    PeerTable table(small());
    Connection first(table, {1, false});
    const std::string name = first.name();
    first.hang_up();
    table.sweep(kStart);
    // The rest of the range comes first, however long ago the first one was closed.
    Connection second(table, {2, false}, kStart + 1h);
    Connection third(table, {3, false}, kStart + 1h);
    Connection fourth(table, {4, false}, kStart + 1h);
    ASSERT_TRUE(fourth.ok());
    EXPECT_NE(second.name(), name);
    EXPECT_NE(third.name(), name);
    EXPECT_NE(fourth.name(), name);
    Connection fifth(table, {5, false}, kStart + 1h);
    ASSERT_TRUE(fifth.ok());
    EXPECT_EQ(fifth.name(), name);
    EXPECT_EQ(table.find(name)->uid, 5u);
}

TEST(PeerTable, RefusesWhileNoNumberHasRested) {
    PeerTable table(small());
    for (std::uint32_t uid = 1; uid <= 4; ++uid) Connection(table, {uid, false}).hang_up();
    table.sweep(kStart + 1s);
    Connection early(table, {5, false}, kStart + 10s);
    ASSERT_FALSE(early.ok());
    EXPECT_EQ(early.error().code, Code::kExhausted);
    EXPECT_FALSE(is_open(early.given_fd()));  // Nothing is kept of a connection that was refused.
    Connection later(table, {5, false}, kStart + 12s);
    EXPECT_TRUE(later.ok());
}

TEST(PeerTable, StepsOverANumberThatSomebodyElseHas) {
    PeerTable table(small());
    ASSERT_EQ(dup2(0, 300), 300);
    Connection a(table, {1, false});
    ASSERT_TRUE(a.ok());
    EXPECT_EQ(a.fd(), 301);
    close(300);
}

TEST(PeerTable, BoundsTheConnectionsOfEachTenantAndOfAll) {
    PeerTableOptions options = small();
    options.fd_count = 64;
    options.connections_max = 5;
    options.tenant_connections_max = 3;
    options.connections_per_tenant_max = 2;
    PeerTable table(options);
    Connection a(table, {1, false});
    Connection b(table, {1, false});
    Connection third_of_one(table, {1, false});
    EXPECT_FALSE(third_of_one.ok());
    EXPECT_EQ(third_of_one.error().code, Code::kExhausted);
    Connection c(table, {2, false});
    Connection fourth_tenant(table, {3, false});
    EXPECT_FALSE(fourth_tenant.ok());
    EXPECT_EQ(table.tenant_connections(), 3u);
    // Operators still have the rest.
    Connection d(table, {0, true});
    Connection e(table, {0, true});
    EXPECT_TRUE(e.ok());
    Connection f(table, {0, true});
    EXPECT_FALSE(f.ok());
    EXPECT_EQ(table.connections(), 5u);
    // One that hung up makes room at once, also before the next sweep.
    a.hang_up();
    Connection again(table, {1, false});
    EXPECT_TRUE(again.ok());
}

TEST(PeerTable, ShutsItsConnectionsDown) {
    PeerTable table(small());
    Connection a(table, {1, false});
    table.shutdown_all();
    char byte;
    EXPECT_EQ(read(a.fd(), &byte, 1), 0);
}

// Limits are the process's own, so each case has a child of its own. What it returns is its exit status.
int in_child(const std::function<int()>& act) {
    const pid_t child = fork();
    if (child == 0) _exit(act());
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void limit_files(rlim_t soft, rlim_t hard) {
    const rlimit limit{soft, hard};
    setrlimit(RLIMIT_NOFILE, &limit);
}

TEST(PeerTable, RaisesTheSoftLimitOfOpenFilesForItsRange) {
    EXPECT_EQ(in_child([] {
                  limit_files(256, 3000);
                  PeerTableOptions options;
                  options.first_fd = 1000;
                  options.fd_count = 2000;
                  const auto fitted = PeerTable::fit_to_limits(options);
                  rlimit limit{};
                  getrlimit(RLIMIT_NOFILE, &limit);
                  return fitted.ok() && fitted->first_fd == 1000 && limit.rlim_cur == 3000 ? 0 : 1;
              }),
              0);
}

TEST(PeerTable, TakesTheUpperHalfOfALimitThatCannotBeRaised) {
    EXPECT_EQ(in_child([] {
                  limit_files(512, 512);
                  const auto fitted = PeerTable::fit_to_limits({});
                  return fitted.ok() && fitted->first_fd == 256 && fitted->fd_count == 256 ? 0 : 1;
              }),
              0);
}

TEST(PeerTable, RefusesALimitThatLeavesNoRange) {
    EXPECT_EQ(in_child([] {
                  limit_files(100, 100);
                  const auto fitted = PeerTable::fit_to_limits({});
                  return !fitted.ok() && fitted.error().code == Code::kExhausted ? 0 : 1;
              }),
              0);
}

}  // namespace
}  // namespace ringside::agent
