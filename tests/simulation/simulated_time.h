// The time and the randomness of the whole process while a simulation runs: clock_gettime and getrandom of this program
// answer from here, so that agent and writer library read one simulated clock without knowing it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace ringside::simulation {

inline constexpr std::uint64_t kMs = 1'000'000;
inline constexpr std::uint64_t kSecond = 1'000'000'000;
inline constexpr std::uint64_t kMinute = 60 * kSecond;
inline constexpr std::uint64_t kHour = 60 * kMinute;
inline constexpr std::uint64_t kDay = 24 * kHour;

// One at a time; while none exists the calls are the kernel's.
class SimulatedTime {
  public:
    explicit SimulatedTime(std::uint64_t seed);
    ~SimulatedTime();
    SimulatedTime(const SimulatedTime&) = delete;
    SimulatedTime& operator=(const SimulatedTime&) = delete;

    std::uint64_t monotonic_ns() const { return monotonic_ns_.load(std::memory_order_relaxed); }
    std::uint64_t realtime_ns() const { return monotonic_ns() + offset_ns_.load(std::memory_order_relaxed); }

    // Time goes on to `monotonic_ns`, never back.
    void advance_to(std::uint64_t monotonic_ns);
    // The realtime clock alone is set.
    void step(std::int64_t by_ns);
    // The latest that the realtime clock has said.
    std::uint64_t latest_ns() const { return std::max(latest_ns_, realtime_ns()); }
    // Whether a part of [begin_ns, end_ns] is time that the realtime clock has shown, or will show, twice.
    bool twice(std::uint64_t begin_ns, std::uint64_t end_ns) const;
    std::uint64_t steps_back() const { return twice_.size(); }
    // The end of all time so far that comes twice; 0: there is none.
    std::uint64_t twice_until_ns() const { return twice_.empty() ? 0 : twice_.back().second; }

    // For getrandom. One thread runs at a time.
    std::mt19937_64 bytes;

  private:
    // Relaxed wherever they are used: threads hand over to each other by locks.
    std::atomic<std::uint64_t> monotonic_ns_;
    std::atomic<std::uint64_t> offset_ns_;
    // Of the thread that steps, and of those that it gives turns to.
    std::uint64_t latest_ns_ = 0;                                 // before the newest step
    std::vector<std::pair<std::uint64_t, std::uint64_t>> twice_;  // by rising end
};

}  // namespace ringside::simulation
