// The beat of a collector: wakes at whole multiples of an interval of the wall clock, so that every window of the
// segment gets its sample early and a late wake-up still falls into the right one.
#pragma once

#include <csignal>
#include <cstdint>

namespace ringside::bridge {

class Metronome {
  public:
    // Blocks SIGINT, SIGTERM and SIGHUP in the calling thread, which from then on takes them in wait(). Make it before
    // any thread is started. `run_ns` is the time after which wait() ends by itself; 0 for never.
    Metronome(std::uint64_t interval_ns, std::uint64_t run_ns);

    enum class Wake { kBeat, kSignal, kTimeOver };
    // Sleeps until the next beat, a signal, or the end of the time.
    Wake wait();

    // After kSignal: which one.
    int signal_number() const { return signal_number_; }
    // Whole intervals that passed unused before the last beat, because the work before it took too long.
    std::uint64_t missed_beats() const { return missed_beats_; }

  private:
    sigset_t signals_;
    std::uint64_t interval_ns_;
    std::uint64_t end_ns_;        // CLOCK_MONOTONIC; 0 for never
    std::uint64_t last_beat_ns_;  // CLOCK_MONOTONIC
    std::uint64_t missed_beats_ = 0;
    int signal_number_ = 0;
};

// CLOCK_REALTIME in ns since 1970.
std::uint64_t realtime_ns();

}  // namespace ringside::bridge
