// Reads of one series, so much of it at a time.
#pragma once

#include <cstdint>
#include <optional>

#include "agent/base/model.h"
#include "agent/base/result.h"

namespace ringside::agent {

// What one read may put into memory.
inline constexpr std::uint64_t kReadBytes = 384 * 1024;

// Bytes of one point of this metric with these columns, in memory and about as much on the wire.
std::uint64_t point_bytes(const MetricInfo& metric, std::uint32_t columns);

// A series read piece by piece: rings can be larger than the agent's memory. Keeps no source.
class PiecewiseRead {
  public:
    // `request` is the whole of it.
    PiecewiseRead(const SchemaInfo& schema, const MetricInfo& metric, const VmInfo& vm, const ReadRequest& request,
                  std::uint64_t now_ns);

    // The next piece, maybe without a point.
    Result<SeriesData> next(const SeriesSource& source, std::uint32_t series_index);
    bool done() const { return begin_ns_ >= end_ns_; }

  private:
    ReadRequest request_;
    std::uint64_t begin_ns_;
    std::uint64_t end_ns_;
    std::uint64_t step_ns_;
};

// The newest window of a series and the tier it is from.
struct LatestPoint {
    SeriesData data;
    std::size_t point = 0;
    std::uint32_t resolution_s = 0;
};

// From the finest tier that has one; nothing when no tier has. Looks at the newest windows first.
Result<std::optional<LatestPoint>> read_latest(const SeriesSource& source, const SchemaInfo& schema,
                                               const MetricInfo& metric, const VmInfo& vm, std::uint32_t series_index,
                                               std::uint64_t now_ns);

}  // namespace ringside::agent
