#include "tools/bridge/metronome.h"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <limits>

namespace ringside::bridge {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

std::uint64_t clock_ns(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * kNsPerSecond + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

std::uint64_t realtime_ns() { return clock_ns(CLOCK_REALTIME); }

Metronome::Metronome(std::uint64_t interval_ns, std::uint64_t run_ns) : interval_ns_(interval_ns) {
    last_beat_ns_ = clock_ns(CLOCK_MONOTONIC);
    end_ns_ = run_ns == 0 ? 0 : last_beat_ns_ + run_ns;
    sigemptyset(&signals_);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals_, number);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
}

Metronome::Wake Metronome::wait() {
    const std::uint64_t beat_ns = (realtime_ns() / interval_ns_ + 1) * interval_ns_;
    for (;;) {
        const std::uint64_t wall_ns = realtime_ns();
        const std::uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
        // A clock that was set back while we slept must not make the beat wait for the old time.
        const bool beat = wall_ns >= beat_ns || beat_ns - wall_ns > interval_ns_;
        if (beat) {
            const std::uint64_t passed = (now_ns - last_beat_ns_) / interval_ns_;
            missed_beats_ = passed > 1 ? passed - 1 : 0;
            last_beat_ns_ = now_ns;
            return Wake::kBeat;
        }
        if (end_ns_ != 0 && now_ns >= end_ns_) return Wake::kTimeOver;
        const std::uint64_t left_ns = end_ns_ == 0 ? std::numeric_limits<std::uint64_t>::max() : end_ns_ - now_ns;
        const std::uint64_t sleep_ns = std::min(beat_ns - wall_ns, left_ns);
        const timespec timeout = {static_cast<time_t>(sleep_ns / kNsPerSecond),
                                  static_cast<long>(sleep_ns % kNsPerSecond)};
        const int number = sigtimedwait(&signals_, nullptr, &timeout);
        if (number > 0) {
            signal_number_ = number;
            return Wake::kSignal;
        }
    }
}

}  // namespace ringside::bridge
