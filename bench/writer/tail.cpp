// The slow end of a gauge's records with the coarse clock, each record timed by itself, over seconds whose ends close windows:
// of one gauge, and of 10,000 in random order. Of those every gauge's first record in a second closes its window, about one
// record in a thousand, so their 99.99th percentile lies among records that close windows, in memory that is not at hand.
//
// After each record two reads of the counter with nothing between them are timed: the control. What it shows was taken by
// the machine (interrupts, other programs, the host) or belongs to the reads themselves.
#include <benchmark/benchmark.h>
#include <x86intrin.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bench/writer/cases.h"
#include "bench/writer/recorder.h"
#include "bench/writer/samples.h"
#include "bench/writer/scratch.h"

namespace ringside::bench {
namespace {

constexpr std::chrono::seconds kDuration{5};
constexpr int kRepetitions = 3;
constexpr double kQuantile = 0.9999;

// How often each duration in TSC ticks was seen; longer ones count as the longest (about 0.4 ms).
class Durations {
  public:
    void add(std::uint64_t ticks) { ++seen_[std::min<std::uint64_t>(ticks, kLongest)]; }

    std::uint64_t quantile(double share) const {
        std::uint64_t total = 0;
        for (const std::uint32_t count : seen_) total += count;
        const auto wanted = static_cast<std::uint64_t>(static_cast<double>(total) * share);
        std::uint64_t below = 0;
        for (std::uint64_t ticks = 0; ticks < kLongest; ++ticks) {
            below += seen_[ticks];
            if (below > wanted) return ticks;
        }
        return kLongest;
    }

  private:
    static constexpr std::uint64_t kLongest = (1u << 20) - 1;
    std::vector<std::uint32_t> seen_ = std::vector<std::uint32_t>(kLongest + 1);
};

// The fences keep the record between its two reads.
std::uint64_t read_tsc() {
    _mm_lfence();
    const std::uint64_t ticks = __rdtsc();
    _mm_lfence();
    return ticks;
}

void time_single_records(benchmark::State& state, std::span<const Gauge> gauges, const char* control_name) {
    using Clock = std::chrono::steady_clock;
    const double* const values = samples().data();
    for (auto _ : state) {
        Durations records;
        Durations control;
        const auto begin = Clock::now();
        const std::uint64_t begin_ticks = read_tsc();
        while (Clock::now() - begin < kDuration) {
            for (std::size_t i = 0; i < kManyGauges; ++i) {
                const Gauge gauge = gauges[i % gauges.size()];
                const std::uint64_t before = read_tsc();
                gauge.record(values[i % kSamples]);
                const std::uint64_t after = read_tsc();
                const std::uint64_t nothing = read_tsc();
                records.add(after - before);
                control.add(nothing - after);
            }
        }
        const auto ticks = static_cast<double>(read_tsc() - begin_ticks);
        const double seconds_per_tick = std::chrono::duration<double>(Clock::now() - begin).count() / ticks;
        state.SetIterationTime(static_cast<double>(records.quantile(kQuantile)) * seconds_per_tick);
        // A counter that begins with "case:" is a case of its own, in ns (bench/report.py).
        state.counters[std::string("case:") + control_name] =
            static_cast<double>(control.quantile(kQuantile)) * seconds_per_tick * 1e9;
    }
}

void record_p9999(benchmark::State& state) {
    time_single_records(state, {&recorder(RSIDE_CLOCK_COARSE).gauge, 1}, "record_p9999_control");
}

void record_p9999_10k(benchmark::State& state) {
    time_single_records(state, many_gauges(RSIDE_CLOCK_COARSE).in_random_order, "record_p9999_10k_control");
}

}  // namespace

void add_tail() {
    for (benchmark::internal::Benchmark* each : {benchmark::RegisterBenchmark("record_p9999", record_p9999),
                                                 benchmark::RegisterBenchmark("record_p9999_10k", record_p9999_10k)}) {
        each->UseManualTime()->Iterations(1)->Repetitions(kRepetitions);
    }
}

}  // namespace ringside::bench
