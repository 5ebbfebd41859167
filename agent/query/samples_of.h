// Windows as samples.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "agent/base/model.h"
#include "agent/promql/engine/source.h"

namespace ringside::agent {

inline constexpr std::uint64_t kNsPerMs = 1'000'000;
// Times within a VM's life; the end of a partial window is rounded up, as on its way upstream.
inline std::int64_t ms_up(std::uint64_t ns) { return static_cast<std::int64_t>((ns + kNsPerMs - 1) / kNsPerMs); }
// Saturates: a query may name times far beyond all windows.
inline std::uint64_t ns_of_ms(std::int64_t ms) {
    return ms <= 0 ? 0 : std::min(static_cast<std::uint64_t>(ms), UINT64_MAX / kNsPerMs) * kNsPerMs;
}

// The columns to read of a metric for a function that needs `wanted` (columns_for()), of those that the tier keeps.
std::uint32_t columns_to_read(Kind kind, std::uint32_t wanted, std::uint32_t kept);

// Appends the windows of `data` that end in (begin_ms, end_ms] and after the newest sample that is there already. Columns
// that `data` lacks are NaN where others are there. `start_ms`: since when a counter counts; 0: unknown.
void append_samples(const MetricInfo& metric, const SeriesData& data, std::int64_t begin_ms, std::int64_t end_ms,
                    std::int64_t start_ms, promql::SampleBuffer& buffer);

// A value of SeriesData::value as a sample.
double counter_of(Kind kind, std::uint64_t value);

// A histogram of what is in each bucket, the zero bucket first, and of how many there are in all: what lies above the range of
// buckets is in none of them, and stands in one more here. `zero_threshold`: that of the metric.
template <typename Count>
promql::FloatHistogram histogram_of(const MetricInfo& metric, double zero_threshold, std::span<const Count> buckets,
                                    std::uint64_t count, double sum) {
    promql::FloatHistogram histogram;
    histogram.schema = metric.histogram_scale;
    histogram.zero_threshold = zero_threshold;
    histogram.zero_count = static_cast<double>(buckets[0]);
    const auto empty = static_cast<std::size_t>(std::ranges::count(buckets, Count{0}));
    histogram.positive.reserve(buckets.size() + 1 - empty);
    std::uint64_t within = buckets[0];
    for (std::size_t i = 1; i < buckets.size(); ++i) {
        within += buckets[i];
        if (buckets[i] == 0) continue;
        const auto index = metric.bucket_first + static_cast<std::int32_t>(i) - 1;
        histogram.positive.push_back({index, static_cast<double>(buckets[i])});
    }
    if (count > within) {
        const auto above = metric.bucket_first + static_cast<std::int32_t>(metric.bucket_count);
        histogram.positive.push_back({above, static_cast<double>(count - within)});
    }
    histogram.count = static_cast<double>(std::max(count, within));
    histogram.sum = sum;
    return histogram;
}

// What a counter or histogram was before all: nothing.
void append_zero(const MetricInfo& metric, std::int64_t time_ms, promql::SampleBuffer& buffer);
void append_stale(const MetricInfo& metric, std::int64_t time_ms, promql::SampleBuffer& buffer);
void append_value(std::int64_t time_ms, double value, promql::SampleBuffer& buffer);

}  // namespace ringside::agent
