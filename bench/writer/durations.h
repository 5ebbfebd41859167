// Times of single calls: how they are taken and what is said of them.
#pragma once

#include <benchmark/benchmark.h>
#include <x86intrin.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace ringside::bench {

// The fences keep a call between its two reads.
inline std::uint64_t read_tsc() {
    _mm_lfence();
    const std::uint64_t ticks = __rdtsc();
    _mm_lfence();
    return ticks;
}

// How often each duration in TSC ticks was seen; those beyond about 0.4 ms count as that, but for the longest.
class Durations {
  public:
    void add(std::uint64_t ticks);
    std::uint64_t quantile(double share) const;
    std::uint64_t longest() const { return longest_; }

  private:
    static constexpr std::uint64_t kEnd = 1u << 20;
    std::vector<std::uint32_t> seen_ = std::vector<std::uint32_t>(kEnd);
    std::uint64_t total_ = 0;
    std::uint64_t longest_ = 0;
};

// Calls timed one by one, and after each of them nothing, for as long as half of the calls take at least: the control. What it
// shows was taken by the machine (interrupts, other programs, the host) or belongs to the reads of the TSC themselves; as the
// control lasts as long as a call, it is hit as often.
class SingleCalls {
  public:
    template <typename Call>
    void time(Call call) {
        const std::uint64_t before = read_tsc();
        call();
        const std::uint64_t after = read_tsc();
        std::uint64_t now = read_tsc();
        while (now - after < median_) now = read_tsc();
        calls_.add(after - before);
        control_.add(now - after);
        median_ += after - before > median_ ? 1 : -1;  // where as many calls are above as below, it stays
    }

    // The 99.99th percentile is the time of the case; cases NAME_p50, NAME_p99, NAME_max and the same of NAME_control come with
    // it as counters that begin with "case:" (bench/report.py).
    void report(benchmark::State& state, const std::string& name) const;

  private:
    using Clock = std::chrono::steady_clock;

    Clock::time_point begin_ = Clock::now();
    std::uint64_t begin_ticks_ = read_tsc();
    std::uint64_t median_ = 100;
    Durations calls_;
    Durations control_;
};

}  // namespace ringside::bench
