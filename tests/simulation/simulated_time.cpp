#include "tests/simulation/simulated_time.h"

#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

namespace ringside::simulation {
namespace {

// 2030-01-01: a whole multiple of every tier's windows.
constexpr std::uint64_t kBeginNs = 1'893'456'000 * kSecond;
constexpr std::uint64_t kUpNs = 1000 * kSecond;

std::atomic<SimulatedTime*> current{nullptr};

}  // namespace

SimulatedTime::SimulatedTime(std::uint64_t seed) : bytes(seed), monotonic_ns_(kUpNs), offset_ns_(kBeginNs - kUpNs) {
    if (current.exchange(this) != nullptr) std::abort();
}

SimulatedTime::~SimulatedTime() { current = nullptr; }

void SimulatedTime::advance_to(std::uint64_t monotonic_ns) {
    monotonic_ns_ = std::max(monotonic_ns_.load(std::memory_order_relaxed), monotonic_ns);
}

void SimulatedTime::step(std::int64_t by_ns) {
    latest_ns_ = latest_ns();
    offset_ns_ += static_cast<std::uint64_t>(by_ns);
    if (realtime_ns() < latest_ns_) twice_.emplace_back(realtime_ns(), latest_ns_);
}

bool SimulatedTime::twice(std::uint64_t begin_ns, std::uint64_t end_ns) const {
    return std::any_of(twice_.rbegin(), twice_.rend(),
                       [&](const auto& time) { return begin_ns <= time.second && time.first <= end_ns; });
}

}  // namespace ringside::simulation

using ringside::simulation::current;
using ringside::simulation::SimulatedTime;

// In place of libc's, also for the shared libraries of this program.
extern "C" int clock_gettime(clockid_t clock, timespec* now) noexcept {
    const SimulatedTime* time = current.load(std::memory_order_acquire);
    std::uint64_t ns = 0;
    switch (clock) {
        case CLOCK_REALTIME:
        case CLOCK_REALTIME_COARSE: ns = time ? time->realtime_ns() : 0; break;
        case CLOCK_MONOTONIC:
        case CLOCK_MONOTONIC_COARSE:
        case CLOCK_BOOTTIME: ns = time ? time->monotonic_ns() : 0; break;
        default: break;
    }
    if (ns == 0) return static_cast<int>(::syscall(SYS_clock_gettime, clock, now));
    now->tv_sec = static_cast<time_t>(ns / ringside::simulation::kSecond);
    now->tv_nsec = static_cast<long>(ns % ringside::simulation::kSecond);
    return 0;
}

extern "C" ssize_t getrandom(void* out, std::size_t size, unsigned flags) {
    SimulatedTime* time = current.load(std::memory_order_acquire);
    if (!time) return ::syscall(SYS_getrandom, out, size, flags);
    auto* bytes = static_cast<unsigned char*>(out);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<unsigned char>(time->bytes());
    return static_cast<ssize_t>(size);
}
