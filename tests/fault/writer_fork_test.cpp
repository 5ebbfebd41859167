// A VMM whose threads set segments up while another one forks, with children that live on: none of them may hold anything
// that makes a closed segment look alive.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include "agent/segment/liveness.h"
#include "tests/unit/libwriter/writer.h"

namespace ringside {
namespace {

using agent::Life;

// Children of this process that do nothing, until the end.
class Children {
  public:
    ~Children() {
        for (pid_t child : all_) kill(child, SIGKILL);
        for (pid_t child : all_) waitpid(child, nullptr, 0);
    }
    void add() {
        pid_t child = fork();
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            while (true) pause();
        }
        if (child > 0) all_.push_back(child);
    }
    std::size_t size() const { return all_.size(); }

  private:
    std::vector<pid_t> all_;
};

// Set-ups that were finished, and how many of them when the fork under way was let through.
std::atomic<int> set_ups = 0;
int set_ups_at_fork = 0;  // of the one thread that forks

class ForkDuringSetUp : public testing::Test {
  protected:
    // What is registered first is called last before a fork: once the library has let it through.
    static void SetUpTestSuite() {
        ASSERT_EQ(pthread_atfork([] { set_ups_at_fork = set_ups; }, nullptr, nullptr), 0);
    }

    ForkDuringSetUp() {
        spec_.tier(1, 64).metric("requests_total", RSIDE_COUNTER);
        options_ = plain_options(folder_.path(), spec_.get());
        options_.flags = RSIDE_DEFAULT_FLAGS;
    }

    std::string provision() const {
        std::string path(300, '\0');
        int code = rside_segment_provision(&options_, path.data(), path.size(), nullptr);
        ++set_ups;
        path.resize(code < 0 ? 0 : path.find('\0'));
        return path;
    }

    // Rounds of `round` in three threads, which hands back the path of a closed segment or "", while this one forks.
    void run_beside_forks(const std::function<std::string()>& round) {
        constexpr std::size_t kForks = 80, kMostForks = 800;
        constexpr int kWaited = 20;
        Children children;
        int waited = 0;
        std::atomic<bool> over = false;
        std::atomic<int> rounds = 0, failed = 0, alive = 0;
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t) {
            threads.emplace_back([&] {
                while (!over) {
                    std::string path = round();
                    ++rounds;
                    if (path.empty() || life_of(path) != Life::kDead) ++(path.empty() ? failed : alive);
                    unlink(path.c_str());
                }
            });
        }
        std::size_t forks = 0;
        for (; forks < kForks || (waited < kWaited && forks < kMostForks); ++forks) {
            int begun_after = set_ups;
            children.add();
            waited += set_ups_at_fork > begun_after;
            for (int before = rounds; rounds == before;) std::this_thread::yield();  // set-up goes on between forks
        }
        over = true;
        for (std::thread& thread : threads) thread.join();
        EXPECT_EQ(children.size(), forks);
        EXPECT_GE(waited, kWaited) << "of " << forks << " forks: too few came while a segment was set up";
        EXPECT_EQ(failed, 0);
        EXPECT_EQ(alive, 0) << "of " << rounds << " closed segments: a child holds them open";
    }

    static Life life_of(const std::string& path) {
        int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        Life life = agent::probe_writer(fd).life;
        close(fd);
        return life;
    }

    agent::TemporaryFolder folder_{"/dev/shm"};
    SchemaSpec spec_{"forks"};
    rside_options options_ = {};
};

TEST_F(ForkDuringSetUp, HandsNoChildASegmentThatIsBeingCreated) {
    run_beside_forks([this]() -> std::string {
        rside_segment* segment = nullptr;
        int code = rside_segment_create(&options_, &segment, nullptr);
        ++set_ups;
        if (code < 0) return "";
        std::string path = rside_segment_path(segment);
        rside_segment_close(segment, 0, nullptr);
        return path;
    });
}

TEST_F(ForkDuringSetUp, HandsNoChildASegmentThatIsBeingProvisioned) {
    run_beside_forks([this] { return provision(); });
}

TEST_F(ForkDuringSetUp, HandsNoChildASegmentThatIsBeingAttachedTo) {
    run_beside_forks([this]() -> std::string {
        std::string path = provision();
        rside_segment* segment = nullptr;
        int code =
            rside_segment_attach(path.c_str(), nullptr, RSIDE_CLOCK_TICK, RSIDE_DEFAULT_FLAGS, &segment, nullptr);
        ++set_ups;
        if (code < 0) return "";
        rside_segment_close(segment, 0, nullptr);
        return path;
    });
}

}  // namespace
}  // namespace ringside
