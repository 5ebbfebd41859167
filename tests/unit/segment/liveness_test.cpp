// Alive or dead, by the kernel's count of writers: in every way in which a writer can hold on or let go.
#include "agent/segment/liveness.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <ringside/ringside.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "agent/segment/open.h"
#include "tests/support/child_process.h"
#include "tests/support/open_segment.h"
#include "tests/support/segment_builder.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent::test {
namespace {

void* map(int fd, int protection) { return ::mmap(nullptr, 4096, protection, MAP_SHARED, fd, 0); }

class ProbeWriter : public testing::Test {
  protected:
    ProbeWriter() {
        int fd = open_for_writing();
        EXPECT_EQ(::ftruncate(fd, 4096), 0);
        ::close(fd);
        reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    }
    ~ProbeWriter() override { ::close(reader); }

    int open_for_writing() const { return ::open(path.c_str(), O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0644); }
    Life life() const { return probe_writer(reader).life; }

    TemporaryFolder folder{"/dev/shm"};
    std::string path = folder / "file";
    int reader = -1;
};

TEST_F(ProbeWriter, SaysDeadWhenNobodyCanWrite) {
    Liveness liveness = probe_writer(reader);
    EXPECT_EQ(liveness.life, Life::kDead);
    EXPECT_EQ(liveness.proof, Proof::kLease);
}

TEST_F(ProbeWriter, SaysAliveWhileADescriptorIsOpen) {
    int fd = open_for_writing();
    EXPECT_EQ(life(), Life::kAlive);
    ::close(fd);
    EXPECT_EQ(life(), Life::kDead);
}

TEST_F(ProbeWriter, SaysAliveWhileAMappingIsLeft) {
    int fd = open_for_writing();
    void* at = map(fd, PROT_READ | PROT_WRITE);
    ::close(fd);
    EXPECT_EQ(life(), Life::kAlive);
    ::munmap(at, 4096);
    EXPECT_EQ(life(), Life::kDead);
}

TEST_F(ProbeWriter, DoesNotCountReaders) {
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    void* at = map(fd, PROT_READ);
    EXPECT_EQ(life(), Life::kDead);
    ::munmap(at, 4096);
    ::close(fd);
}

TEST_F(ProbeWriter, SaysDeadAfterSigkill) {
    ChildProcess writer([&](const ChildProcess::Link& link) {
        int fd = open_for_writing();
        map(fd, PROT_READ | PROT_WRITE);
        ::close(fd);
        link.say('m');
        link.wait();
    });
    ASSERT_EQ(writer.hear(), 'm');
    EXPECT_EQ(life(), Life::kAlive);
    writer.kill();
    EXPECT_EQ(life(), Life::kDead);
}

TEST_F(ProbeWriter, CountsAForkedChildThatKeptTheMapping) {
    // Why writers use RSIDE_FORK_GUARD.
    int fd = open_for_writing();
    void* at = map(fd, PROT_READ | PROT_WRITE);
    ::close(fd);
    ChildProcess child([](const ChildProcess::Link& link) { link.wait(); });
    ::munmap(at, 4096);
    EXPECT_EQ(life(), Life::kAlive);
    child.kill();
    EXPECT_EQ(life(), Life::kDead);
}

TEST_F(ProbeWriter, LeavesNoLeaseBehind) {
    EXPECT_EQ(life(), Life::kDead);
    EXPECT_EQ(::fcntl(reader, F_GETLEASE), F_UNLCK);
    int fd = open_for_writing();
    EXPECT_GE(fd, 0);
    ::close(fd);
}

TEST_F(ProbeWriter, SurvivesOpenersThatBreakItsLease) {
    ChildProcess opener([&](const ChildProcess::Link& link) {
        link.say('g');
        while (true) {
            int fd = open_for_writing();
            if (fd >= 0) ::close(fd);
        }
    });
    ASSERT_EQ(opener.hear(), 'g');
    int dead = 0, alive = 0;
    for (int i = 0; i < 200000 && (i < 20000 || dead == 0 || alive == 0); ++i) ++(life() == Life::kDead ? dead : alive);
    EXPECT_GT(dead, 0);
    EXPECT_GT(alive, 0);
}

// As a user who neither owns the file nor has CAP_LEASE.
template <typename Body>
void as_nobody(Body body) {
    ASSERT_EQ(::seteuid(65534), 0);
    body();
    ASSERT_EQ(::seteuid(0), 0);
}

TEST_F(ProbeWriter, AsksForTheLockWhereItMayNotLease) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs to be root to become somebody else";
    int fd = open_for_writing();
    struct flock whole = {};
    whole.l_type = F_WRLCK;
    ASSERT_EQ(::fcntl(fd, F_OFD_SETLK, &whole), 0);
    void* at = map(fd, PROT_READ | PROT_WRITE);
    ::close(fd);
    Liveness held, released;
    as_nobody([&] { held = probe_writer(reader); });
    ::munmap(at, 4096);
    as_nobody([&] { released = probe_writer(reader); });
    EXPECT_EQ(held.life, Life::kAlive);
    EXPECT_EQ(held.proof, Proof::kLock);
    EXPECT_EQ(released.life, Life::kUnknown);  // this writer may not have locked at all
    EXPECT_EQ(released.proof, Proof::kLock);
}

// With the real writer.
class SegmentLife : public testing::Test {
  protected:
    SegmentLife() {
        metric.name = "events_total";
        metric.kind = RSIDE_COUNTER;
        metric.max_series = 1;
        schema.name = "life";
        schema.tiers = rside_default_tiers;
        schema.tier_count = 1;
        schema.metrics = &metric;
        schema.metric_count = 1;
        rside_options_init(&writer_options);
        writer_options.vm_id = "vm-1";
        writer_options.schema = &schema;
        writer_options.mode = 0644;
    }

    void SetUp() override {
        directory = folder.path();
        writer_options.directory = directory.c_str();
    }

    std::shared_ptr<LiveSegment> open() { return open_only_segment(folder.path(), *layouts, options); }

    rside_segment* create() const {
        rside_segment* segment = nullptr;
        rside_error error;
        return rside_segment_create(&writer_options, &segment, &error) < 0 ? nullptr : segment;
    }

    TemporaryFolder folder{"/dev/shm"};
    std::string directory;
    rside_metric metric{};
    rside_schema schema{};
    rside_options writer_options;
    std::shared_ptr<LayoutCache> layouts = make_layout_cache();
    OpenOptions options;
};

TEST_F(SegmentLife, EndsWithACleanClose) {
    rside_segment* writer = create();
    ASSERT_TRUE(writer);
    std::shared_ptr<LiveSegment> segment = open();
    EXPECT_EQ(segment->probe().life, Life::kAlive);
    rside_segment_close(writer, 5, "done");
    EXPECT_EQ(segment->probe().life, Life::kDead);
    ASSERT_TRUE(segment->settle());
    EXPECT_EQ(segment->vm().exit_cause, ExitCause::kClosed);
    EXPECT_EQ(segment->vm().close_code, 5);
    EXPECT_EQ(segment->vm().close_text, "done");
}

TEST_F(SegmentLife, EndsWithSigkill) {
    ChildProcess writer([&](const ChildProcess::Link& link) {
        create();
        link.say('c');
        link.wait();
    });
    ASSERT_EQ(writer.hear(), 'c');
    std::shared_ptr<LiveSegment> segment = open();
    EXPECT_EQ(segment->probe().life, Life::kAlive);
    EXPECT_EQ(segment->vm().writer_pid, static_cast<std::uint32_t>(writer.pid()));
    writer.kill();
    EXPECT_EQ(segment->probe().life, Life::kDead);
    ASSERT_TRUE(segment->settle());
    EXPECT_EQ(segment->vm().exit_cause, ExitCause::kKilled);
}

TEST_F(SegmentLife, IsNotProlongedByAForkedChild) {
    int up[2];
    ASSERT_EQ(::pipe(up), 0);
    pid_t grandchild = 0;
    ChildProcess writer([&](const ChildProcess::Link& link) {
        create();
        pid_t child = ::fork();
        if (child == 0) {
            while (true) ::pause();
        }
        (void)!::write(up[1], &child, sizeof child);
        link.say('f');
        link.wait();
    });
    ASSERT_EQ(writer.hear(), 'f');
    ASSERT_EQ(::read(up[0], &grandchild, sizeof grandchild), static_cast<ssize_t>(sizeof grandchild));
    std::shared_ptr<LiveSegment> segment = open();
    EXPECT_EQ(segment->probe().life, Life::kAlive);
    writer.kill();
    EXPECT_EQ(::kill(grandchild, 0), 0);
    EXPECT_EQ(segment->probe().life, Life::kDead);
    ::kill(grandchild, SIGKILL);
    ::close(up[0]);
    ::close(up[1]);
}

TEST_F(SegmentLife, BeginsWhenAProvisionedSegmentIsAttached) {
    char path[512];
    rside_error error;
    ASSERT_EQ(rside_segment_provision(&writer_options, path, sizeof path, &error), 0) << error.text;
    std::shared_ptr<LiveSegment> segment = open();
    EXPECT_EQ(segment->probe().life, Life::kWaiting);
    EXPECT_EQ(segment->vm().state, VmState::kProvisioned);
    EXPECT_FALSE(segment->settle());

    ChildProcess writer([&](const ChildProcess::Link& link) {
        rside_segment* attached = nullptr;
        rside_segment_attach(path, &schema, RSIDE_CLOCK_COARSE, 0, &attached, nullptr);
        link.say(attached ? 'a' : '-');
        link.wait();
    });
    ASSERT_EQ(writer.hear(), 'a');
    EXPECT_EQ(segment->probe().life, Life::kAlive);
    EXPECT_EQ(segment->vm().state, VmState::kRunning);
    writer.kill();
    EXPECT_EQ(segment->probe().life, Life::kDead);
    EXPECT_TRUE(segment->settle());
}

TEST_F(SegmentLife, HoldsInAnotherPidNamespace) {
    ChildProcess writer([&](const ChildProcess::Link& link) {
        if (::unshare(CLONE_NEWPID) != 0) {
            link.say('-');
            return;
        }
        pid_t inside = ::fork();  // process 1 of the namespace
        if (inside == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            link.say(create() != nullptr && ::getpid() == 1 ? 'c' : 'x');
            while (true) ::pause();
        }
        link.wait();
        ::kill(inside, SIGKILL);
        ::waitpid(inside, nullptr, 0);
        link.say('k');
        link.wait();
    });
    char said = writer.hear();
    if (said == '-') GTEST_SKIP() << "needs CAP_SYS_ADMIN to make a PID namespace";
    ASSERT_EQ(said, 'c');
    std::shared_ptr<LiveSegment> segment = open();
    EXPECT_EQ(segment->vm().writer_pid, 1u);
    EXPECT_EQ(segment->probe().life, Life::kAlive);
    writer.tell('!');
    ASSERT_EQ(writer.hear(), 'k');
    EXPECT_EQ(segment->probe().life, Life::kDead);
}

TEST_F(SegmentLife, IsKnownByTheLockWithoutALease) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs to be root to become somebody else";
    ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
    rside_segment* writer = create();
    ASSERT_TRUE(writer);
    std::shared_ptr<LiveSegment> segment = open();
    Liveness before, after;
    as_nobody([&] { before = segment->probe(); });
    rside_segment_close(writer, 0, nullptr);
    as_nobody([&] { after = segment->probe(); });
    EXPECT_EQ(before.life, Life::kAlive);
    EXPECT_EQ(before.proof, Proof::kLock);
    EXPECT_EQ(after.life, Life::kDead);
    EXPECT_EQ(after.proof, Proof::kLock);
}

TEST_F(SegmentLife, IsUnknownWithoutALeaseWhenNoLockWasEverSeen) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs to be root to become somebody else";
    writer_options.flags = 0;
    ChildProcess writer([&](const ChildProcess::Link& link) {
        create();
        link.say('c');
        link.wait();
    });
    ASSERT_EQ(writer.hear(), 'c');
    std::shared_ptr<LiveSegment> segment = open();
    Liveness liveness;
    as_nobody([&] { liveness = segment->probe(); });
    EXPECT_EQ(liveness.life, Life::kUnknown);
    writer.kill();
    as_nobody([&] { liveness = segment->probe(); });
    EXPECT_EQ(liveness.life, Life::kUnknown);
}

TEST_F(SegmentLife, DoesNotBecomeNewAgain) {
    // A dead VM's file that says PROVISIONED again does not escape its drain.
    SegmentBuilder builder = SegmentBuilder::example();
    builder.write(folder.path());
    std::shared_ptr<LiveSegment> segment = open();
    EXPECT_EQ(segment->probe().life, Life::kDead);
    builder.set_state(0);
    builder.write(folder.path());
    EXPECT_EQ(segment->probe().life, Life::kDead);
    EXPECT_TRUE(segment->settle());
}

TEST_F(SegmentLife, IsNeverDeadWhileItIsAttachedTo) {
    // The probe against the attach, over and over: state is read before the count of writers, or this fails.
    char path[512];
    rside_error error;
    int waiting = 0, alive = 0;
    for (int round = 0; round < 300; ++round) {
        ASSERT_EQ(rside_segment_provision(&writer_options, path, sizeof path, &error), 0) << error.text;
        std::shared_ptr<LiveSegment> segment = open();
        rside_segment* attached = nullptr;
        std::atomic<bool> go = false, done = false;
        std::thread writer([&] {
            while (!go) {
            }
            while (rside_segment_attach(path, &schema, RSIDE_CLOCK_COARSE, 0, &attached, nullptr) == -EAGAIN) {
            }
            done = true;
        });
        go = true;
        while (!done) {
            Life life = segment->probe().life;
            ASSERT_NE(life, Life::kDead);
            ++(life == Life::kAlive ? alive : waiting);
        }
        writer.join();
        ASSERT_TRUE(attached);
        EXPECT_EQ(segment->probe().life, Life::kAlive);
        rside_segment_close(attached, 0, nullptr);
        EXPECT_EQ(segment->probe().life, Life::kDead);
        ASSERT_EQ(::unlink(path), 0);
    }
    EXPECT_GT(waiting, 0);
}

}  // namespace
}  // namespace ringside::agent::test
