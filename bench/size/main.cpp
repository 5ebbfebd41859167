// size_bench: what series cost in bytes, and what the same costs with librrd and in a Prometheus. ./dev bench size prints it
// for people (bench/README.md).
#include <benchmark/benchmark.h>

#include <utility>

#include "bench/size/cases.h"
#include "bench/writer/scratch.h"
#include "libwriter/toml/schema_toml.h"

namespace ringside::bench {
namespace {

constexpr const char* kCompare =
    "rrd_vmm/segment_vmm rrd_lean/segment_lean rrd_100_gauges/segment_100_gauges "
    "prometheus_series/segment_vmm_series prometheus_series/segment_lean_series";

constexpr const char* kLabels[] = {"n"};
constexpr rside_metric kGauge[] = {{"depth", RSIDE_GAUGE, 0, "", "", kLabels, 1, 100, 0, 0, 0}};
constexpr std::uint32_t kTierCount = 3;

OwnedSchema standard(const char* name) {
    SchemaResult result = schema_by_name_or_path(name);
    if (!result.ok()) fail(result.error());
    return std::move(result).value();
}

}  // namespace

const Subject* subjects() {
    static const OwnedSchema vmm = standard("vmm");
    static const OwnedSchema lean = standard("lean");
    static const rside_schema gauges = {"gauges", 1, rside_default_tiers, kTierCount, kGauge, 1, 0};
    static const Subject all[] = {{"vmm", vmm.get()}, {"lean", lean.get()}, {"100_gauges", &gauges}, {}};
    return all;
}

void add_case(const std::string& name, std::uint64_t (*measure)(const Subject&), const Subject& subject) {
    auto run = [measure, &subject](benchmark::State& state) {
        for (auto _ : state) state.counters["bytes"] = static_cast<double>(measure(subject));
    };
    benchmark::RegisterBenchmark(name.c_str(), run)->Iterations(1);
}

namespace {

int run(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    const Scratch scratch;
    benchmark::AddCustomContext("compare", kCompare);
    const Subject* const all = subjects();
    for (const Subject* at = all; at->schema; ++at) add_case("segment_" + at->name, segment_bytes, *at);
    for (const Subject* at = all; at->schema; ++at) add_case("rrd_" + at->name, rrd_bytes, *at);
    for (int i = 0; i < 2; ++i) add_case("segment_" + all[i].name + "_series", segment_series_bytes, all[i]);
    add_case("prometheus_series", prometheus_series_bytes, all[0]);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}

}  // namespace
}  // namespace ringside::bench

int main(int argc, char** argv) { return ringside::bench::run(argc, argv); }
