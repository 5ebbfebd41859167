// Children that record a sequence until they are killed, or are stopped after each single instruction. A sequence says how
// many steps() it has, at what time(i) each happens, and which value(i) it records into one series of each kind.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/plain_segment.h"
#include "tests/support/schema_spec.h"
#include "tests/support/temporary_folder.h"

namespace ringside {

inline SchemaSpec tiny_rings() {
    SchemaSpec spec("tiny_rings");
    spec.tier(1, 8).tier(4, 6).tier(20, 5);
    spec.metric("counter", RSIDE_COUNTER).metric("f64", RSIDE_COUNTER_F64);
    spec.metric("shared", RSIDE_COUNTER, 1, {}, RSIDE_METRIC_SHARED).metric("gauge", RSIDE_GAUGE);
    return spec.metric("level", RSIDE_LEVEL).histogram("histogram", 0, 2, 512);
}

// Lays out one segment after the other for children that die.
class Launcher {
  public:
    Launcher() : folder_("/dev/shm"), spec_(tiny_rings()) {
        int file = open(finished_path().c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (file < 0 || ftruncate(file, 4096) != 0) std::abort();
        void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (page == MAP_FAILED) std::abort();
        close(file);
        finished_ = static_cast<volatile std::uint64_t*>(page);
    }
    ~Launcher() { munmap(const_cast<std::uint64_t*>(finished_), 4096); }
    Launcher(const Launcher&) = delete;
    Launcher& operator=(const Launcher&) = delete;

    void provision() {
        if (!path_.empty()) unlink(path_.c_str());
        rside_options options;
        rside_options_init(&options);
        options.vm_id = "vm-1";
        options.directory = folder_.path().c_str();
        options.schema = spec_.get();
        path_.assign(256, '\0');
        rside_error error = {};
        ASSERT_EQ(rside_segment_provision(&options, path_.data(), path_.size(), &error), 0) << error.text;
        path_.resize(path_.find('\0'));
        *finished_ = 0;
    }
    const std::string& path() const { return path_; }
    std::string folder() const { return folder_.path(); }
    // Steps that the child finished; shared with it, also by way of a file.
    volatile std::uint64_t* finished() const { return finished_; }
    std::string finished_path() const { return folder() + "/finished"; }

  private:
    agent::TemporaryFolder folder_;
    SchemaSpec spec_;
    std::string path_;
    volatile std::uint64_t* finished_;
};

// `before_records` runs between set-up and the first record.
template <typename Sequence>
[[noreturn]] void write_until_killed(const Launcher& launcher, const Sequence& sequence, void (*before_records)()) {
    volatile std::uint64_t* finished = launcher.finished();
    rside_segment* segment = nullptr;
    if (rside_segment_attach(launcher.path().c_str(), nullptr, RSIDE_CLOCK_TICK, 0, &segment, nullptr) < 0) _exit(1);
    rside_tick(segment, sequence.time(0));
    rside_counter counter = rside_counter_register(segment, "counter", nullptr, 0, nullptr);
    rside_counter_f64 f64 = rside_counter_f64_register(segment, "f64", nullptr, 0, nullptr);
    rside_shared_counter shared = rside_shared_counter_register(segment, "shared", nullptr, 0, nullptr);
    rside_gauge gauge = rside_gauge_register(segment, "gauge", nullptr, 0, nullptr);
    rside_level level = rside_level_register(segment, "level", nullptr, 0, nullptr);
    rside_histogram histogram = rside_histogram_register(segment, "histogram", nullptr, 0, nullptr);
    for (rside_series series :
         {counter.series, f64.series, shared.series, gauge.series, level.series, histogram.series}) {
        if (!series.cell) _exit(2);
    }
    before_records();
    for (std::size_t i = 0; i < sequence.steps(); ++i) {
        auto value = static_cast<double>(sequence.value(i));
        rside_tick(segment, sequence.time(i));
        rside_counter_add(counter, 1);
        rside_counter_f64_add(f64, 1);
        rside_shared_counter_add(shared, 1);
        rside_gauge_record(gauge, value);
        rside_level_set(level, value);
        rside_histogram_record(histogram, value);
        *finished = i + 1;
    }
    for (;;) pause();
}

// What a child went through that was stopped after each instruction.
struct SingleSteps {
    std::uint64_t instructions = 0, states = 0, finished = 0;
    std::string wrong;  // what `check` said last, of the state after the last instruction
};

// Lets a traced child, which is stopped before its first record, run the first `steps` of its sequence, and asks `check` about
// each state of the segment, as a kill there would leave it, together with the steps that were finished, until it answers
// other than "". Then kills the child.
inline SingleSteps step_through(const Launcher& launcher, pid_t child, std::uint64_t steps,
                                const std::function<std::string(const plain::Segment&, std::uint64_t)>& check) {
    SingleSteps out;
    int status = 0;
    std::vector<std::uint8_t> before;
    while (*launcher.finished() < steps && out.wrong.empty()) {
        if (ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) != 0 || waitpid(child, &status, 0) != child) break;
        if (!WIFSTOPPED(status)) break;
        ++out.instructions;
        std::vector<std::uint8_t> now = plain::read_bytes(launcher.path());
        std::uint64_t finished = *launcher.finished();
        if (now == before && finished == out.finished) continue;
        ++out.states;
        plain::Segment segment = plain::decode(now, &out.wrong);
        if (out.wrong.empty()) out.wrong = check(segment, finished);
        before = std::move(now);
        out.finished = finished;
    }
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return out;
}

// The same with a child that records `sequence`.
template <typename Sequence>
SingleSteps step_through(const Sequence& sequence, std::uint64_t steps,
                         const std::function<std::string(const plain::Segment&, std::uint64_t)>& check) {
    SingleSteps out;
    Launcher launcher;
    launcher.provision();
    if (testing::Test::HasFatalFailure()) return out;
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        write_until_killed(launcher, sequence, [] { (void)raise(SIGSTOP); });
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) {
        out.wrong = "this test needs ptrace";
        return out;
    }
    return step_through(launcher, child, steps, check);
}

}  // namespace ringside
