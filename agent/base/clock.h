// The two times that the agent goes by, and arithmetic of times. Any thread.
#pragma once

#include <ctime>

#include <cstdint>

namespace ringside::agent {

constexpr std::uint64_t timespec_ns(const timespec& time) {
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(time.tv_nsec);
}

inline std::uint64_t clock_ns(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return timespec_ns(now);
}

inline std::uint64_t realtime_ns() { return clock_ns(CLOCK_REALTIME); }    // what is written down
inline std::uint64_t monotonic_ns() { return clock_ns(CLOCK_MONOTONIC); }  // what is waited by

// 0 where there is less than is taken away.
constexpr std::uint64_t minus(std::uint64_t from, std::uint64_t less) { return from > less ? from - less : 0; }
// The last multiple of `step` that is not after it.
constexpr std::uint64_t aligned(std::uint64_t ns, std::uint64_t step) { return ns / step * step; }

}  // namespace ringside::agent
