// The arithmetic of stat_columns.h.
#include <ringside/schema.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "tools/ringsidectl/selector.h"
#include "tools/ringsidectl/stat_columns.h"

namespace ringside::ctl {
namespace {

using agent::Kind;
using agent::SeriesData;

constexpr double kNsPerS = 1e9;
constexpr std::size_t kNone = SIZE_MAX;

// The newest point with T <= at, or kNone.
std::size_t point_at(const SeriesData& data, std::uint64_t at) {
    const auto after = std::upper_bound(data.end_ns.begin(), data.end_ns.end(), at);
    return after == data.end_ns.begin() ? kNone : static_cast<std::size_t>(after - data.end_ns.begin()) - 1;
}

// Whether the series began in the window of this point: then the window is partial at its begin, and its end is a whole one.
bool began_in(const SeriesOfPoints& series, std::size_t i) {
    const bool whole_end = series.data.end_ns[i] % (series.resolution_s * std::uint64_t{1'000'000'000}) == 0;
    return (series.data.flags[i] & agent::kPointPartial) && whole_end;
}

// Two points between which something cumulative grew. `base` is kNone for a series that began in between: from 0.
struct Growth {
    std::size_t base = kNone, end = kNone;
    double seconds = 0;
};

bool find_growth(const SeriesOfPoints& series, std::uint64_t begin_ns, std::uint64_t end_ns, Growth& growth) {
    growth.end = point_at(series.data, end_ns);
    growth.base = point_at(series.data, begin_ns);
    if (growth.end == kNone || growth.end == growth.base) return false;
    std::uint64_t from_ns = begin_ns;
    if (growth.base != kNone) {
        from_ns = series.data.end_ns[growth.base];
    } else if (series.created_ns < begin_ns && !began_in(series, 0)) {
        return false;  // it was there before, and where it stood then is not known
    }
    growth.seconds = static_cast<double>(series.data.end_ns[growth.end] - from_ns) / kNsPerS;
    return growth.seconds > 0;
}

double counter_value(const SeriesOfPoints& series, std::size_t i) {
    if (i == kNone) return 0;
    if (series.kind == Kind::kCounterF64) return std::bit_cast<double>(series.data.value[i]);
    return static_cast<double>(series.data.value[i]);
}

// What a counter or the count of a histogram grew by. Integers are subtracted as integers: 2^53 is reached by bytes.
double grown(const SeriesOfPoints& series, const Growth& growth) {
    const SeriesData& data = series.data;
    const auto difference = [&](const std::vector<std::uint64_t>& values) {
        return static_cast<double>(values[growth.end] - (growth.base == kNone ? 0 : values[growth.base]));
    };
    if (series.kind == Kind::kHistogram) return difference(data.count);
    if (series.kind == Kind::kCounter) return difference(data.value);
    return counter_value(series, growth.end) - counter_value(series, growth.base);
}

template <typename Take>
void each_in_range(const SeriesOfPoints& series, std::uint64_t begin_ns, std::uint64_t end_ns, Take take) {
    for (std::size_t i = 0; i < series.data.size(); ++i) {
        if (series.data.end_ns[i] > begin_ns && series.data.end_ns[i] <= end_ns) take(i);
    }
}

struct Mean {
    double sum = 0, weight = 0;
};

// Of a sampled gauge or a histogram: of all observations.
void add_to_mean(const SeriesOfPoints& series, std::uint64_t begin_ns, std::uint64_t end_ns, Mean& mean) {
    const SeriesData& data = series.data;
    if (series.kind == Kind::kHistogram) {
        Growth growth;
        if (!find_growth(series, begin_ns, end_ns, growth)) return;
        mean.sum += data.sum[growth.end] - (growth.base == kNone ? 0 : data.sum[growth.base]);
        mean.weight += grown(series, growth);
        return;
    }
    // A level's count is nanoseconds, its sum value x seconds.
    const double scale = series.kind == Kind::kLevel ? 1 / kNsPerS : 1;
    each_in_range(series, begin_ns, end_ns, [&](std::size_t i) {
        mean.sum += data.sum[i];
        mean.weight += static_cast<double>(data.count[i]) * scale;
    });
}

// Buckets of several series of one layout, grown over the interval.
struct Merged {
    std::vector<double> buckets;  // the zero bucket first
    double count = 0;
    int scale = 0;
    std::int32_t first = 0;
    bool mixed = false;
};

void merge(const SeriesOfPoints& series, const Growth& growth, Merged& merged) {
    const std::size_t stride = series.bucket_count + std::size_t{1};
    if (merged.buckets.empty()) {
        merged.buckets.resize(stride);
        merged.scale = series.histogram_scale;
        merged.first = series.bucket_first;
    }
    if (merged.buckets.size() != stride || merged.scale != series.histogram_scale ||
        merged.first != series.bucket_first) {
        merged.mixed = true;
        return;
    }
    const std::vector<std::uint64_t>& from = series.data.buckets;
    for (std::size_t k = 0; k < stride; ++k) {
        const std::uint64_t before = growth.base == kNone ? 0 : from[growth.base * stride + k];
        merged.buckets[k] += static_cast<double>(from[growth.end * stride + k] - before);
    }
    // Observations above the last bucket are in the count alone; a tier may keep buckets without counts.
    merged.count += series.data.count.empty() ? 0 : grown(series, growth);
}

Value quantile_of(const Merged& merged, double quantile) {
    if (merged.mixed || merged.buckets.empty()) return {};
    double in_buckets = 0;
    for (double bucket : merged.buckets) in_buckets += bucket;
    const double total = std::max(in_buckets, merged.count);
    if (total <= 0) return {};
    const double rank = quantile * total;
    double below = 0;
    for (std::size_t k = 0; k < merged.buckets.size(); ++k) {
        const double inside = merged.buckets[k];
        if (inside <= 0 || below + inside < rank) {
            below += inside;
            continue;
        }
        const double share = (rank - below) / inside;
        const std::int32_t index = merged.first + static_cast<std::int32_t>(k) - 1;
        const double upper = rside_histogram_bound(index, merged.scale);
        if (k == 0) return upper * share;  // the zero bucket: from 0, linear
        const double lower = rside_histogram_bound(index - 1, merged.scale);
        return lower * std::exp2(std::log2(upper / lower) * share);
    }
    // Above the last bucket: no more is known than its bound.
    return rside_histogram_bound(merged.first + static_cast<std::int32_t>(merged.buckets.size()) - 2, merged.scale);
}

Value last_or_extreme(StatFunction function, const std::vector<const SeriesOfPoints*>& series, std::uint64_t begin_ns,
                      std::uint64_t end_ns) {
    Value result;
    const auto combine = [&](double value) {
        const double* old = std::get_if<double>(&result);
        if (!old) {
            result = value;
        } else if (function == StatFunction::kLast) {
            result = *old + value;
        } else {
            result = function == StatFunction::kMin ? std::min(*old, value) : std::max(*old, value);
        }
    };
    for (const SeriesOfPoints* one : series) {
        if (function == StatFunction::kLast) {
            const std::size_t i = point_at(one->data, end_ns);
            if (i != kNone && one->data.end_ns[i] > begin_ns) combine(one->data.last[i]);
            continue;
        }
        const std::vector<double>& values = function == StatFunction::kMin ? one->data.min : one->data.max;
        each_in_range(*one, begin_ns, end_ns, [&](std::size_t i) { combine(values[i]); });
    }
    return result;
}

Value growth_value(const StatColumn& column, const std::vector<const SeriesOfPoints*>& series, std::uint64_t begin_ns,
                   std::uint64_t end_ns) {
    double total = 0;
    bool any = false;
    for (const SeriesOfPoints* one : series) {
        Growth growth;
        if (!find_growth(*one, begin_ns, end_ns, growth)) continue;
        const double seconds = column.function == StatFunction::kRate ? growth.seconds : 1;
        total += grown(*one, growth) / seconds;
        any = true;
    }
    return any ? Value(total) : Value();
}

// Whether the answer has the columns that the function reads: what a peer leaves out is unknown, not a crash.
bool keeps(const StatColumn& column, const SeriesOfPoints& series) {
    const SeriesData& data = series.data;
    const bool histogram = series.kind == Kind::kHistogram;
    switch (column.function.value_or(StatFunction::kRate)) {
        case StatFunction::kRate:
        case StatFunction::kIncrease: return histogram ? !data.count.empty() : !data.value.empty();
        case StatFunction::kAvg: return !data.count.empty() && !data.sum.empty();
        case StatFunction::kLast: return !data.last.empty();
        case StatFunction::kMin: return !data.min.empty();
        case StatFunction::kMax: return !data.max.empty();
        case StatFunction::kQuantile: return histogram && !data.buckets.empty();
    }
    return false;
}

}  // namespace

Value stat_value(const StatColumn& column, const std::vector<SeriesOfPoints>& all, std::uint64_t begin_ns,
                 std::uint64_t end_ns) {
    std::vector<const SeriesOfPoints*> series;
    for (const SeriesOfPoints& one : all) {
        if (one.resolution_s == column.resolution_s && keeps(column, one) &&
            selects(column.selector, one.metric, one.labels)) {
            series.push_back(&one);
        }
    }
    switch (column.function.value_or(StatFunction::kRate)) {
        case StatFunction::kRate:
        case StatFunction::kIncrease: return growth_value(column, series, begin_ns, end_ns);
        case StatFunction::kLast:
        case StatFunction::kMin:
        case StatFunction::kMax: return last_or_extreme(*column.function, series, begin_ns, end_ns);
        case StatFunction::kAvg: {
            Mean mean;
            for (const SeriesOfPoints* one : series) add_to_mean(*one, begin_ns, end_ns, mean);
            return mean.weight > 0 ? Value(mean.sum / mean.weight) : Value();
        }
        case StatFunction::kQuantile: {
            Merged merged;
            for (const SeriesOfPoints* one : series) {
                Growth growth;
                if (find_growth(*one, begin_ns, end_ns, growth)) merge(*one, growth, merged);
            }
            return quantile_of(merged, column.quantile);
        }
    }
    return {};
}

}  // namespace ringside::ctl
