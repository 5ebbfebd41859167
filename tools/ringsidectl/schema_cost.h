// What a schema costs in bytes, part by part.
#pragma once

#include <ringside/schema.h>

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "libwriter/toml/owned_schema.h"

namespace ringside::ctl {

using agent::Result;

struct MetricCost {
    std::string name;
    std::uint8_t kind = 0;
    std::uint32_t max_series = 0;
    std::uint64_t series_bytes =
        0;                    // of one series: directory entry, cell, accumulators, hot buckets, rings; no label values
    std::uint64_t bytes = 0;  // of all max_series
};

struct TierCost {
    std::uint32_t resolution_s = 0;
    std::uint32_t slots = 0;
    std::uint64_t bytes = 0;  // its rings, of all series
};

// The parts add up to segment_bytes exactly.
struct SchemaCost {
    std::string name;
    std::uint32_t version = 0;
    std::uint64_t hash = 0;
    std::uint64_t segment_bytes = 0;
    std::uint32_t series_capacity = 0;
    std::uint64_t label_arena_bytes = 0;
    std::uint64_t hot_bytes = 0;    // directory, cells, accumulators, hot buckets
    std::uint64_t fixed_bytes = 0;  // header page, schema block, rounding up to pages
    std::vector<TierCost> tiers;    // finest first
    std::vector<MetricCost> metrics;
};

// `schema` must obey the rules.
SchemaCost cost_of(const rside_schema& schema);

// A standard schema or a TOML file. kNotFound when there is no such name or file, kDenied when it may not be read, kCorrupt
// when it breaks a rule; the text says where.
Result<OwnedSchema> load_schema(const std::string& name_or_path);
Result<SchemaCost> schema_cost(const std::string& name_or_path);

}  // namespace ringside::ctl
