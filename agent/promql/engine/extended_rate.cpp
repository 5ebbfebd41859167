#include "agent/promql/engine/extended_rate.h"

#include "agent/promql/engine/interpolation.h"

namespace ringside::agent::promql {
namespace {

Cell float_increase(const RangeCall& call, const FloatSamples& samples, const Extent& extent, bool is_counter) {
    double left = left_edge(samples, extent, call.begin_ms, call.smoothed, is_counter);
    double right = right_edge(samples, extent, call.end_ms, call.smoothed, is_counter);
    double increase = right - left;
    if (!is_counter) return Cell::of(increase);
    double before = left;
    auto count_reset = [&](double value) {
        if (value < before) increase += before;
        before = value;
    };
    for (std::size_t i = extent.first; i <= extent.last; ++i) {
        std::int64_t time = samples.times_ms[i];
        if (time > call.begin_ms && time < call.end_ms) count_reset(samples.values[i]);
    }
    count_reset(right);
    return Cell::of(increase);
}

bool all_fit(const RangeCall& call, const HistogramSamples& samples, const Extent& extent, bool is_counter) {
    bool custom = samples.values[extent.first]->uses_custom_bounds();
    for (std::size_t i = extent.first; i <= extent.last; ++i) {
        if (samples.values[i]->uses_custom_bounds() != custom) {
            call.warn(note::mixed_buckets(call.metric()));
            return false;
        }
        if (is_counter && samples.values[i]->reset_hint == ResetHint::kGauge) {
            call.warn(note::not_a_counter(call.metric()));
        }
    }
    return true;
}

// Adds what was counted before each reset between the edges. The edges themselves may lie inside a reset; what an
// interpolation has seen of it already is not counted again.
bool add_resets(const RangeCall& call, const HistogramSamples& samples, const Extent& extent,
                const FloatHistogram& left, const FloatHistogram& right, FloatHistogram& increase) {
    std::size_t next = extent.first + 1;
    const FloatHistogram* before = &left;
    if (call.smoothed && samples.times_ms[extent.first] < call.begin_ms &&
        samples.values[next]->is_reset_after(*samples.values[extent.first])) {
        before = samples.values[next].get();
        ++next;
    }
    // The last sample is `right`, or what `right` was made from, so it is not looked at by itself.
    if (next > extent.last) return true;
    for (; next < extent.last; ++next) {
        const FloatHistogram& now = *samples.values[next];
        if (now.is_reset_after(*before) && !tell(call, increase.add(*before), note::kAddition)) return false;
        before = &now;
    }
    return !right.is_reset_after(*before) || tell(call, increase.add(*before), note::kAddition);
}

Cell histogram_increase(const RangeCall& call, const HistogramSamples& samples, const Extent& extent, bool is_counter) {
    if (!all_fit(call, samples, extent, is_counter)) return {};
    InterpolationNotes notes{call.evaluator.notes, call.position(), call.series};
    std::optional<FloatHistogram> left = *samples.values[extent.first], right = *samples.values[extent.last];
    if (call.smoothed && samples.times_ms[extent.first] < call.begin_ms) {
        left = interpolate(samples, extent.first, call.begin_ms, is_counter, notes);
    }
    if (call.smoothed && extent.last > 0 && samples.times_ms[extent.last] > call.end_ms) {
        right = interpolate(samples, extent.last - 1, call.end_ms, is_counter, notes);
    }
    if (!left || !right) return {};
    if (!is_counter && (left->reset_hint != ResetHint::kGauge || right->reset_hint != ResetHint::kGauge)) {
        call.warn(note::not_a_gauge(call.metric()));
    }
    FloatHistogram increase = *right;
    if (!tell(call, increase.subtract(*left), note::kSubtraction)) return {};
    if (is_counter && !add_resets(call, samples, extent, *left, *right, increase)) return {};
    increase.reset_hint = ResetHint::kGauge;
    increase.compact();
    return Cell::of(std::move(increase));
}

}  // namespace

bool tell(const RangeCall& call, const Result<HistogramNote>& note, std::string_view operation) {
    if (!note) {
        call.warn(note::mixed_buckets(call.metric()));
        return false;
    }
    if (note->bounds_reconciled) call.inform(note::bounds_reconciled(operation));
    return true;
}

Cell extended_increase(const RangeCall& call, const SampleSpan& window, bool is_counter) {
    bool floats = window.floats.count > 0;
    const std::int64_t* times = floats ? window.floats.times_ms : window.histograms.times_ms;
    std::optional<Extent> extent = extent_of(times, window.count(), call.begin_ms, call.end_ms, call.smoothed);
    if (!extent) return {};
    if (floats) return float_increase(call, window.floats, *extent, is_counter);
    return histogram_increase(call, window.histograms, *extent, is_counter);
}

}  // namespace ringside::agent::promql
