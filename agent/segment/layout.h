// What follows from a checked schema block: the schema itself and where everything lies. Internal to agent/segment, because
// it names types of the byte format.
//
// Invariants:
//  L1  A SegmentLayout exists only for a schema that passed every check; it owns all its bytes and never changes.
//  L2  Offsets are computed from the schema (rside_geometry_compute), never taken from a segment.
#pragma once

#include <ringside/format.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "agent/base/model.h"
#include "agent/segment/refusal.h"

namespace ringside::agent {

struct SegmentLayout {
    std::vector<std::byte> bytes;  // the schema block
    std::shared_ptr<const SchemaInfo> schema;
    rside_geometry geometry{};
    std::vector<rside_metric_geometry> metrics;  // one per metric of the schema

    // The metric that owns directory entry `index`, which is below geometry.series_capacity.
    std::uint32_t metric_of(std::uint32_t index) const;
};

// Checks a schema block against every rule of schema.h. The block is at most kMaxSchemaBytes long.
Checked<SegmentLayout> check_schema(std::vector<std::byte> block);

inline constexpr std::uint64_t kMaxSchemaBytes =
    sizeof(rside_schema_block) + std::uint64_t{RSIDE_MAX_TIERS} * sizeof(rside_tier_record) +
    std::uint64_t{RSIDE_MAX_METRICS} * sizeof(rside_metric_record) + RSIDE_MAX_STRINGS_BYTES;

// Lets segments with the same schema bytes share one SegmentLayout. Found by the hash and compared byte by byte, because anybody
// can make two schemas with one hash. Any thread.
class LayoutCache {
  public:
    // The layout of `block`, whose hash is `hash`.
    Checked<std::shared_ptr<const SegmentLayout>> get(std::uint64_t hash, std::vector<std::byte> block);

    // Layouts remembered: those in use, and some that nobody has any more.
    std::size_t size() const;

  private:
    mutable std::mutex mutex_;
    // Guarded by mutex_. Weak, so that the last segment of a layout takes it along.
    std::unordered_multimap<std::uint64_t, std::weak_ptr<const SegmentLayout>> layouts_;
};

}  // namespace ringside::agent
