#include "tools/ringsidectl/schema_cost.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "libwriter/toml/schema_toml.h"
#include "libwriter/toml/standard_schemas.h"

namespace ringside::ctl {
namespace {

using agent::Code;
using agent::error;

// As the writer library reads a schema: no columns means all, no arena means 64 bytes a series that has labels.
constexpr std::uint64_t kArenaBytesPerSeries = 64;

std::uint32_t columns_of(const rside_tier& tier) { return tier.columns ? tier.columns : RSIDE_COLUMNS_ALL; }

std::uint64_t arena_bytes(const rside_schema& schema) {
    if (schema.label_arena_bytes != 0) return schema.label_arena_bytes;
    std::uint64_t with_labels = 0;
    for (std::uint32_t m = 0; m < schema.metric_count; ++m) {
        if (schema.metrics[m].label_count > 0) with_labels += schema.metrics[m].max_series;
    }
    return rside_round_up(with_labels * kArenaBytesPerSeries, RSIDE_CACHE_LINE);
}

// Where the parts of each metric lie, by the sums of the format. Names and labels only move all of them alike, so they are
// left out: what counts here are the steps from series to series.
std::vector<rside_metric_geometry> geometry_of(const rside_schema& schema) {
    rside_schema_block block{};
    block.tier_count = schema.tier_count;
    block.metric_count = schema.metric_count;
    std::vector<rside_tier_record> tiers;
    for (std::uint32_t t = 0; t < schema.tier_count; ++t) {
        const rside_tier& tier = schema.tiers[t];
        tiers.push_back({tier.resolution_s, tier.slots, columns_of(tier), 0});
    }
    std::vector<rside_metric_record> metrics(schema.metric_count);
    for (std::uint32_t m = 0; m < schema.metric_count; ++m) {
        const rside_metric& metric = schema.metrics[m];
        metrics[m].kind = metric.kind;
        metrics[m].max_series = metric.max_series;
        if (metric.kind == RSIDE_HISTOGRAM) metrics[m].bucket_count = rside_histogram_buckets(&metric);
    }
    std::vector<rside_metric_geometry> places(schema.metric_count);
    rside_geometry whole;
    rside_geometry_compute(&block, tiers.data(), metrics.data(), &whole, places.data());
    return places;
}

// Adds the rings of `metric` in one tier to those of the same shape.
void add_rings(std::vector<RingCost>& rings, const rside_metric& metric, const rside_tier& tier,
               std::uint64_t slot_bytes, std::uint64_t series_bytes) {
    if (slot_bytes == 0) return;
    const std::uint32_t columns = rside_columns_of(metric.kind, columns_of(tier));
    auto ring = std::ranges::find_if(rings, [&](const RingCost& entry) {
        return entry.resolution_s == tier.resolution_s && entry.columns == columns && entry.slot_bytes == slot_bytes;
    });
    if (ring == rings.end()) {
        ring = rings.insert(ring, {tier.resolution_s, {}, columns, slot_bytes, 0, series_bytes, 0});
    }
    if (std::ranges::find(ring->kinds, metric.kind) == ring->kinds.end()) ring->kinds.push_back(metric.kind);
    ring->series += metric.max_series;
    ring->bytes += series_bytes * metric.max_series;
}

}  // namespace

SchemaCost cost_of(const rside_schema& schema) {
    SchemaCost cost;
    cost.name = schema.name;
    cost.version = schema.version;
    cost.hash = rside_schema_hash(&schema);
    cost.segment_bytes = rside_schema_size(&schema, nullptr);
    cost.label_arena_bytes = arena_bytes(schema);
    for (std::uint32_t t = 0; t < schema.tier_count; ++t) {
        cost.tiers.push_back({schema.tiers[t].resolution_s, schema.tiers[t].slots, columns_of(schema.tiers[t]), 0});
    }
    const std::vector<rside_metric_geometry> places = geometry_of(schema);
    for (std::uint32_t m = 0; m < schema.metric_count; ++m) {
        const rside_metric& metric = schema.metrics[m];
        const rside_metric_geometry& place = places[m];
        MetricCost& entry = cost.metrics.emplace_back();
        entry.name = metric.name;
        entry.kind = metric.kind;
        entry.max_series = metric.max_series;
        entry.series_bytes =
            sizeof(rside_series_record) + sizeof(rside_cell) + place.accumulators_step + place.hot_buckets_step;
        cost.hot_bytes += entry.series_bytes * metric.max_series;
        for (std::uint32_t t = 0; t < schema.tier_count; ++t) {
            const std::uint64_t ring = place.ring_step[t];
            entry.series_bytes += ring;
            cost.tiers[t].bytes += ring * metric.max_series;
            add_rings(cost.rings, metric, schema.tiers[t], place.slot_words[t] * sizeof(std::uint32_t), ring);
        }
        entry.bytes = entry.series_bytes * metric.max_series;
        cost.series_capacity += metric.max_series;
    }
    std::ranges::stable_sort(cost.rings, {}, &RingCost::resolution_s);
    cost.fixed_bytes = cost.segment_bytes - cost.label_arena_bytes - cost.hot_bytes;
    for (const TierCost& tier : cost.tiers) cost.fixed_bytes -= tier.bytes;
    return cost;
}

Result<OwnedSchema> load_schema(const std::string& name_or_path) {
    SchemaResult result = schema_by_name_or_path(name_or_path);
    if (result.ok()) return std::move(result).value();
    const auto& standard = schemas::all();
    const bool is_standard = std::any_of(standard.begin(), standard.end(),
                                         [&](const schemas::Standard& entry) { return entry.name == name_or_path; });
    const bool is_path = name_or_path.find('/') != std::string::npos || name_or_path.ends_with(".toml");
    if (!is_standard && !is_path) return error(Code::kNotFound, result.error());
    if (is_path && access(name_or_path.c_str(), R_OK) != 0) {
        return error(errno == EACCES ? Code::kDenied : Code::kNotFound, result.error());
    }
    return error(Code::kCorrupt, result.error());
}

Result<SchemaCost> schema_cost(const std::string& name_or_path) {
    const auto schema = load_schema(name_or_path);
    if (!schema) return schema.error();
    return cost_of(**schema);
}

}  // namespace ringside::ctl
