// *_over_time: all samples of a window to one value.
#include <algorithm>
#include <cmath>
#include <limits>

#include "agent/promql/engine/function.h"
#include "agent/promql/value/histogram_quantile.h"
#include "agent/promql/value/kahan.h"

namespace ringside::agent::promql {
namespace {

void inform_if_mixed(const RangeCall& call, const SampleSpan& window) {
    if (window.histograms.count > 0) call.inform(note::ignored_in_mixed_range(call.metric()));
}

bool is_mixed(const RangeCall& call, const SampleSpan& window) {
    if (window.floats.count == 0 || window.histograms.count == 0) return false;
    call.warn(note::mixed_floats_histograms(call.metric()));
    return true;
}

// The total of histograms, by HistogramSum or HistogramMean.
template <typename Total>
Cell histogram_total(const RangeCall& call, const HistogramSamples& samples) {
    bool reset = false, not_reset = false, reconciled = false;
    Total total(*samples.values[0]);
    for (std::size_t i = 0; i < samples.count; ++i) {
        reset |= samples.values[i]->reset_hint == ResetHint::kReset;
        not_reset |= samples.values[i]->reset_hint == ResetHint::kNotReset;
        if (i == 0) continue;
        Result<HistogramNote> note = total.add(*samples.values[i]);
        if (!note) {
            call.warn(note::mixed_buckets(call.metric()));
            return {};
        }
        reconciled |= note->bounds_reconciled;
    }
    if (reset && not_reset) call.warn(note::reset_collision(note::kAggregation));
    if (reconciled) call.inform(note::bounds_reconciled(note::kAggregation));
    return Cell::of(total.value());
}

double sum_of(const double* values, std::size_t count) {
    KahanSum sum;
    for (std::size_t i = 0; i < count; ++i) sum.add(values[i]);
    return sum.value();
}

double observations(const FloatSamples& samples) {
    return samples.has_windows() ? sum_of(samples.counts, samples.count) : static_cast<double>(samples.count);
}

Cell avg(const RangeCall& call, const SampleSpan& window) {
    if (is_mixed(call, window)) return {};
    const FloatSamples& floats = window.floats;
    if (floats.count == 0) return histogram_total<HistogramMean>(call, window.histograms);
    if (floats.has_windows()) return Cell::of(sum_of(floats.sums, floats.count) / observations(floats));
    KahanMean mean;
    for (std::size_t i = 0; i < floats.count; ++i) mean.add(floats.values[i]);
    return Cell::of(mean.value());
}

Cell sum(const RangeCall& call, const SampleSpan& window) {
    if (is_mixed(call, window)) return {};
    const FloatSamples& floats = window.floats;
    if (floats.count == 0) return histogram_total<HistogramSum>(call, window.histograms);
    return Cell::of(sum_of(floats.has_windows() ? floats.sums : floats.values, floats.count));
}

Cell count(const RangeCall&, const SampleSpan& window) {
    return Cell::of(observations(window.floats) + static_cast<double>(window.histograms.count));
}

Cell present(const RangeCall&, const SampleSpan&) { return Cell::of(1); }

// The extreme value, or when it was. A NaN gives way to any other value. Of equal values the first one counts, when it
// comes to their time the last one.
template <bool kLargest, bool kTime>
Cell extreme(const RangeCall& call, const SampleSpan& window) {
    const FloatSamples& floats = window.floats;
    if (floats.count == 0) return {};
    inform_if_mixed(call, window);
    const double* values = floats.has_windows() ? (kLargest ? floats.maxima : floats.minima) : floats.values;
    std::size_t best = 0;
    for (std::size_t i = 1; i < floats.count; ++i) {
        bool better = kLargest ? values[i] > values[best] : values[i] < values[best];
        if (better || std::isnan(values[best]) || (kTime && values[i] == values[best])) best = i;
    }
    return Cell::of(kTime ? static_cast<double>(floats.times_ms[best]) / 1000 : values[best]);
}

Cell first(const RangeCall&, const SampleSpan& window) {
    const FloatSamples& f = window.floats;
    const HistogramSamples& h = window.histograms;
    bool is_float = h.count == 0 || (f.count > 0 && f.times_ms[0] < h.times_ms[0]);
    return is_float ? Cell::of(f.values[0]) : Cell::of(h.values[0]);
}

Cell last(const RangeCall&, const SampleSpan& window) {
    const FloatSamples& f = window.floats;
    const HistogramSamples& h = window.histograms;
    bool is_float = h.count == 0 || (f.count > 0 && f.times_ms[f.count - 1] > h.times_ms[h.count - 1]);
    return is_float ? Cell::of(f.values[f.count - 1]) : Cell::of(h.values[h.count - 1]);
}

Cell first_time(const RangeCall&, const SampleSpan& window) {
    std::int64_t time = std::numeric_limits<std::int64_t>::max();
    if (window.floats.count > 0) time = window.floats.times_ms[0];
    if (window.histograms.count > 0) time = std::min(time, window.histograms.times_ms[0]);
    return Cell::of(static_cast<double>(time) / 1000);
}

Cell last_time(const RangeCall&, const SampleSpan& window) {
    std::int64_t time = std::numeric_limits<std::int64_t>::min();
    if (window.floats.count > 0) time = window.floats.times_ms[window.floats.count - 1];
    if (window.histograms.count > 0) {
        time = std::max(time, window.histograms.times_ms[window.histograms.count - 1]);
    }
    return Cell::of(static_cast<double>(time) / 1000);
}

template <bool kRoot>
Cell deviation(const RangeCall& call, const SampleSpan& window) {
    const FloatSamples& floats = window.floats;
    if (floats.count == 0) return {};
    inform_if_mixed(call, window);
    KahanSum mean, squares;
    for (std::size_t i = 0; i < floats.count; ++i) {
        double delta = floats.values[i] - mean.value();
        mean.add(delta / static_cast<double>(i + 1));
        squares.add(delta * (floats.values[i] - mean.value()));
    }
    double variance = squares.value() / static_cast<double>(floats.count);
    return Cell::of(kRoot ? std::sqrt(variance) : variance);
}

Cell quantile_of(const RangeCall& call, const SampleSpan& window) {
    const FloatSamples& floats = window.floats;
    if (floats.count == 0) return {};
    double q = call.arguments[0];
    if (!(q >= 0 && q <= 1)) call.warn(note::invalid_quantile(q));
    inform_if_mixed(call, window);
    std::vector<double> values(floats.values, floats.values + floats.count);
    return Cell::of(quantile(q, values));
}

// The median distance from the median. There is none from a NaN.
Cell mad(const RangeCall& call, const SampleSpan& window) {
    const FloatSamples& floats = window.floats;
    if (floats.count == 0) return {};
    inform_if_mixed(call, window);
    std::vector<double> values(floats.values, floats.values + floats.count);
    if (std::any_of(values.begin(), values.end(), [](double value) { return std::isnan(value); })) return Cell::of(NAN);
    double median = quantile(0.5, values);
    for (double& value : values) value = std::fabs(value - median);
    return Cell::of(quantile(0.5, values));
}

constexpr FunctionBody kPresence = {"absent_over_time", RangeFunction(&present), true};

// 1 at each step where no series has a sample.
Result<Grid> absent(const GridCall& call) {
    std::vector<bool> found(call.steps.count);
    Result<void> seen =
        call.evaluator.range_rows(call.call, kPresence, call.steps, [&](const Row& row) -> Result<void> {
            for (std::size_t step = 0; step < found.size(); ++step) {
                if (row.cells[step]) found[step] = true;
            }
            return {};
        });
    if (!seen) return seen.error();
    Grid result(call.steps.count);
    result.add_row(labels_of_absent(call.argument(0)), true);
    for (std::size_t step = 0; step < found.size(); ++step) {
        if (!found[step]) result.set(0, step, 1);
    }
    result.drop_empty_rows();
    return result;
}

constexpr FunctionBody kFunctions[] = {
    {"absent_over_time", GridFunction(&absent)},
    {"avg_over_time", RangeFunction(&avg)},
    {"count_over_time", RangeFunction(&count)},
    {"first_over_time", RangeFunction(&first), true},
    {"last_over_time", RangeFunction(&last), true},
    {"mad_over_time", RangeFunction(&mad)},
    {"max_over_time", RangeFunction(&extreme<true, false>)},
    {"min_over_time", RangeFunction(&extreme<false, false>)},
    {"present_over_time", RangeFunction(&present)},
    {"quantile_over_time", RangeFunction(&quantile_of)},
    {"stddev_over_time", RangeFunction(&deviation<true>)},
    {"stdvar_over_time", RangeFunction(&deviation<false>)},
    {"sum_over_time", RangeFunction(&sum)},
    {"ts_of_first_over_time", RangeFunction(&first_time)},
    {"ts_of_last_over_time", RangeFunction(&last_time)},
    {"ts_of_max_over_time", RangeFunction(&extreme<true, true>)},
    {"ts_of_min_over_time", RangeFunction(&extreme<false, true>)},
};

}  // namespace

std::span<const FunctionBody> over_time_functions() { return kFunctions; }

}  // namespace ringside::agent::promql
