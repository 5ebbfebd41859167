// What the machine asks for the parts of a record: the cost of the loop, of a store, of a locked add, of the time.
#include <benchmark/benchmark.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "bench/writer/cases.h"
#include "bench/writer/time_calls.h"

namespace ringside::bench {
namespace {

// Relaxed everywhere: one thread, and the cost of the bare instruction is the question.
std::atomic<std::uint64_t> word{0};

void empty_loop(benchmark::State& state) {
    time_calls(state, [](std::size_t) {});
}

void relaxed_store(benchmark::State& state) {
    time_calls(state, [](std::size_t i) { word.store(i, std::memory_order_relaxed); });
}

void lock_xadd(benchmark::State& state) {
    time_calls(state, [](std::size_t i) { benchmark::DoNotOptimize(word.fetch_add(i, std::memory_order_relaxed)); });
}

void coarse_clock(benchmark::State& state) {
    time_calls(state, [](std::size_t) {
        timespec now;
        clock_gettime(CLOCK_REALTIME_COARSE, &now);
        benchmark::DoNotOptimize(now);
    });
}

void cheapest_syscall(benchmark::State& state) {
    time_calls(state, [](std::size_t) { benchmark::DoNotOptimize(::syscall(SYS_getppid)); });
}

}  // namespace

void add_floors() {
    benchmark::RegisterBenchmark("empty_loop", empty_loop);
    benchmark::RegisterBenchmark("relaxed_store", relaxed_store);
    benchmark::RegisterBenchmark("lock_xadd", lock_xadd);
    benchmark::RegisterBenchmark("coarse_clock", coarse_clock);
    benchmark::RegisterBenchmark("syscall", cheapest_syscall);
}

}  // namespace ringside::bench
