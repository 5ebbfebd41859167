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

std::uint32_t bucket_count(const rside_metric& metric) {
    if (metric.kind != RSIDE_HISTOGRAM) return 0;
    const int scale = metric.histogram_scale;
    return static_cast<std::uint32_t>(rside_histogram_index(metric.histogram_highest, scale) -
                                      rside_histogram_index(metric.histogram_lowest, scale) + 1);
}

std::uint64_t ring_bytes(const rside_metric& metric, const rside_tier& tier) {
    const std::uint32_t columns = tier.columns ? tier.columns : RSIDE_COLUMNS_ALL;
    const std::uint64_t words = rside_slot_words(metric.kind, columns, bucket_count(metric));
    return rside_round_up(words * 4 * tier.slots, RSIDE_CACHE_LINE);
}

std::uint64_t hot_bytes(const rside_metric& metric, std::uint32_t tier_count) {
    std::uint64_t bytes = sizeof(rside_series_record) + sizeof(rside_cell);
    if (rside_is_gauge(metric.kind)) {
        bytes += rside_round_up(2ul * (tier_count - 1) * sizeof(rside_accumulator), RSIDE_CACHE_LINE);
    }
    if (metric.kind == RSIDE_HISTOGRAM) bytes += rside_round_up((bucket_count(metric) + 1ul) * 8, RSIDE_CACHE_LINE);
    return bytes;
}

}  // namespace

SchemaCost cost_of(const rside_schema& schema) {
    SchemaCost cost;
    cost.name = schema.name;
    cost.version = schema.version;
    cost.hash = rside_schema_hash(&schema);
    cost.segment_bytes = rside_schema_size(&schema, nullptr);
    for (std::uint32_t t = 0; t < schema.tier_count; ++t) {
        cost.tiers.push_back({schema.tiers[t].resolution_s, schema.tiers[t].slots, 0});
    }
    std::uint64_t with_labels = 0;
    for (std::uint32_t m = 0; m < schema.metric_count; ++m) {
        const rside_metric& metric = schema.metrics[m];
        MetricCost& entry = cost.metrics.emplace_back();
        entry.name = metric.name;
        entry.kind = metric.kind;
        entry.max_series = metric.max_series;
        entry.series_bytes = hot_bytes(metric, schema.tier_count);
        cost.hot_bytes += entry.series_bytes * metric.max_series;
        for (std::uint32_t t = 0; t < schema.tier_count; ++t) {
            const std::uint64_t ring = ring_bytes(metric, schema.tiers[t]);
            entry.series_bytes += ring;
            cost.tiers[t].bytes += ring * metric.max_series;
        }
        entry.bytes = entry.series_bytes * metric.max_series;
        cost.series_capacity += metric.max_series;
        if (metric.label_count > 0) with_labels += metric.max_series;
    }
    cost.label_arena_bytes = schema.label_arena_bytes
                                 ? schema.label_arena_bytes
                                 : rside_round_up(with_labels * kArenaBytesPerSeries, RSIDE_CACHE_LINE);
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
    return cost_of(*schema->get());
}

}  // namespace ringside::ctl
