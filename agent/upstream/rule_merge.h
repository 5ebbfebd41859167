// Which histograms add up to one, and how: each bucket of the finer one lies within one bucket of the coarser one, since
// the bounds of a scale are among those of the next (libwriter's histogram.h).
#pragma once

#include <cstdint>
#include <vector>

#include "agent/base/model.h"

namespace ringside::agent {

// Whether no bucket of a histogram such as `from` crosses a bound of one such as `to`: its scale is as fine or finer, and
// its zero bucket ends where that of `to` does or before.
bool merges_into(const MetricInfo& from, const MetricInfo& to);

// Buckets of `from` as those of `to`, the zero bucket first in both. What lies below the range of `to` is in its zero
// bucket; what lies above is in none, as in any histogram.
std::vector<std::uint64_t> merged_buckets(const MetricInfo& from, const MetricInfo& to,
                                          const std::vector<std::uint64_t>& buckets);

}  // namespace ringside::agent
