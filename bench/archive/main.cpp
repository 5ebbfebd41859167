// archive_bench: what a sample costs in an archive file, and what the same windows cost in other forms.
// ./dev bench archive prints it for people (bench/README.md).
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstring>
#include <map>
#include <unordered_map>
#include <utility>

#include "agent/archive/archived_vm.h"
#include "agent/archive/block.h"
#include "agent/archive/writer.h"
#include "bench/archive/peers.h"
#include "bench/archive/recordings.h"
#include "bench/writer/scratch.h"

namespace ringside::bench {
namespace {

using agent::SeriesData;

constexpr std::uint64_t kNsPerS = 1'000'000'000;

// The windows of one kind in one tier. A sample is one value of one column of one window; all buckets of a histogram's
// window are one.
struct Group {
    std::uint64_t windows = 0, samples = 0, values = 0;  // with each bucket as a value
    std::uint64_t block_bytes = 0;                       // with checksums, times and flags
    double entropy_bits = 0;
    std::string plain;
};

struct Run {
    agent::BlockPlace place;
    std::string group;
    SeriesData data;
};

// One recording, packed.
struct Packed {
    std::vector<Run> runs;
    std::map<std::string, Group> groups;  // by "<kind>_<tier>"
    std::string path;                     // of the archive file
    std::uint64_t file_bytes = 0;
};

std::vector<std::vector<std::uint64_t>> columns_of(const SeriesData& data) {
    std::vector<std::vector<std::uint64_t>> columns;
    auto add = [&](const auto& values) {
        if (values.empty()) return;
        auto& column = columns.emplace_back(values.size());
        std::memcpy(column.data(), values.data(), values.size() * 8);
    };
    add(data.end_ns);
    add(data.count);
    add(data.sum);
    add(data.min);
    add(data.max);
    add(data.last);
    add(data.value);
    return columns;
}

// What a code of single symbols takes at least for the steps from one window to the next, if it knew how often each comes.
using Frequencies = std::unordered_map<std::uint64_t, std::uint64_t>;
double bits_of(const Frequencies& steps) {
    double all = 0, bits = 0;
    for (const auto& [step, count] : steps) all += static_cast<double>(count);
    for (const auto& [step, count] : steps)
        bits -= static_cast<double>(count) * std::log2(static_cast<double>(count) / all);
    return bits;
}

void add_entropy(Packed* packed) {
    std::map<std::pair<std::string, std::size_t>, Frequencies> steps;
    for (const Run& run : packed->runs) {
        const auto columns = columns_of(run.data);
        for (std::size_t c = 0; c < columns.size(); ++c) {
            for (std::size_t i = 1; i < columns[c].size(); ++i)
                ++steps[{run.group, c}][columns[c][i] - columns[c][i - 1]];
        }
        const std::size_t stride = run.data.buckets.size() / run.data.size();
        for (std::size_t i = stride; i < run.data.buckets.size(); ++i) {
            ++steps[{run.group, columns.size()}][run.data.buckets[i] - run.data.buckets[i - stride]];
        }
        for (std::uint8_t flags : run.data.flags) ++steps[{run.group, 99}][flags];
    }
    for (const auto& [key, frequencies] : steps) packed->groups[key.first].entropy_bits += bits_of(frequencies);
}

void add_run(Packed* packed, Run run) {
    Group& group = packed->groups[run.group];
    const auto columns = columns_of(run.data);
    const bool buckets = !run.data.buckets.empty();
    const std::size_t windows = run.data.size();
    group.windows += windows;
    group.samples += windows * (columns.size() - 1 + (buckets ? 1 : 0));
    group.values += windows * (columns.size() - 1) + run.data.buckets.size();
    for (const auto& column : columns)
        group.plain.append(reinterpret_cast<const char*>(column.data()), column.size() * 8);
    group.plain.append(run.data.flags.begin(), run.data.flags.end());
    group.plain.append(reinterpret_cast<const char*>(run.data.buckets.data()), run.data.buckets.size() * 8);
    const std::size_t step = agent::block_points(run.data);
    for (std::size_t first = 0; first < windows; first += step) {
        agent::BlockEntry entry;
        group.block_bytes += encode_block(run.place, run.data, first, std::min(step, windows - first), &entry).size();
    }
    packed->runs.push_back(std::move(run));
}

Packed pack(const Recording& recording) {
    Packed packed;
    const auto schema = recording.source->schema();
    const auto listed = recording.source->series();
    if (!listed.ok()) fail(listed.error().message());
    for (const agent::SeriesInfo& series : *listed) {
        for (std::uint32_t tier = 0; tier < schema->tiers.size(); ++tier) {
            auto data = recording.source->read(series.index, {.tier = tier});
            if (!data.ok()) fail(data.error().message());
            if (data->size() == 0) continue;
            const std::uint32_t resolution_s = schema->tiers[tier].resolution_s;
            std::string group = agent::kind_name(schema->metrics[series.metric].kind);
            group += "_" + std::to_string(resolution_s) + "s";
            add_run(&packed, {{series.index, tier, resolution_s * kNsPerS}, std::move(group), std::move(*data)});
        }
    }
    add_entropy(&packed);
    packed.path = scratch_folder("archive_" + recording.name) + "/vm.rsa";
    auto written = write_archive(agent::FileSystem::real(), packed.path, *recording.source, recording.source->vm(), 1);
    if (!written.ok()) fail(written.error().message());
    packed.file_bytes = written->bytes;
    return packed;
}

Group total_of(const Packed& packed) {
    Group total;
    for (const auto& [name, group] : packed.groups) {
        total.windows += group.windows;
        total.samples += group.samples;
        total.values += group.values;
        total.block_bytes += group.block_bytes;
        total.entropy_bits += group.entropy_bits;
        total.plain += group.plain;
    }
    return total;
}

void add_figure(const std::string& name, const char* counter, double figure) {
    auto run = [counter, figure](benchmark::State& state) {
        for (auto _ : state) state.counters[counter] = figure;
    };
    benchmark::RegisterBenchmark(name.c_str(), run)->Iterations(1);
}

void add_ratio(const std::string& name, double bytes, double samples) {
    add_figure(name, "bytes_a_sample", bytes / samples);
}

void add_sizes(const std::string& name, const Packed& packed, const Recording& recording) {
    for (const auto& [kind, group] : packed.groups) {
        add_ratio(name + "_" + kind, static_cast<double>(group.block_bytes), static_cast<double>(group.samples));
    }
    const Group total = total_of(packed);
    const auto samples = static_cast<double>(total.samples);
    const auto file_bytes = static_cast<double>(packed.file_bytes);
    add_ratio(name, file_bytes, samples);
    add_ratio(name + "_blocks", static_cast<double>(total.block_bytes), samples);
    add_ratio(name + "_a_window", file_bytes, static_cast<double>(total.windows));
    add_ratio(name + "_a_value", file_bytes, static_cast<double>(total.values));
    add_ratio(name + "_plain", static_cast<double>(total.plain.size()), samples);
    add_ratio(name + "_gzip", static_cast<double>(gzip_bytes(total.plain)), samples);
    add_ratio(name + "_zstd", static_cast<double>(zstd_bytes(total.plain)), samples);
    add_ratio(name + "_entropy", total.entropy_bits / 8, samples);
    add_figure(name + "_file", "bytes", file_bytes);
    add_figure(name + "_overhead", "bytes", file_bytes - static_cast<double>(total.block_bytes));
    const PrometheusChunks chunks = prometheus_chunks(*recording.source, recording.name);
    add_ratio(name + "_prometheus_1s", static_cast<double>(chunks.bytes), static_cast<double>(chunks.samples));
}

// Per window, for both are done window by window.
void add_speeds(const std::string& name, const Packed& packed) {
    const auto windows = static_cast<double>(total_of(packed).windows);
    auto encode = [&packed, windows](benchmark::State& state) {
        for (auto _ : state) {
            for (const Run& run : packed.runs) {
                agent::BlockEntry entry;
                const std::size_t count = std::min(run.data.size(), agent::block_points(run.data));
                benchmark::DoNotOptimize(encode_block(run.place, run.data, 0, count, &entry));
            }
        }
        state.counters["ns_a_window"] = benchmark::Counter(
            windows * 1e-9, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
    };
    auto verify = [&packed, windows](benchmark::State& state) {
        agent::SchemaPool pool;
        const auto vm = agent::ArchivedVm::open(agent::FileSystem::real(), packed.path, pool);
        if (!vm.ok()) fail(vm.error().message());
        for (auto _ : state) {
            if (auto sound = (*vm)->verify(); !sound.ok()) fail(sound.error().message());
        }
        state.counters["ns_a_window"] = benchmark::Counter(
            windows * 1e-9, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
    };
    benchmark::RegisterBenchmark((name + "_encode").c_str(), encode);
    benchmark::RegisterBenchmark((name + "_read_whole").c_str(), verify);
}

int run(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    const Scratch scratch;
    std::vector<std::unique_ptr<Packed>> all;
    std::string compare;
    for (const Recording& recording : recordings()) {
        const std::string& name = recording.name;
        all.push_back(std::make_unique<Packed>(pack(recording)));
        add_sizes(name, *all.back(), recording);
        add_speeds(name, *all.back());
        for (const char* peer : {"plain", "gzip", "zstd"}) compare += name + "_" + peer + "/" + name + " ";
        compare += name + "/" + name + "_entropy ";
    }
    benchmark::AddCustomContext("compare", compare);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}

}  // namespace
}  // namespace ringside::bench

int main(int argc, char** argv) { return ringside::bench::run(argc, argv); }
