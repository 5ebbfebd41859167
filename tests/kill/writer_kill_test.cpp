// A writer killed at any instant leaves each record done or not done, and every window right.
//
// A child records a fixed sequence at full speed, in which time moves so fast that most of the work is closing windows.
// It dies at a random instant, or is stopped after each single instruction, and the sequence alone says what each word of
// its segment must then be. A word outside the segment says how many steps were finished, so that nothing may be missing,
// either.
//
// RINGSIDE_KILLS sets how many kills there are, RINGSIDE_SEED the sequence and the instants.

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <ctime>

#include "autopsy.h"
#include "launcher.h"
#include "tests/support/run_length.h"
#include "tests/support/sanitizer.h"

namespace ringside {
namespace {

// Of the child that is made next. A timer of its own kills it, in the midst of whatever instruction it has come to; a parent
// that had to wake up first would be late by the time of many records.
long kill_after_ns = 0;

void arm_the_kill() {
    struct sigevent event = {};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGKILL;
    struct itimerspec when = {};
    when.it_value.tv_nsec = kill_after_ns;
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || timer_settime(timer, 0, &when, nullptr) != 0) _exit(3);
}

TEST(WriterKill, LeavesEachRecordDoneOrNotDone) {
    // A million in soak; fewer where a fork has a sanitizer's tables to copy.
    const std::uint64_t usually = std::getenv("RINGSIDE_SOAK") ? 1'000'000 : 10'000;
    const std::uint64_t kills = number_from("RINGSIDE_KILLS", kSanitized ? usually / 10 : usually);
    const std::uint64_t seed = chosen_seed();
    SCOPED_TRACE("RINGSIDE_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    const Sequence sequence(seed, 20'000);  // more than a child gets to before it is killed
    Launcher launcher;
    Tally tally;
    std::uint64_t steps = 0;
    for (std::uint64_t i = 0; i < kills; ++i) {
        ASSERT_NO_FATAL_FAILURE(launcher.provision());
        // One in ten may die before its first record, the others in full swing.
        bool early = random() % 10 == 0;
        kill_after_ns = 1 + static_cast<long>(random() % 120'000);
        pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0 && early) arm_the_kill();
        if (child == 0) write_until_killed(launcher, sequence, early ? [] {} : arm_the_kill);
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << status;

        std::string error;
        plain::Segment segment = plain::decode_file(launcher.path(), &error);
        ASSERT_EQ(error, "") << "kill " << i;
        std::uint64_t finished = *launcher.finished();
        if (segment.state == 0)
            ASSERT_EQ(finished, 0u);
        else
            ASSERT_EQ(autopsy(sequence, segment, finished, &tally), "") << "kill " << i;
        steps += finished;
    }
    std::printf(
        "%llu kills after %llu steps on average: %d series inside an update, %d inside a turn, %d just past the "
        "commit of one, %d slots half written\n",
        static_cast<unsigned long long>(kills),
        static_cast<unsigned long long>(steps / std::max(kills, std::uint64_t{1})), tally.half_done, tally.turning,
        tally.stale, tally.void_slots);
    // A test that never hits what it is for proves nothing.
    auto share = static_cast<int>(kills);
    EXPECT_GT(tally.half_done, share / (kSanitized ? 100 : 30));
    EXPECT_GT(tally.turning, share / 10);
    EXPECT_GT(tally.void_slots, share / 50);
}

// The same without chance: the segment as it would be left by a kill after every single instruction.
TEST(WriterKill, DoesSoAfterEachInstruction) {
    const std::uint64_t seed = chosen_seed(), steps = longer_in_soak(60);
    SCOPED_TRACE("RINGSIDE_SEED=" + std::to_string(seed));
    const Sequence sequence(seed, steps + 1);
    Tally tally;
    SingleSteps run = step_through(sequence, steps, [&](const plain::Segment& segment, std::uint64_t finished) {
        return autopsy(sequence, segment, finished, &tally);
    });
    std::printf(
        "%llu steps in %llu instructions: %llu states, %d inside an update, %d inside a turn, %d just past the "
        "commit of one, %d slots half written\n",
        static_cast<unsigned long long>(run.finished), static_cast<unsigned long long>(run.instructions),
        static_cast<unsigned long long>(run.states), tally.half_done, tally.turning, tally.stale, tally.void_slots);
    EXPECT_EQ(run.wrong, "") << "after instruction " << run.instructions;
    EXPECT_EQ(run.finished, steps);
    EXPECT_GT(tally.turning, 100);
    EXPECT_GT(tally.stale, 20);
    EXPECT_GT(tally.void_slots, 50);
}

// A creator that dies leaves a whole segment or something that does not bear the name of one.
TEST(WriterKill, NeverLeavesHalfASegmentUnderItsFinalName) {
    const std::uint64_t seed = chosen_seed(), kills = number_from("RINGSIDE_KILLS", longer_in_soak(300));
    SCOPED_TRACE("RINGSIDE_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    SchemaSpec spec = tiny_rings();
    std::uint64_t whole = 0, drafts = 0;
    for (std::uint64_t i = 0; i < kills; ++i) {
        agent::TemporaryFolder folder("/dev/shm");
        pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            rside_options options;
            rside_options_init(&options);
            options.vm_id = "vm-1";
            options.directory = folder.path().c_str();
            options.schema = spec.get();
            for (rside_segment* segment = nullptr;;) rside_segment_create(&options, &segment, nullptr);
        }
        usleep(static_cast<useconds_t>(random() % 1500));
        kill(child, SIGKILL);
        ASSERT_EQ(waitpid(child, nullptr, 0), child);
        for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
            std::string name = entry.path().filename();
            if (name.front() == '.') {
                ++drafts;
                continue;
            }
            std::string error;
            plain::Segment segment = plain::decode_file(entry.path(), &error);
            ASSERT_EQ(error, "") << name;
            ASSERT_EQ(segment.state, 1u) << name;
            ++whole;
        }
    }
    std::printf("%llu kills left %llu whole segments and %llu drafts\n", static_cast<unsigned long long>(kills),
                static_cast<unsigned long long>(whole), static_cast<unsigned long long>(drafts));
    EXPECT_GT(whole, kills / 4);
    EXPECT_GT(drafts, kills / 20);
}

}  // namespace
}  // namespace ringside
