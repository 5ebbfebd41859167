#include "bench/writer/durations.h"

#include <algorithm>

namespace ringside::bench {

void Durations::add(std::uint64_t ticks) {
    ++seen_[std::min(ticks, kEnd - 1)];
    ++total_;
    longest_ = std::max(longest_, ticks);
}

std::uint64_t Durations::quantile(double share) const {
    const auto wanted = static_cast<std::uint64_t>(static_cast<double>(total_) * share);
    std::uint64_t below = 0;
    for (std::uint64_t ticks = 0; ticks < kEnd; ++ticks) {
        below += seen_[ticks];
        if (below > wanted) return ticks;
    }
    return longest_;
}

void SingleCalls::report(benchmark::State& state, const std::string& name) const {
    const auto ticks = static_cast<double>(read_tsc() - begin_ticks_);
    const double ns_per_tick = std::chrono::duration<double, std::nano>(Clock::now() - begin_).count() / ticks;
    const auto ns = [=](std::uint64_t duration) { return static_cast<double>(duration) * ns_per_tick; };
    state.SetIterationTime(ns(calls_.quantile(0.9999)) / 1e9);
    const auto add = [&](const std::string& of, const Durations& durations) {
        state.counters["case:" + of + "_p50"] = ns(durations.quantile(0.5));
        state.counters["case:" + of + "_p99"] = ns(durations.quantile(0.99));
        state.counters["case:" + of + "_max"] = ns(durations.longest());
    };
    add(name, calls_);
    add(name + "_control", control_);
    state.counters["case:" + name + "_control_p9999"] = ns(control_.quantile(0.9999));
}

}  // namespace ringside::bench
