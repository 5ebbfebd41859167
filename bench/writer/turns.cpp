// What closing windows costs: the records that are the first of a window, each timed by itself. Time is moved on by ticks,
// so that minutes pass in a second: of 620 windows of a second that close, 62 close one of 10 s as well, and two of them
// one of 5 minutes.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bench/writer/cases.h"
#include "bench/writer/durations.h"
#include "bench/writer/recorder.h"
#include "bench/writer/samples.h"

namespace ringside::bench {
namespace {

constexpr int kRepetitions = 5;
constexpr std::uint64_t kSeconds = 620;
constexpr std::size_t kSweep = std::size_t{64} << 20;

// Reads through more memory than the caches hold, as a guest does between two windows.
void sweep_caches() {
    static const std::vector<std::uint64_t> memory(kSweep / sizeof(std::uint64_t), 1);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < memory.size(); i += 8) sum += memory[i];
    benchmark::DoNotOptimize(sum);
}

template <typename Between>
void time_turns(benchmark::State& state, const char* name, Between between) {
    const Gauges& into = turning_gauges();
    const double* const values = samples().data();
    // Each repetition goes on where the one before ended.
    static std::uint64_t now = now_ns() / RSIDE_NS_PER_S * RSIDE_NS_PER_S;
    for (auto _ : state) {
        SingleCalls calls;
        for (std::uint64_t second = 0; second < kSeconds; ++second) {
            now += RSIDE_NS_PER_S;
            into.segment.tick(now);
            for (std::size_t i = 0; i < kSomeGauges; ++i) {
                calls.time([=, &into] { into.in_random_order[i].record(values[i]); });
            }
            between(into);
        }
        calls.report(state, name);
    }
}

void turn_p9999(benchmark::State& state) {
    time_turns(state, "turn", [](const Gauges& into) {
        for (std::size_t i = 0; i < into.in_random_order.size(); ++i) into.in_random_order[i].record(samples()[i]);
    });
}

void turn_cold_p9999(benchmark::State& state) {
    time_turns(state, "turn_cold", [](const Gauges&) { sweep_caches(); });
}

}  // namespace

void add_turns() {
    for (benchmark::internal::Benchmark* each : {benchmark::RegisterBenchmark("turn_p9999", turn_p9999),
                                                 benchmark::RegisterBenchmark("turn_cold_p9999", turn_cold_p9999)}) {
        each->UseManualTime()->Iterations(1)->Repetitions(kRepetitions);
    }
}

}  // namespace ringside::bench
