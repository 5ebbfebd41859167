// The slow end of a gauge's records with the coarse clock, each record timed by itself, over seconds whose ends close windows:
// of one gauge, and of 10,000 in random order. Of those every gauge's first record in a second closes its window, about one
// record in a thousand, so their 99.99th percentile lies among records that close windows, in memory that is not at hand.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <span>

#include "bench/writer/cases.h"
#include "bench/writer/durations.h"
#include "bench/writer/recorder.h"
#include "bench/writer/samples.h"

namespace ringside::bench {
namespace {

constexpr int kRepetitions = 3;

// RINGSIDE_BENCH_TAIL_S: how long each repetition records, for runs that cross the ends of 5-minute windows as well.
std::chrono::seconds duration() {
    const char* const asked = std::getenv("RINGSIDE_BENCH_TAIL_S");
    const int seconds = asked ? std::atoi(asked) : 0;
    return std::chrono::seconds(seconds > 0 ? seconds : 5);
}

void time_single_records(benchmark::State& state, std::span<const Gauge> gauges, const char* name) {
    using Clock = std::chrono::steady_clock;
    const double* const values = samples().data();
    for (auto _ : state) {
        SingleCalls calls;
        const auto end = Clock::now() + duration();
        while (Clock::now() < end) {
            for (std::size_t i = 0; i < kManyGauges; ++i) {
                const Gauge gauge = gauges[i % gauges.size()];
                calls.time([=] { gauge.record(values[i % kSamples]); });
            }
        }
        calls.report(state, name);
    }
}

void record_p9999(benchmark::State& state) {
    time_single_records(state, {&recorder(RSIDE_CLOCK_COARSE).gauge, 1}, "record");
}

void record_10k_p9999(benchmark::State& state) {
    time_single_records(state, many_gauges(RSIDE_CLOCK_COARSE).in_random_order, "record_10k");
}

}  // namespace

void add_tail() {
    for (benchmark::internal::Benchmark* each : {benchmark::RegisterBenchmark("record_p9999", record_p9999),
                                                 benchmark::RegisterBenchmark("record_10k_p9999", record_10k_p9999)}) {
        each->UseManualTime()->Iterations(1)->Repetitions(kRepetitions);
    }
}

}  // namespace ringside::bench
