#include "bench/query/workload.h"

#include <cmath>

namespace ringside::bench {
namespace {

constexpr int kScale = 1;  // two buckets for each factor of two
constexpr double kLowest = 0.001, kHighest = 1;

const char* const kCounterLabels[] = {"s"};
constexpr rside_tier kTiers[] = {{1, 900, 0}, {10, 360, 0}};
const rside_metric kMetrics[] = {
    {"m", RSIDE_COUNTER, 0, "", "", kCounterLabels, 1, kCounters, 0, 0, 0},
    {"h", RSIDE_HISTOGRAM, 0, "seconds", "", nullptr, 0, 1, kScale, kLowest, kHighest},
};
constexpr rside_schema kSchema = {"bench", 1, kTiers, 2, kMetrics, 2, 0};

int first_bucket() { return rside_histogram_index(kLowest, kScale); }

}  // namespace

const rside_schema& schema() { return kSchema; }

std::uint32_t bucket_count() { return rside_histogram_buckets(&kMetrics[1]); }

double bucket_bound(std::uint32_t bucket) {
    return rside_histogram_bound(first_bucket() + static_cast<int>(bucket), kScale);
}

std::string vm_name(std::uint32_t vm) { return "vm-" + std::to_string(vm); }

std::uint32_t observed_bucket(std::uint32_t vm, std::uint64_t second, std::uint32_t observation) {
    // Low buckets are more frequent than high ones: the smaller of two draws.
    const std::uint64_t draw = (vm * 2654435761u + second * 40503u + observation * 9973u) * 0x9e3779b97f4a7c15u >> 20;
    const std::uint64_t count = bucket_count();
    return static_cast<std::uint32_t>(std::min(draw % count, draw / count % count));
}

double observed_value(std::uint32_t bucket) { return bucket_bound(bucket) * std::exp2(-0.5 / (1 << kScale)); }

void add_second(std::uint32_t vm, std::uint64_t second, VmTotals& totals) {
    for (std::uint32_t i = 0; i < kCounters; ++i) totals.counters[i] += counter_delta(vm, i, second);
    for (std::uint32_t i = 0; i < kObservations; ++i) {
        const std::uint32_t bucket = observed_bucket(vm, second, i);
        totals.buckets[bucket] += 1;
        totals.sum += observed_value(bucket);
    }
}

}  // namespace ringside::bench
