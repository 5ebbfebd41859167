// A writer in another language, killed at any instant, leaves each record done or not done, and every window right:
// what tests/kill/writer_kill_test.cpp asks of the writer in C, asked of a program of a binding. The tests of the
// binding run this.
//
//     RECORDER SEGMENT_PATH SEQUENCE_FILE FINISHED_FILE [stop]
//
// attaches to the segment in tick mode and records a step into one series of each kind, in the order of the schema: 1
// into the counters, the step's value into the others. The sequence is pairs of 64-bit words, the time and the value of
// a step. After each step it stores how many are finished in the first word of FINISHED_FILE. After the last one, it
// waits. With "stop" the main thread, which is also the one that records, stops itself by SIGSTOP between set-up and
// the first step.
//
// The environment names the program: RINGSIDE_RECORDER. RINGSIDE_KILLS sets how many kills there are, RINGSIDE_SEED the
// sequence and the instants.

#include <gtest/gtest.h>

#include <fstream>

#include "tests/kill/autopsy.h"
#include "tests/kill/launcher.h"
#include "tests/support/run_length.h"

namespace ringside {
namespace {

class RecorderKill : public testing::Test {
  protected:
    RecorderKill() {
        const char* recorder = std::getenv("RINGSIDE_RECORDER");
        if (recorder) recorder_ = recorder;
    }
    void SetUp() override { ASSERT_NE(recorder_, "") << "RINGSIDE_RECORDER names no program"; }

    void write_sequence(const Sequence& sequence) {
        sequence_path_ = launcher_.folder() + "/sequence";
        std::vector<std::uint64_t> words;
        for (std::size_t i = 0; i < sequence.steps(); ++i) {
            words.push_back(sequence.time(i));
            words.push_back(Sequence::value(i));
        }
        std::ofstream file(sequence_path_, std::ios::binary);
        file.write(reinterpret_cast<const char*>(words.data()), static_cast<std::streamsize>(words.size() * 8));
        ASSERT_TRUE(file.flush().good());
    }

    // A recorder at work; traced, it stops at its exec and, if it is told so, before its first step.
    pid_t start(bool traced) {
        std::string segment = launcher_.path(), finished = launcher_.finished_path(), stop = "stop";
        char* arguments[] = {
            recorder_.data(), segment.data(), sequence_path_.data(), finished.data(), traced ? stop.data() : nullptr,
            nullptr};
        pid_t child = fork();
        if (child != 0) return child;
        if (traced) ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        execv(recorder_.c_str(), arguments);
        _exit(127);
    }

    std::string recorder_, sequence_path_;
    Launcher launcher_;
    const std::uint64_t seed_ = chosen_seed();
    testing::ScopedTrace trace_{__FILE__, __LINE__, "RINGSIDE_SEED=" + std::to_string(seed_)};
};

TEST_F(RecorderKill, LeavesEachRecordDoneOrNotDone) {
    const std::uint64_t kills = number_from("RINGSIDE_KILLS", longer_in_soak(60));
    std::mt19937_64 random(seed_);
    const Sequence sequence(seed_, 300000);  // more than a child gets to before it is killed
    ASSERT_NO_FATAL_FAILURE(write_sequence(sequence));
    Tally tally;
    for (std::uint64_t i = 0; i < kills; ++i) {
        ASSERT_NO_FATAL_FAILURE(launcher_.provision());
        pid_t child = start(false);
        ASSERT_GT(child, 0);
        // One in ten may die before its first record, the others in full swing.
        bool early = random() % 10 == 0;
        while (!early && *launcher_.finished() == 0)
            ASSERT_EQ(waitpid(child, nullptr, WNOHANG), 0) << "the child ended";
        usleep(static_cast<useconds_t>(random() % (early ? 5000 : 500)));
        kill(child, SIGKILL);
        ASSERT_EQ(waitpid(child, nullptr, 0), child);

        std::string error;
        plain::Segment segment = plain::decode_file(launcher_.path(), &error);
        ASSERT_EQ(error, "") << "kill " << i;
        std::uint64_t finished = *launcher_.finished();
        if (segment.state == 0)
            ASSERT_EQ(finished, 0u);
        else
            ASSERT_EQ(autopsy(sequence, segment, finished, &tally), "") << "kill " << i;
    }
    std::printf("%llu kills: %d series inside an update, %d inside a turn, %d just past the commit of one\n",
                static_cast<unsigned long long>(kills), tally.half_done, tally.turning, tally.stale);
    // A test that never hits what it is for proves nothing.
    auto share = static_cast<int>(kills);
    EXPECT_GT(tally.half_done + tally.turning, share / 50);
}

// The same without chance: the segment as it would be left by a kill after every single instruction.
TEST_F(RecorderKill, DoesSoAfterEachInstruction) {
    const std::uint64_t steps = longer_in_soak(40);
    const Sequence sequence(seed_, steps + 1);
    ASSERT_NO_FATAL_FAILURE(write_sequence(sequence));
    ASSERT_NO_FATAL_FAILURE(launcher_.provision());
    pid_t child = start(true);
    ASSERT_GT(child, 0);
    int status = 0, signal = 0;
    do {  // through exec and set-up, with the signals of the language's own machinery
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSTOPPED(status)) << "the recorder ended, or this test needs ptrace";
        signal = WSTOPSIG(status);
        if (signal == SIGSTOP) break;
    } while (ptrace(PTRACE_CONT, child, nullptr, static_cast<long>(signal == SIGTRAP ? 0 : signal)) == 0);
    ASSERT_EQ(signal, SIGSTOP);

    Tally tally;
    SingleSteps run = step_through(launcher_, child, steps, [&](const plain::Segment& segment, std::uint64_t finished) {
        return autopsy(sequence, segment, finished, &tally);
    });
    std::printf("%llu steps in %llu instructions: %llu states, %d inside an update, %d inside a turn\n",
                static_cast<unsigned long long>(run.finished), static_cast<unsigned long long>(run.instructions),
                static_cast<unsigned long long>(run.states), tally.half_done, tally.turning);
    EXPECT_EQ(run.wrong, "") << "after instruction " << run.instructions;
    EXPECT_EQ(run.finished, steps);
    EXPECT_GT(tally.half_done, static_cast<int>(steps));
    EXPECT_GT(tally.turning, static_cast<int>(steps));
    EXPECT_GT(tally.stale, 0);
}

}  // namespace
}  // namespace ringside
