// PCP's memory-mapped values: one value of a metric in a mapped file, found once and set through a pointer. No history.
#include <benchmark/benchmark.h>
#include <pcp/pmapi.h>
// The order matters: mmv_stats.h uses the types of pmapi.h.
#include <pcp/mmv_stats.h>
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "bench/writer/cases.h"
#include "bench/writer/scratch.h"
#include "bench/writer/time_calls.h"

namespace ringside::bench {
namespace {

// The header's enum holds it as an unsigned number, its functions take an int.
constexpr int kNoInstances = static_cast<int>(MMV_INDOM_NULL);

struct Mmv {
    void* map = nullptr;
    pmAtomValue* counter = nullptr;
    pmAtomValue* gauge = nullptr;
};

Mmv make_mmv() {
    // libpcp writes $PCP_TMP_DIR/mmv/<name>, and the environment goes before /etc/pcp.conf.
    const std::string folder = scratch_folder("pcp");
    scratch_folder("pcp/mmv");
    setenv("PCP_TMP_DIR", folder.c_str(), 1);

    mmv_registry_t* const registry = mmv_stats_registry("bench", 1, MMV_FLAG_PROCESS);
    if (registry == nullptr) fail("mmv_stats_registry failed");
    const pmUnits unit{};
    mmv_stats_add_metric(registry, "calls", 1, MMV_TYPE_U64, MMV_SEM_COUNTER, unit, kNoInstances, "calls", "");
    mmv_stats_add_metric(registry, "depth", 2, MMV_TYPE_DOUBLE, MMV_SEM_INSTANT, unit, kNoInstances, "depth", "");

    Mmv made;
    made.map = mmv_stats_start(registry);
    if (made.map == nullptr) fail("mmv_stats_start could not write below " + folder);
    made.counter = mmv_lookup_value_desc(made.map, "calls", nullptr);
    made.gauge = mmv_lookup_value_desc(made.map, "depth", nullptr);
    if (made.counter == nullptr || made.gauge == nullptr) fail("mmv_lookup_value_desc does not know its own metrics");
    return made;
}

const Mmv& mmv() {
    static const Mmv made = make_mmv();
    return made;
}

void inc(benchmark::State& state) {
    const Mmv into = mmv();
    time_calls(state, [=](std::size_t) { mmv_inc(into.map, into.counter); });
    if (into.counter->ull < static_cast<std::uint64_t>(state.iterations())) fail("mmv_inc did not count");
}

void set(benchmark::State& state) {
    const Mmv into = mmv();
    const double* const values = samples().data();
    time_calls(state, [=](std::size_t i) { mmv_set_value(into.map, into.gauge, values[i]); });
    if (into.gauge->d != samples().back()) fail("mmv_set_value did not set");
}

}  // namespace

void add_mmv() {
    benchmark::RegisterBenchmark("mmv_inc", inc);
    benchmark::RegisterBenchmark("mmv_set", set);
}

}  // namespace ringside::bench
