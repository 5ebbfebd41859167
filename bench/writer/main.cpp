// writer_bench: what one record costs, and what the same costs with the libraries that people use today. All in one run on
// one core; ./dev bench writer prints it for people (bench/README.md).
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "bench/writer/cases.h"
#include "bench/writer/core.h"
#include "bench/writer/scratch.h"

namespace ringside::bench {
namespace {

// Which figure of a peer stands beside which of ours, for bench/report.py. prometheus-cpp is safe for many threads, so its
// counter is also held against the shared one.
constexpr const char* kCompare =
    "mmv_inc/counter_add_tick mmv_inc/counter_add_clock "
    "promcpp_counter/counter_add_tick promcpp_counter/counter_add_clock "
    "promcpp_counter/shared_counter_add_tick promcpp_counter/shared_counter_add_clock "
    "mmv_set/gauge_record_tick mmv_set/gauge_record_clock mmv_set/level_set_tick mmv_set/level_set_clock "
    "promcpp_gauge/gauge_record_tick promcpp_gauge/gauge_record_clock "
    "promcpp_gauge/level_set_tick promcpp_gauge/level_set_clock "
    "promcpp_histogram/histogram_record_tick promcpp_histogram/histogram_record_clock "
    "rrd_update_per_ds/gauge_record_clock rrd_update_per_ds/level_set_clock "
    // Ours against ours: what many series, a call, a reader and a slow moment cost.
    "gauge_record_tick_call/gauge_record_tick gauge_record_tick_100/gauge_record_tick "
    "gauge_record_tick_10k/gauge_record_tick "
    "gauge_record_tick_100_reader_1ms/gauge_record_tick_100 gauge_record_tick_100_reader_1s/gauge_record_tick_100 "
    "gauge_record_tick_10k_reader_1ms/gauge_record_tick_10k gauge_record_tick_10k_reader_1s/gauge_record_tick_10k";

int run(int argc, char** argv) {
    // Random order: what disturbs the machine for a while disturbs all cases alike. What the caller says comes last and wins.
    std::vector<std::string> defaults = {"--benchmark_repetitions=9", "--benchmark_min_time=0.1",
                                         "--benchmark_enable_random_interleaving=true"};
    std::vector<char*> words = {argv[0]};
    for (std::string& word : defaults) words.push_back(word.data());
    words.insert(words.end(), argv + 1, argv + argc);
    int count = static_cast<int>(words.size());
    words.push_back(nullptr);
    benchmark::Initialize(&count, words.data());
    if (benchmark::ReportUnrecognizedArguments(count, words.data())) return 2;

    const Scratch scratch;
    benchmark::AddCustomContext("cpu_model", cpu_model());
    benchmark::AddCustomContext("core", std::to_string(stay_on_measured_core()));
    benchmark::AddCustomContext("compare", kCompare);
    add_ringside();
    add_gauges();
    add_mmv();
    add_prometheus();
    add_rrd();
    add_tail();
    add_turns();
    add_set_up();
    add_floors();
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}

}  // namespace
}  // namespace ringside::bench

int main(int argc, char** argv) { return ringside::bench::run(argc, argv); }
