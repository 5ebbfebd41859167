#include "agent/query/samples_of.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "agent/base/bucket_bound.h"

namespace ringside::agent {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kNsPerS = 1e9;

// Any NaN that a VM wrote becomes an ordinary one, so that none is taken for a stale marker.
double ordinary(double value) { return std::isnan(value) ? kNan : value; }

double at_or_nan(const std::vector<double>& column, std::size_t i) {
    return column.empty() ? kNan : ordinary(column[i]);
}

// What stands for a window's value where its tier keeps no last one: the next best that it has.
double value_of(const SeriesData& data, std::size_t i) {
    if (!data.last.empty()) return ordinary(data.last[i]);
    if (!data.max.empty()) return ordinary(data.max[i]);
    if (!data.min.empty()) return ordinary(data.min[i]);
    return kNan;
}

// Whether `data` has a column to make samples of; which ones depends on what its tier keeps.
bool has_samples(Kind kind, const SeriesData& data) {
    if (kind == Kind::kHistogram) return !data.buckets.empty();
    if (is_counter(kind)) return !data.value.empty();
    return !data.last.empty() || !data.max.empty() || !data.min.empty() || !data.sum.empty() || !data.count.empty();
}

// Whether no bucket has less than in the window before, nor what lies above them.
bool grew(const SeriesData& data, std::size_t i, std::size_t stride) {
    const std::uint64_t* now = data.buckets.data() + i * stride;
    const std::uint64_t* before = now - stride;
    std::uint64_t growth = 0;
    bool fell = false;
    for (std::size_t bucket = 0; bucket < stride; ++bucket) {
        fell |= now[bucket] < before[bucket];
        growth += now[bucket] - before[bucket];
    }
    if (fell || data.count.empty()) return !fell;
    return data.count[i] >= data.count[i - 1] && data.count[i] - data.count[i - 1] >= growth;
}

// `follows`: the sample before it is that of the window before it in `data`, so that it is known whether it was reset.
promql::HistogramPtr histogram_at(const MetricInfo& metric, double zero_threshold, const SeriesData& data,
                                  std::size_t i, bool follows) {
    const std::size_t stride = std::size_t{metric.bucket_count} + 1;
    const std::span<const std::uint64_t> counts(data.buckets.data() + i * stride, stride);
    const std::uint64_t count = data.count.empty() ? 0 : data.count[i];
    auto histogram = std::make_shared<promql::FloatHistogram>(
        histogram_of(metric, zero_threshold, counts, count, at_or_nan(data.sum, i)));
    if (follows && grew(data, i, stride)) histogram->reset_hint = promql::ResetHint::kNotReset;
    return histogram;
}

// Gives stale markers their part in the columns: those that stand before the first window have none yet.
void fill_ends(promql::SampleBuffer& buffer) {
    for (std::size_t i = buffer.counts.size(); i < buffer.values.size() && promql::is_stale(buffer.values[i]); ++i) {
        for (auto* column : {&buffer.counts, &buffer.sums, &buffer.minima, &buffer.maxima}) {
            column->push_back(buffer.values[i]);
        }
    }
}

void append_window(const MetricInfo& metric, const SeriesData& data, std::size_t i, promql::SampleBuffer& buffer) {
    const bool has_windows = !data.count.empty() || !data.sum.empty() || !data.min.empty() || !data.max.empty();
    if (has_windows) {
        fill_ends(buffer);
        const double weight = metric.kind == Kind::kLevel ? kNsPerS : 1;
        buffer.counts.push_back(data.count.empty() ? kNan : static_cast<double>(data.count[i]) / weight);
        buffer.sums.push_back(at_or_nan(data.sum, i));
        buffer.minima.push_back(at_or_nan(data.min, i));
        buffer.maxima.push_back(at_or_nan(data.max, i));
    }
    buffer.values.push_back(value_of(data, i));
}

}  // namespace

double counter_of(Kind kind, std::uint64_t value) {
    return kind == Kind::kCounterF64 ? ordinary(std::bit_cast<double>(value)) : static_cast<double>(value);
}

std::uint32_t columns_to_read(Kind kind, std::uint32_t wanted, std::uint32_t kept) {
    if (is_counter(kind)) return kColumnValue;
    if (kind == Kind::kHistogram) return kColumnCount | kColumnSum | kColumnBuckets;
    if (!is_gauge(kind)) return 0;
    if (wanted != 0 && (wanted & ~kept) == 0) return wanted;
    if (kept & kColumnLast) return kColumnLast;
    return kept & kColumnMax ? kColumnMax : kept & kColumnMin;
}

namespace {

// The windows of `data` that are wanted, as positions: those that end in (begin, end] and after `newest_ms`.
std::pair<std::size_t, std::size_t> wanted(const SeriesData& data, std::int64_t begin_ms, std::int64_t end_ms,
                                           std::int64_t newest_ms) {
    const std::int64_t after_ms = std::max(begin_ms, newest_ms);
    std::size_t begin = 0, end = data.size();
    while (begin < end && ms_up(data.end_ns[begin]) <= after_ms) ++begin;
    while (end > begin && ms_up(data.end_ns[end - 1]) > end_ms) --end;
    return {begin, end};
}

void append_counters(const MetricInfo& metric, const SeriesData& data, std::size_t begin, std::size_t end,
                     std::int64_t start_ms, promql::SampleBuffer& buffer) {
    const std::size_t had = buffer.times_ms.size(), more = end - begin;
    buffer.times_ms.resize(had + more);
    buffer.values.resize(had + more);
    buffer.starts_ms.resize(had + more, start_ms);
    for (std::size_t i = 0; i < more; ++i) {
        buffer.times_ms[had + i] = ms_up(data.end_ns[begin + i]);
        buffer.values[had + i] = counter_of(metric.kind, data.value[begin + i]);
    }
}

}  // namespace

void append_samples(const MetricInfo& metric, const SeriesData& data, std::int64_t begin_ms, std::int64_t end_ms,
                    std::int64_t start_ms, promql::SampleBuffer& buffer) {
    const bool histogram = metric.kind == Kind::kHistogram;
    if (!has_samples(metric.kind, data)) return;
    auto& times = histogram ? buffer.histogram_times_ms : buffer.times_ms;
    const auto [begin, end] = wanted(data, begin_ms, end_ms, times.empty() ? INT64_MIN : times.back());
    if (is_counter(metric.kind)) return append_counters(metric, data, begin, end, start_ms, buffer);
    const double threshold = histogram ? zero_threshold(metric) : 0;
    for (std::size_t i = begin; i < end; ++i) {
        times.push_back(ms_up(data.end_ns[i]));
        if (histogram) {
            buffer.histograms.push_back(histogram_at(metric, threshold, data, i, i > begin));
            buffer.histogram_starts_ms.push_back(start_ms);
        } else {
            append_window(metric, data, i, buffer);
        }
    }
}

void append_zero(const MetricInfo& metric, std::int64_t time_ms, promql::SampleBuffer& buffer) {
    if (metric.kind == Kind::kHistogram) {
        auto zero = std::make_shared<promql::FloatHistogram>();
        zero->schema = metric.histogram_scale;
        zero->zero_threshold = zero_threshold(metric);
        buffer.histogram_times_ms.push_back(time_ms);
        buffer.histogram_starts_ms.push_back(time_ms);
        buffer.histograms.push_back(std::move(zero));
    } else {
        buffer.times_ms.push_back(time_ms);
        buffer.starts_ms.push_back(time_ms);
        buffer.values.push_back(0);
    }
}

void append_stale(const MetricInfo& metric, std::int64_t time_ms, promql::SampleBuffer& buffer) {
    if (metric.kind == Kind::kHistogram) {
        auto end = std::make_shared<promql::FloatHistogram>();
        end->sum = promql::stale_value();
        buffer.histogram_times_ms.push_back(time_ms);
        buffer.histogram_starts_ms.push_back(0);
        buffer.histograms.push_back(std::move(end));
        return;
    }
    append_value(time_ms, promql::stale_value(), buffer);
    if (is_counter(metric.kind)) buffer.starts_ms.push_back(0);
}

void append_value(std::int64_t time_ms, double value, promql::SampleBuffer& buffer) {
    buffer.times_ms.push_back(time_ms);
    buffer.values.push_back(value);
    if (!buffer.counts.empty()) fill_ends(buffer);
}

}  // namespace ringside::agent
