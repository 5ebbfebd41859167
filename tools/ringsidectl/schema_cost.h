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
    // Of one series: directory entry, cell, accumulators, hot buckets, rings; no label values.
    std::uint64_t series_bytes = 0;
    std::uint64_t bytes = 0;  // of all max_series
};

struct TierCost {
    std::uint32_t resolution_s = 0;
    std::uint32_t slots = 0;
    std::uint32_t columns = 0;
    std::uint64_t bytes = 0;  // its rings, of all series
};

// The rings of one tier whose slots have one shape: those of all counters, say.
struct RingCost {
    std::uint32_t resolution_s = 0;
    std::vector<std::uint8_t> kinds;
    std::uint32_t columns = 0;  // that these kinds keep there
    std::uint64_t slot_bytes = 0;
    std::uint64_t series = 0;
    std::uint64_t series_bytes = 0;  // the ring of one of them
    std::uint64_t bytes = 0;         // of all
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
    std::vector<RingCost> rings;    // the same bytes by tier, finest first, and by shape
    std::vector<MetricCost> metrics;
};

// `schema` must obey the rules.
SchemaCost cost_of(const rside_schema& schema);

// A standard schema or a TOML file. kNotFound when there is no such name or file, kDenied when it may not be read, kCorrupt
// when it breaks a rule; the text says where.
Result<OwnedSchema> load_schema(const std::string& name_or_path);
Result<SchemaCost> schema_cost(const std::string& name_or_path);

}  // namespace ringside::ctl
