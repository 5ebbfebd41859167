// The same windows in other forms.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/model.h"

namespace ringside::bench {

// Windows column by column, 8 bytes a value, times and flags included, by zlib and by zstd at their best.
std::uint64_t gzip_bytes(const std::string& plain);
std::uint64_t zstd_bytes(const std::string& plain);

struct PrometheusChunks {
    std::uint64_t bytes = 0, samples = 0;
};
// Counters and the last values of gauges, of the finest tier, in the blocks that promtool makes of them.
PrometheusChunks prometheus_chunks(const agent::SeriesSource& source, const std::string& name);

}  // namespace ringside::bench
