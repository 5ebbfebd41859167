// The records of the library, in tick mode and with the coarse clock. The windows that end while a case runs are closed by
// its records, as in a VMM.
#include <benchmark/benchmark.h>

#include "bench/writer/cases.h"
#include "bench/writer/recorder.h"
#include "bench/writer/time_calls.h"

namespace ringside::bench {
namespace {

// In tick mode the time advances once per round, by a tick that the round's records share the cost of.
template <typename Handle, typename Record>
void time_records(benchmark::State& state, rside_clock clock, Handle Recorder::*kind, Record record) {
    const Recorder& into = recorder(clock);
    const Handle handle = into.*kind;
    const double* const values = samples().data();
    const auto before = [&] {
        if (clock == RSIDE_CLOCK_TICK) into.segment.tick(now_ns());
    };
    time_calls(state, before, [=](std::size_t i) { record(handle, values[i]); });
}

void counter_add(benchmark::State& state, rside_clock clock) {
    time_records(state, clock, &Recorder::counter, [](Counter counter, double) { counter.add(); });
}

void shared_counter_add(benchmark::State& state, rside_clock clock) {
    time_records(state, clock, &Recorder::shared, [](SharedCounter counter, double) { counter.add(); });
}

void gauge_record(benchmark::State& state, rside_clock clock) {
    time_records(state, clock, &Recorder::gauge, [](Gauge gauge, double value) { gauge.record(value); });
}

void level_set(benchmark::State& state, rside_clock clock) {
    time_records(state, clock, &Recorder::level, [](Level level, double value) { level.set(value); });
}

void histogram_record(benchmark::State& state, rside_clock clock) {
    time_records(state, clock, &Recorder::histogram,
                 [](Histogram histogram, double value) { histogram.record(value); });
}

// What a call costs on top, for languages that cannot inline it.
[[gnu::noinline]] void record_by_call(Gauge gauge, double value) { gauge.record(value); }

void gauge_record_call(benchmark::State& state, rside_clock clock) {
    time_records(state, clock, &Recorder::gauge, [](Gauge gauge, double value) { record_by_call(gauge, value); });
}

}  // namespace

void add_ringside() {
    benchmark::RegisterBenchmark("counter_add_tick", counter_add, RSIDE_CLOCK_TICK);
    benchmark::RegisterBenchmark("counter_add_clock", counter_add, RSIDE_CLOCK_COARSE);
    benchmark::RegisterBenchmark("gauge_record_tick", gauge_record, RSIDE_CLOCK_TICK);
    benchmark::RegisterBenchmark("gauge_record_clock", gauge_record, RSIDE_CLOCK_COARSE);
    benchmark::RegisterBenchmark("level_set_tick", level_set, RSIDE_CLOCK_TICK);
    benchmark::RegisterBenchmark("level_set_clock", level_set, RSIDE_CLOCK_COARSE);
    benchmark::RegisterBenchmark("histogram_record_tick", histogram_record, RSIDE_CLOCK_TICK);
    benchmark::RegisterBenchmark("histogram_record_clock", histogram_record, RSIDE_CLOCK_COARSE);
    benchmark::RegisterBenchmark("shared_counter_add_tick", shared_counter_add, RSIDE_CLOCK_TICK);
    benchmark::RegisterBenchmark("shared_counter_add_clock", shared_counter_add, RSIDE_CLOCK_COARSE);
    benchmark::RegisterBenchmark("gauge_record_tick_call", gauge_record_call, RSIDE_CLOCK_TICK);
}

}  // namespace ringside::bench
