#include "tools/bridge/metronome.h"

#include <gtest/gtest.h>
#include <time.h>

#include <csignal>
#include <cstdint>

namespace ringside::bridge {
namespace {

constexpr std::uint64_t kNsPerMs = 1'000'000;
constexpr std::uint64_t kIntervalNs = 20 * kNsPerMs;

TEST(Metronome, BeatsOnceInEachIntervalOfTheWallClock) {
    Metronome metronome(kIntervalNs, 0);
    std::uint64_t before = realtime_ns() / kIntervalNs;
    for (int i = 0; i < 5; ++i) {
        ASSERT_EQ(metronome.wait(), Metronome::Wake::kBeat);
        const std::uint64_t now = realtime_ns() / kIntervalNs;
        EXPECT_GT(now, before);
        before = now;
    }
}

TEST(Metronome, CountsTheBeatsThatSlowWorkMissed) {
    Metronome metronome(kIntervalNs, 0);
    ASSERT_EQ(metronome.wait(), Metronome::Wake::kBeat);
    const timespec work = {0, static_cast<long>(5 * kIntervalNs)};
    nanosleep(&work, nullptr);
    ASSERT_EQ(metronome.wait(), Metronome::Wake::kBeat);
    EXPECT_GE(metronome.missed_beats(), 4u);
}

TEST(Metronome, EndsWhenTheTimeIsOver) {
    Metronome metronome(3'600'000 * kNsPerMs, kNsPerMs);
    EXPECT_EQ(metronome.wait(), Metronome::Wake::kTimeOver);
}

TEST(Metronome, WakesOnASignalThatCameBeforeTheWait) {
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
        Metronome metronome(3'600'000 * kNsPerMs, 0);
        raise(number);
        ASSERT_EQ(metronome.wait(), Metronome::Wake::kSignal);
        EXPECT_EQ(metronome.signal_number(), number);
    }
}

}  // namespace
}  // namespace ringside::bridge
