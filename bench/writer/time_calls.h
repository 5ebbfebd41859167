// The one loop in which all cases are timed, so that its own cost (empty_loop) is the same in all figures.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>

#include "bench/writer/samples.h"

namespace ringside::bench {

// Times call(i) for i = 0, 1, .. kCalls - 1, again and again. `before` runs once per round and is timed with it.
template <std::size_t kCalls = kSamples, typename Before, typename Call>
void time_calls(benchmark::State& state, Before before, Call call) {
    while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(kCalls))) {
        before();
        for (std::size_t i = 0; i < kCalls; ++i) {
            call(i);
            // Between two records a VMM does other things: nothing that is read from memory lives on in a register.
            benchmark::ClobberMemory();
        }
    }
}

template <typename Call>
void time_calls(benchmark::State& state, Call call) {
    time_calls(
        state, [] {}, call);
}

}  // namespace ringside::bench
