// Recording without a system call, with the kernel as the judge: in seccomp's strict mode a thread may read, write, exit and
// return from a signal, and anything else is its end. Where there is a filter already, as in a container, a filter of the
// same strictness takes its place.
//
// The process attaches and starts its threads first; then each of them shuts itself in, registers and records. The parent
// waits for the whole process and reads from the segment that nothing is missing: 100 million records for each clock.
#include <gtest/gtest.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <new>
#include <ringside/ringside.hpp>
#include <thread>

#include "tests/support/sanitizer.h"
#include "tests/support/system_call_filter.h"
#include "tests/unit/libwriter/writer.h"

namespace ringside {
namespace {

constexpr int kThreads = 4;
constexpr int kKinds = 6;
constexpr std::uint64_t kStart = 1'700'000'100 * kSecond;     // the begin of a window of each tier
constexpr std::uint64_t kPhases = 26, kPhase = 25 * kSecond;  // 650 s: over two ends of a window of 5 minutes
constexpr std::uint64_t kRoundsInPhase = 160'257;             // x 26 phases x 4 threads x 6 kinds: 100 million
constexpr std::uint64_t kRounds = kRoundsInPhase * kPhases;
static_assert(kRounds * kThreads * kKinds >= 100'000'000);

SchemaSpec every_kind() {
    SchemaSpec spec("strict");
    spec.tier(1, 700).tier(10, 80).tier(300, 4);
    for (auto [name, kind] : {std::pair{"counter", RSIDE_COUNTER}, std::pair{"f64", RSIDE_COUNTER_F64},
                              std::pair{"gauge", RSIDE_GAUGE}, std::pair{"level", RSIDE_LEVEL}}) {
        spec.metric(name, kind, kThreads, {"thread"});
    }
    spec.histogram("histogram", 3, 0.5, 100, kThreads, {"thread"});
    return spec.metric("shared", RSIDE_COUNTER, 1, {}, RSIDE_METRIC_SHARED);
}

double value_of(std::uint64_t round) { return static_cast<double>(round % 64); }

double sum_of(std::uint64_t rounds) {
    double sum = 0;
    for (std::uint64_t i = 0; i < rounds; ++i) sum += value_of(i);  // whole numbers: exact
    return sum;
}

// What one thread records into.
class Handles {
  public:
    Handles(Segment& segment, int thread) {
        std::string number = std::to_string(thread);
        const char* value = number.c_str();
        counter_ = segment.counter("counter", {value});
        f64_ = segment.counter_f64("f64", {value});
        gauge_ = segment.gauge("gauge", {value});
        level_ = segment.level("level", {value});
        histogram_ = segment.histogram("histogram", {value});
        shared_ = segment.shared_counter("shared");
    }
    void record(std::uint64_t round) const {
        double value = value_of(round);
        counter_.add(3);
        f64_.add(0.5);
        gauge_.record(value);
        level_.set(value);
        histogram_.record(value);
        shared_.add(1);
    }
    void record_nonsense() const { gauge_.record(NAN); }

  private:
    Counter counter_;
    CounterF64 f64_;
    Gauge gauge_;
    Level level_;
    Histogram histogram_;
    SharedCounter shared_;
};

// From here on this thread may make the four system calls of strict mode. False, and errno says why, when it may go on as
// before. The kernel refuses strict mode itself with EINVAL in a process that has a filter.
bool shut_in() {
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0) return true;
    if (errno != EINVAL) return false;
    return filter_system_calls({SYS_read, SYS_write, SYS_exit, SYS_rt_sigreturn}, SECCOMP_RET_KILL_THREAD);
}

// Shared with the parent. Threads that may not call the kernel meet by turning round.
struct Board {
    std::atomic<int> ready, arrived, finished;
    std::atomic<int> not_shut_in;  // errno, of a thread that could not be
    std::atomic<std::uint64_t> phase;
    std::uint64_t rounds[kThreads];  // of each thread, told when it is done
};

class Strict : public testing::Test {
  protected:
    Strict() {
        void* page = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) std::abort();
        board_ = new (page) Board();
        rside_options options = plain_options(folder_.path(), spec_.get());
        std::string path(300, '\0');
        rside_error error = {};
        EXPECT_EQ(rside_segment_provision(&options, path.data(), path.size(), &error), 0) << error.text;
        path_ = path.c_str();
    }
    ~Strict() override { munmap(board_, sizeof(Board)); }

    // The last thread to arrive moves the time.
    void meet(Segment& segment) {
        std::uint64_t phase = board_->phase;
        if (++board_->arrived < kThreads) {
            while (board_->phase == phase) {
            }
            return;
        }
        board_->arrived = 0;
        segment.tick(kStart + (phase + 1) * kPhase);
        board_->phase = phase + 1;
    }

    // A given number of records, in time that the threads move together.
    std::uint64_t record_by_tick(Segment& segment, const Handles& handles) {
        std::uint64_t round = 0;
        for (std::uint64_t phase = 0; phase < kPhases; ++phase) {
            for (std::uint64_t i = 0; i < rounds_in_phase_; ++i) handles.record(round++);
            meet(segment);
        }
        handles.record(round++);  // closes the windows before
        return round;
    }

    // As many at least, and until a second has ended under it.
    static std::uint64_t record_by_clock(const Handles& handles) {
        std::uint64_t round = 0;
        const std::uint64_t begin = rside_coarse_ns() / kSecond;
        while (round < kRounds || rside_coarse_ns() / kSecond == begin) handles.record(round++);
        handles.record(round++);  // in the next window
        return round;
    }

    // Ends the thread alone: exit_group, which ends a process, is not allowed.
    [[noreturn]] void work(Segment& segment, int thread, rside_clock clock, int slips) {
        if (!shut_in()) {
            board_->not_shut_in = errno;
            _exit(1);
        }
        Handles handles(segment, thread);
        ++board_->ready;
        while (board_->ready < kThreads) {
        }
        std::uint64_t rounds = clock == RSIDE_CLOCK_TICK ? record_by_tick(segment, handles) : record_by_clock(handles);
        handles.record_nonsense();
        if (thread == slips) syscall(SYS_getpid);
        board_->rounds[thread] = rounds;
        ++board_->finished;
        for (;;) syscall(SYS_exit, 0);
    }

    // The status of a process in which each thread recorded, and thread `slips` made one system call more.
    int run(rside_clock clock, int slips = -1) {
        (void)std::fflush(nullptr);
        pid_t child = fork();
        if (child == 0) {
            Segment segment = Segment::attach(path_.c_str(), spec_.get(), clock, 0);
            if (!segment) {
                (void)std::fprintf(stderr, "%s\n", segment.error().text);
                _exit(1);
            }
            if (contained_ && !filter_system_calls({}, SECCOMP_RET_ALLOW)) {
                std::perror("a filter that allows all");
                _exit(1);
            }
            segment.tick(kStart);
            alarm(100);  // ends threads that wait for one that was ended
            for (int t = 1; t < kThreads; ++t) std::thread([&, t] { work(segment, t, clock, slips); }).detach();
            work(segment, 0, clock, slips);
        }
        int status = -1;
        EXPECT_EQ(waitpid(child, &status, 0), child);
        EXPECT_EQ(board_->not_shut_in, 0) << "seccomp refused: " << std::strerror(board_->not_shut_in);
        return status;
    }

    // By the kernel, and of no other.
    void expect_end_of_the_thread_that_slips() {
        rounds_in_phase_ = 1;
        run(RSIDE_CLOCK_TICK, 1);
        EXPECT_EQ(board_->finished, kThreads - 1);
        for (int thread = 0; thread < kThreads; ++thread) EXPECT_EQ(board_->rounds[thread] == 0, thread == 1) << thread;
    }

    plain::Segment decoded() const {
        std::string error;
        plain::Segment out = plain::decode_file(path_, &error);
        EXPECT_EQ(error, "");
        return out;
    }

    agent::TemporaryFolder folder_{"/dev/shm"};
    SchemaSpec spec_ = every_kind();
    std::string path_;
    Board* board_ = nullptr;
    std::uint64_t rounds_in_phase_ = kRoundsInPhase;
    bool contained_ = false;  // the process has a filter already
};

// What stands in the closed windows of one tier.
plain::Summary closed(const plain::Series& series, std::size_t tier) {
    plain::Summary out;
    for (const plain::Slot& slot : series.rings[tier]) {
        if (slot.window == 0) continue;
        out.count += slot.summary.count;
        out.sum += slot.summary.sum;
    }
    return out;
}

std::size_t windows(const plain::Series& series, std::size_t tier) {
    std::size_t count = 0;
    for (const plain::Slot& slot : series.rings[tier]) count += slot.window != 0;
    return count;
}

void expect_running_totals(const plain::Segment& segment, int thread, std::uint64_t rounds) {
    std::vector<std::string> labels = {std::to_string(thread)};
    EXPECT_EQ(segment.find("counter", labels)->value, 3 * rounds);
    EXPECT_EQ(segment.find("f64", labels)->value, std::bit_cast<std::uint64_t>(static_cast<double>(rounds) / 2));
    const plain::Series* histogram = segment.find("histogram", labels);
    EXPECT_EQ(histogram->hot.count, rounds);
    EXPECT_EQ(histogram->hot.sum, sum_of(rounds));
    std::uint64_t in_buckets = 0;
    for (std::uint64_t bucket : histogram->hot_buckets) in_buckets += bucket;
    EXPECT_EQ(in_buckets, rounds);
}

TEST_F(Strict, LetsAHundredMillionRecordsPassInTickMode) {
    RINGSIDE_SKIP_UNDER_SANITIZERS();
    EXPECT_EQ(run(RSIDE_CLOCK_TICK), 0);
    ASSERT_EQ(board_->finished, kThreads);
    plain::Segment segment = decoded();
    EXPECT_EQ(segment.find("shared")->value, kThreads * (kRounds + 1));
    EXPECT_EQ(segment.clock_steps_back + segment.rebases, 0u);
    EXPECT_EQ(segment.rejected_samples, std::uint64_t{kThreads});
    for (int thread = 0; thread < kThreads; ++thread) {
        SCOPED_TRACE(thread);
        ASSERT_EQ(board_->rounds[thread], kRounds + 1);
        expect_running_totals(segment, thread, kRounds + 1);
        std::vector<std::string> labels = {std::to_string(thread)};
        const plain::Series* gauge = segment.find("gauge", labels);
        const plain::Series* level = segment.find("level", labels);
        EXPECT_EQ(closed(*gauge, 0).count, kRounds);
        EXPECT_EQ(closed(*gauge, 0).sum, sum_of(kRounds));
        EXPECT_EQ(closed(*gauge, 1).count, kRounds);
        EXPECT_EQ(closed(*gauge, 2).count, kRoundsInPhase * 24) << "the end of the third window is still to come";
        EXPECT_EQ(windows(*gauge, 0), kPhases);
        EXPECT_EQ(windows(*gauge, 1), kPhases);
        EXPECT_EQ(windows(*gauge, 2), 2u);
        EXPECT_EQ(closed(*level, 2).count, 600 * kSecond) << "ns held";
    }
}

TEST_F(Strict, LetsAHundredMillionRecordsPassInCoarseClockMode) {
    RINGSIDE_SKIP_UNDER_SANITIZERS();
    EXPECT_EQ(run(RSIDE_CLOCK_COARSE), 0);
    ASSERT_EQ(board_->finished, kThreads);
    plain::Segment segment = decoded();
    std::uint64_t all = 0;
    for (int thread = 0; thread < kThreads; ++thread) {
        SCOPED_TRACE(thread);
        ASSERT_GE(board_->rounds[thread], kRounds);
        expect_running_totals(segment, thread, board_->rounds[thread]);
        const plain::Series* gauge = segment.find("gauge", {std::to_string(thread)});
        EXPECT_EQ(closed(*gauge, 0).count + gauge->hot.count, board_->rounds[thread]);
        EXPECT_GE(windows(*gauge, 0), 1u) << "no window ended";
        all += board_->rounds[thread];
    }
    EXPECT_EQ(segment.find("shared")->value, all);
}

// That the jail is shut: the same with one system call more.
TEST_F(Strict, EndsTheThreadThatMakesOneSystemCall) {
    RINGSIDE_SKIP_UNDER_SANITIZERS();
    expect_end_of_the_thread_that_slips();
}

TEST_F(Strict, EndsTheThreadThatMakesOneSystemCallInAContainerToo) {
    RINGSIDE_SKIP_UNDER_SANITIZERS();
    contained_ = true;
    expect_end_of_the_thread_that_slips();
}

}  // namespace
}  // namespace ringside
