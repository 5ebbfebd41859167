#include "bench/query/standing_clock.h"

#include <time.h>

#include <atomic>

namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
std::atomic<std::uint64_t> standing_ns = 0;

}  // namespace

extern "C" {
int __real_clock_gettime(clockid_t clock, timespec* time);
int __wrap_clock_gettime(clockid_t clock, timespec* time);

int __wrap_clock_gettime(clockid_t clock, timespec* time) {
    const std::uint64_t ns = standing_ns;
    if (ns == 0 || clock != CLOCK_REALTIME) return __real_clock_gettime(clock, time);
    *time = {static_cast<time_t>(ns / kNsPerSecond), static_cast<long>(ns % kNsPerSecond)};
    return 0;
}
}

namespace ringside::bench {

void stand_at(std::uint64_t ns) { standing_ns = ns; }

}  // namespace ringside::bench
