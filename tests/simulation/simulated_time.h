// The time and the randomness of the whole process while a simulation runs: clock_gettime and getrandom of this program
// answer from here, so that agent and writer library read one simulated clock without knowing it.
#pragma once

#include <atomic>
#include <cstdint>
#include <random>

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
    void step(std::int64_t by_ns) { offset_ns_ += static_cast<std::uint64_t>(by_ns); }

    // For getrandom. One thread runs at a time.
    std::mt19937_64 bytes;

  private:
    // Relaxed wherever they are used: threads hand over to each other by locks.
    std::atomic<std::uint64_t> monotonic_ns_;
    std::atomic<std::uint64_t> offset_ns_;
};

}  // namespace ringside::simulation
