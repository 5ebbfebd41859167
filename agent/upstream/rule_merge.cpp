#include "agent/upstream/rule_merge.h"

#include <algorithm>

namespace ringside::agent {

bool merges_into(const MetricInfo& from, const MetricInfo& to) {
    const int finer = from.histogram_scale - to.histogram_scale;
    if (finer < 0) return false;
    const std::int64_t floor_from = std::int64_t{from.bucket_first} - 1, floor_to = std::int64_t{to.bucket_first} - 1;
    return floor_from <= floor_to * (std::int64_t{1} << finer);
}

std::vector<std::uint64_t> merged_buckets(const MetricInfo& from, const MetricInfo& to,
                                          const std::vector<std::uint64_t>& buckets) {
    const int finer = from.histogram_scale - to.histogram_scale;
    std::vector<std::uint64_t> merged(std::size_t{to.bucket_count} + 1);
    merged[0] = buckets[0];
    for (std::size_t i = 1; i < buckets.size(); ++i) {
        // Bucket `index` ends at the bound of that index, and begins after the one before.
        const std::int64_t index = std::int64_t{from.bucket_first} + static_cast<std::int64_t>(i) - 1;
        const std::int64_t place = ((index - 1) >> finer) + 1 - to.bucket_first + 1;
        if (place <= std::int64_t{to.bucket_count})
            merged[static_cast<std::size_t>(std::max<std::int64_t>(place, 0))] += buckets[i];
    }
    return merged;
}

}  // namespace ringside::agent
