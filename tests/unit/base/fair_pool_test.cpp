#include "agent/base/fair_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <future>
#include <string>

#include "tests/support/wait_until.h"

namespace ringside::agent {
namespace {

using namespace std::chrono_literals;

const auto kForever = FairPool::Time::max();

int priority() { return getpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid))); }

// A pool with short times so short that jobs which ask are long at once.
struct Fixture {
    std::atomic<bool> hung_up{false};
    FairPool pool;

    explicit Fixture(FairPool::Limits limits) : pool(limits) {}
    ~Fixture() {
        hung_up = true;
        pool.stop();
    }
    // Starts a job that works until told to end, and is long.
    void start_long(const std::atomic<bool>& end, bool guest = false) {
        pool.submit(hung_up, [&, guest](FairPool::Turn& turn) {
            if (guest) turn.be_guest();
            turn.expect(1s);
            while (!end && !turn.hung_up() && turn.go_on(kForever)) std::this_thread::yield();
        });
    }
    std::size_t long_running() { return pool.counts().long_running; }
    std::size_t long_waiting() { return pool.counts().long_waiting; }
};

constexpr FairPool::Limits kOne{.threads = 1, .long_running = 1, .long_waiting = 2, .short_time = 5ms, .slice = 1ms};

TEST(FairPool, RunsShortJobsInTheOrderOfComing) {
    Fixture fixture(kOne);
    std::string order;  // of one thread
    std::promise<void> done;
    for (char c : std::string("abc")) fixture.pool.submit(fixture.hung_up, [&, c](auto&) { order += c; });
    fixture.pool.submit(fixture.hung_up, [&](auto&) { done.set_value(); });
    done.get_future().wait();
    EXPECT_EQ(order, "abc");
}

// Until the test lets it go, and without asking for a turn.
struct Holder {
    std::promise<void> begun, let_go;
    void hold(Fixture& fixture) {
        fixture.pool.submit(fixture.hung_up, [this](auto&) {
            begun.set_value();
            let_go.get_future().wait();
        });
        begun.get_future().wait();
    }
};

TEST(FairPool, RunsWhatIsExpectedToBeQuickWhileAllThreadsHaveOtherJobs) {
    Fixture fixture(kOne);
    Holder holder;
    holder.hold(fixture);
    std::promise<void> done;
    fixture.pool.submit(fixture.hung_up, [](auto&) {});  // waits
    fixture.pool.submit(
        fixture.hung_up, [&](auto&) { done.set_value(); }, FairPool::kQuickTime);
    done.get_future().wait();
    holder.let_go.set_value();
}

TEST(FairPool, LetsAJobPassOneThatIsExpectedToUseMore) {
    Fixture fixture(kOne);
    Holder holder;
    holder.hold(fixture);
    std::string order;  // of one thread
    std::promise<void> done;
    fixture.pool.submit(
        fixture.hung_up, [&](auto&) { done.set_value(); }, 1h);
    fixture.pool.submit(
        fixture.hung_up, [&](auto&) { order += 'c'; }, 4ms);
    fixture.pool.submit(
        fixture.hung_up, [&](auto&) { order += 'b'; }, 2ms);
    fixture.pool.submit(
        fixture.hung_up, [&](auto&) { order += 'a'; }, 1ms);
    holder.let_go.set_value();
    done.get_future().wait();
    EXPECT_EQ(order, "abc");
}

TEST(FairPool, LetsShortJobsPassOneThatIsLong) {
    Fixture fixture(kOne);
    std::atomic<bool> end{false};
    fixture.start_long(end);
    std::promise<int> done;
    fixture.pool.submit(fixture.hung_up, [&](auto&) { done.set_value(priority()); });
    EXPECT_EQ(done.get_future().get(), priority());
    wait_until([&] { return fixture.long_running() == 1; });  // its place is counted after it made way
}

TEST(FairPool, LowersThePriorityOfALongJobStepByStepAndOfNoLaterOne) {
    Fixture fixture(kOne);
    std::promise<std::vector<int>> of_long;
    std::promise<int> of_next;
    fixture.pool.submit(fixture.hung_up, [&](FairPool::Turn& turn) {
        std::vector<int> seen{priority()};
        while (seen.size() < 3) {
            turn.go_on(kForever);  // by the time that it uses
            if (priority() != seen.back()) seen.push_back(priority());
        }
        of_long.set_value(seen);
    });
    EXPECT_EQ(of_long.get_future().get(), (std::vector<int>{priority(), 5, 10}));
    fixture.pool.submit(fixture.hung_up, [&](auto&) { of_next.set_value(priority()); });
    EXPECT_EQ(of_next.get_future().get(), priority());
    wait_until([&] { return fixture.long_running() == 0; });
}

TEST(FairPool, RunsNoMoreLongJobsThanItMayAndRefusesWhoWouldWaitBehindTooMany) {
    Fixture fixture(kOne);
    std::atomic<bool> end{false};
    for (int i = 0; i < 3; ++i) fixture.start_long(end);
    wait_until([&] { return fixture.long_running() == 1 && fixture.long_waiting() == 2; });
    std::promise<bool> went_on;
    fixture.pool.submit(fixture.hung_up, [&](FairPool::Turn& turn) {
        turn.expect(1s);
        const bool first = turn.go_on(kForever);
        went_on.set_value(first || turn.go_on(kForever) || !turn.is_refused() || turn.is_long());
    });
    EXPECT_FALSE(went_on.get_future().get());
    end = true;
    wait_until([&] { return fixture.long_running() == 0 && fixture.long_waiting() == 0; });
}

TEST(FairPool, GivesGuestsHalfOfThePlacesForLongJobs) {
    Fixture fixture({.threads = 1, .long_running = 1, .long_waiting = 3, .short_time = 5ms, .slice = 1ms});
    std::atomic<bool> end{false}, end_guests{false};
    for (int i = 0; i < 2; ++i) fixture.start_long(end_guests, true);
    wait_until([&] { return fixture.long_running() == 1 && fixture.long_waiting() == 1; });
    const auto is_refused = [&](bool guest) {
        std::promise<bool> refused;
        fixture.pool.submit(fixture.hung_up, [&](FairPool::Turn& turn) {
            if (guest) turn.be_guest();
            turn.expect(1s);
            turn.go_on(std::chrono::steady_clock::now());  // waits for no turn
            refused.set_value(turn.is_refused());
        });
        return refused.get_future().get();
    };
    EXPECT_TRUE(is_refused(true));
    EXPECT_FALSE(is_refused(false));
    end_guests = true;
    wait_until([&] { return fixture.long_running() == 0 && fixture.long_waiting() == 0; });
    EXPECT_FALSE(is_refused(true));
}

TEST(FairPool, TakesNoMoreThanMayWait) {
    Fixture fixture({.threads = 1, .queue_max = 2});
    std::atomic<bool> end{false};
    const auto job = [&](FairPool::Turn& turn) {
        while (!end && !turn.hung_up()) std::this_thread::yield();
    };
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(fixture.pool.submit(fixture.hung_up, job)) << i;
    EXPECT_FALSE(fixture.pool.submit(fixture.hung_up, job));
    end = true;
    wait_until([&] { return fixture.pool.counts().short_jobs == 0; });
    EXPECT_TRUE(fixture.pool.submit(fixture.hung_up, job));
}

TEST(FairPool, CountsLongJobsNotAmongThoseThatWaitForAThread) {
    Fixture fixture({.threads = 1, .queue_max = 0});
    std::atomic<bool> end{false};
    fixture.start_long(end);
    wait_until([&] { return fixture.long_running() == 1; });
    EXPECT_EQ(fixture.pool.counts().short_jobs, 0u);
    EXPECT_TRUE(fixture.pool.submit(fixture.hung_up, [](auto&) {}));
    end = true;
}

TEST(FairPool, LetsTheOneThatHasUsedTheLeastGoBeforeOthers) {
    Fixture fixture(kOne);
    std::atomic<bool> never{false};
    fixture.start_long(never);
    wait_until([&] { return fixture.long_running() == 1; });
    // It would wait for good if the other one did not make way.
    std::promise<void> done;
    fixture.pool.submit(fixture.hung_up, [&](FairPool::Turn& turn) {
        turn.expect(1s);
        EXPECT_TRUE(turn.go_on(kForever));
        done.set_value();
    });
    done.get_future().wait();
}

TEST(FairPool, WakesWhoWaitsAtTheDeadlineAndWhenNobodyWantsIt) {
    FairPool::Limits limits = kOne;
    limits.slice = 1h;  // nobody makes way
    Fixture fixture(limits);
    std::atomic<bool> end{false}, gone{false};
    fixture.start_long(end);
    wait_until([&] { return fixture.long_running() == 1; });
    std::promise<void> late, left;
    fixture.pool.submit(fixture.hung_up, [&](FairPool::Turn& turn) {
        turn.expect(1s);
        EXPECT_TRUE(turn.go_on(std::chrono::steady_clock::now() + 1ms));
        late.set_value();
    });
    late.get_future().wait();
    fixture.pool.submit(gone, [&](FairPool::Turn& turn) {
        turn.expect(1s);
        EXPECT_TRUE(turn.go_on(kForever));
        left.set_value();
    });
    wait_until([&] { return fixture.long_waiting() == 1; });
    gone = true;
    left.get_future().wait();
    end = true;
    wait_until([&] { return fixture.long_running() == 0; });
}

TEST(FairPool, EndsWithJobsOfEachKindInIt) {
    std::atomic<int> ended{0};
    {
        Fixture fixture(kOne);
        for (int i = 0; i < 3; ++i) {
            fixture.pool.submit(fixture.hung_up, [&](FairPool::Turn& turn) {
                turn.expect(1s);
                while (!turn.hung_up() && turn.go_on(kForever)) std::this_thread::yield();
                ++ended;
            });
        }
        wait_until([&] { return fixture.long_waiting() == 2; });
        fixture.pool.submit(fixture.hung_up, [&](auto&) { ++ended; });
    }
    EXPECT_EQ(ended, 4);
}

// A thread that runs a job here, and what came of it.
struct Caller {
    std::thread thread;
    std::promise<void> may_begin;
    std::shared_ptr<std::promise<bool>> is_still_its_own = std::make_shared<std::promise<bool>>();
    std::atomic<int> successors{0};

    void run(Fixture& fixture, FairPool::Job job) {
        thread = std::thread([this, &fixture, job = std::move(job), told = is_still_its_own] {
            may_begin.get_future().wait();
            told->set_value(fixture.pool.run_here(fixture.hung_up, job, [this]() -> Result<std::thread> {
                ++successors;
                return std::move(thread);
            }));
        });
        may_begin.set_value();
    }
    bool result() { return is_still_its_own->get_future().get(); }
    ~Caller() {
        if (thread.joinable()) thread.join();
    }
};

TEST(FairPool, RunsAJobOnTheThreadOfItsCaller) {
    Fixture fixture(kOne);
    const auto self = std::this_thread::get_id();
    const auto no_successor = []() -> Result<std::thread> {
        ADD_FAILURE() << "it was quick";
        return error(Code::kUnavailable, "");
    };
    EXPECT_TRUE(fixture.pool.run_here(
        fixture.hung_up,
        [&](FairPool::Turn& turn) {
            EXPECT_EQ(std::this_thread::get_id(), self);
            EXPECT_TRUE(turn.is_here());
            EXPECT_EQ(fixture.pool.counts().short_jobs, 1u);
        },
        no_successor));
    EXPECT_EQ(fixture.pool.counts().short_jobs, 0u);
}

TEST(FairPool, TakesTheThreadOfAJobThatIsNotQuickAfterAll) {
    Fixture fixture({.threads = 1, .queue_max = 8, .short_time = 1h});
    for (int i = 0; i < 3; ++i) {
        Caller caller;
        caller.run(fixture, [&](FairPool::Turn& turn) {
            while (turn.is_here()) EXPECT_TRUE(turn.go_on(kForever));
            EXPECT_FALSE(turn.is_long());
            EXPECT_EQ(fixture.pool.counts().short_jobs, 1u);
        });
        EXPECT_FALSE(caller.result());
        EXPECT_EQ(caller.successors, 1);
        EXPECT_EQ(fixture.pool.counts().short_jobs, 0u);
    }
}

TEST(FairPool, LetsAJobThatBeganOnTheThreadOfItsCallerBecomeLong) {
    Fixture fixture(kOne);
    Caller caller;
    std::promise<int> of_long;
    caller.run(fixture, [&](FairPool::Turn& turn) {
        turn.expect(1s);
        EXPECT_TRUE(turn.go_on(kForever));
        EXPECT_TRUE(turn.is_long() && !turn.is_here());
        of_long.set_value(priority());
    });
    EXPECT_FALSE(caller.result());
    EXPECT_GT(of_long.get_future().get(), priority());
    EXPECT_EQ(fixture.long_running(), 0u);
    EXPECT_EQ(fixture.pool.counts().short_jobs, 0u);
    // All threads of the pool are there still, and no more than before.
    Holder holder;
    holder.hold(fixture);
    std::atomic<bool> begun{false};
    fixture.pool.submit(fixture.hung_up, [&](auto&) { begun = true; });
    std::this_thread::sleep_for(20ms);
    EXPECT_FALSE(begun);
    holder.let_go.set_value();
    wait_until([&] { return begun.load(); });
}

TEST(FairPool, EndsAJobWhoseCallerFindsNoSuccessor) {
    Fixture fixture(kOne);
    EXPECT_TRUE(fixture.pool.run_here(
        fixture.hung_up,
        [&](FairPool::Turn& turn) {
            while (turn.go_on(kForever)) std::this_thread::yield();
            EXPECT_TRUE(turn.is_refused() && turn.is_here());
        },
        []() -> Result<std::thread> { return error(Code::kUnavailable, "none"); }));
    EXPECT_EQ(fixture.pool.counts().short_jobs, 0u);
}

TEST(FairPool, TakesTheThreadOfAJobThatSaysThatItWillWait) {
    Fixture fixture(kOne);
    Caller caller;
    caller.run(fixture, [&](FairPool::Turn& turn) {
        turn.leave_caller();
        EXPECT_FALSE(turn.is_here());
        turn.leave_caller();
    });
    EXPECT_FALSE(caller.result());
    EXPECT_EQ(caller.successors, 1);
}

TEST(FairPool, TakesNoMoreThreadsOfOthersThanItHas) {
    Fixture fixture({.threads = 2, .short_time = 1h});
    std::atomic<bool> end{false};
    Caller callers[2];
    for (Caller& caller : callers) {
        EXPECT_TRUE(fixture.pool.may_run_here());
        caller.run(fixture, [&](FairPool::Turn& turn) {
            turn.leave_caller();
            while (!end) std::this_thread::yield();
        });
        wait_until([&] { return caller.successors == 1; });
    }
    wait_until([&] { return !fixture.pool.may_run_here(); });
    end = true;
    for (Caller& caller : callers) EXPECT_FALSE(caller.result());
    EXPECT_TRUE(fixture.pool.may_run_here());
}

// A thread may take the job that another one was woken for.
TEST(FairPool, LosesNoJobWhereQuickOnesComeAmongOthers) {
    Fixture fixture({.threads = 1});
    for (int i = 0; i < 2000; ++i) {
        std::atomic<int> done{0};
        const auto job = [&](auto&) { ++done; };
        ASSERT_TRUE(fixture.pool.submit(fixture.hung_up, job, FairPool::kQuickTime));
        ASSERT_TRUE(fixture.pool.submit(fixture.hung_up, job));
        while (done != 2) std::this_thread::yield();
    }
}

}  // namespace
}  // namespace ringside::agent
