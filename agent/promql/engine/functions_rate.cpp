// rate, increase, delta: extrapolated to the edges of the window. irate, idelta: between the last two samples.
#include <algorithm>
#include <cmath>

#include "agent/promql/engine/counter_reset.h"
#include "agent/promql/engine/extended_rate.h"
#include "agent/promql/engine/function.h"

namespace ringside::agent::promql {
namespace {

template <typename Samples>
SampleTimes times_of(const Samples& samples, std::size_t i) {
    return {samples.starts_ms ? samples.starts_ms[i] : 0, samples.times_ms[i]};
}

double float_increase(const RangeCall& call, const FloatSamples& samples, bool is_counter) {
    double increase = samples.values[samples.count - 1] - samples.values[0];
    if (!is_counter) return increase;
    if (samples.starts_ms == nullptr) {
        for (std::size_t i = 1; i < samples.count; ++i) {
            if (samples.values[i] < samples.values[i - 1]) increase += samples.values[i - 1];
        }
        return increase;
    }
    bool overlap = false;
    for (std::size_t i = 1; i < samples.count; ++i) {
        SampleTimes before = times_of(samples, i - 1), now = times_of(samples, i);
        overlap |= starts_overlap(before, now);
        if (samples.values[i] < samples.values[i - 1] || started_again(before, now)) increase += samples.values[i - 1];
    }
    if (overlap) call.warn(note::start_overlap(call.metric()));
    return increase;
}

bool reset_between(const HistogramSamples& samples, std::size_t i) {
    return started_again(times_of(samples, i - 1), times_of(samples, i)) ||
           samples.values[i]->is_reset_after(*samples.values[i - 1]);
}

void tell_wrong_kind(const RangeCall& call, const HistogramSamples& samples, bool is_counter) {
    auto is_gauge = [](const HistogramPtr& histogram) { return histogram->reset_hint == ResetHint::kGauge; };
    if (is_counter) {
        if (std::any_of(samples.values, samples.values + samples.count, is_gauge)) {
            call.warn(note::not_a_counter(call.metric()));
        }
    } else if (!is_gauge(samples.values[0]) || !is_gauge(samples.values[samples.count - 1])) {
        call.warn(note::not_a_gauge(call.metric()));
    }
}

// At least two samples.
std::optional<FloatHistogram> histogram_increase(const RangeCall& call, const HistogramSamples& samples,
                                                 bool is_counter) {
    std::size_t last = samples.count - 1;
    // If the counter starts again right behind the first sample, that one does not matter, nor do its buckets.
    bool skips_first = is_counter && reset_between(samples, 1);
    std::size_t first = skips_first ? 1 : 0;
    bool custom = samples.values[first]->uses_custom_bounds();
    std::int32_t schema = samples.values[last]->schema;
    for (std::size_t i = first; i <= last; ++i) {
        const FloatHistogram& histogram = *samples.values[i];
        bool matters = is_counter || i == first || i == last;
        if (matters && histogram.uses_custom_bounds() != custom) {
            call.warn(note::mixed_buckets(call.metric()));
            return std::nullopt;
        }
        if (matters) schema = std::min(schema, histogram.schema);
    }
    tell_wrong_kind(call, samples, is_counter);
    FloatHistogram increase = *samples.values[last];
    if (!custom) increase.reduce_resolution(schema);
    if (!skips_first && !tell(call, increase.subtract(*samples.values[0]), note::kSubtraction)) return std::nullopt;
    if (is_counter) {
        bool overlap = false;
        for (std::size_t i = 1; i <= last; ++i) {
            overlap |= starts_overlap(times_of(samples, i - 1), times_of(samples, i));
            if (i <= first || !reset_between(samples, i)) continue;
            if (!tell(call, increase.add(*samples.values[i - 1]), note::kAddition)) return std::nullopt;
        }
        if (overlap) call.warn(note::start_overlap(call.metric()));
    }
    increase.reset_hint = ResetHint::kGauge;
    increase.compact();
    return increase;
}

// Since when the first sample counts, if that lies inside the window: then there is nothing to extrapolate to the left.
template <typename Samples>
std::optional<std::int64_t> start_inside(const RangeCall& call, const Samples& samples, bool is_counter) {
    if (!is_counter || samples.starts_ms == nullptr || samples.starts_ms[0] == 0) return std::nullopt;
    std::int64_t start = samples.starts_ms[0];
    if (start <= call.begin_ms || start >= samples.times_ms[0]) return std::nullopt;
    return start;
}

// By how much the increase between samples grows if it goes on up to the edges of the window. Where an edge is further
// than the next sample would be, it goes on for half a gap between samples; and for a counter not to the left of where
// its line starts at zero. `first` and `increase` are the counter's first value and increase (a histogram's counts).
double extrapolation(const RangeCall& call, std::size_t count, std::int64_t first_ms, std::int64_t last_ms,
                     std::optional<std::int64_t> start, bool is_counter, double first, double increase) {
    double sampled = static_cast<double>(last_ms - first_ms) / 1000;
    double gap = count > 1 ? sampled / static_cast<double>(count - 1) : 0;
    double to_start = static_cast<double>(first_ms - call.begin_ms) / 1000;
    double to_end = static_cast<double>(call.end_ms - last_ms) / 1000;
    double far = gap * 1.1;
    if (start) {
        to_start = 0;
        sampled = static_cast<double>(last_ms - *start) / 1000;
    } else {
        if (to_start >= far) to_start = gap / 2;
        if (is_counter && increase > 0 && first >= 0) to_start = std::min(to_start, sampled * (first / increase));
    }
    if (to_end >= far) to_end = gap / 2;
    return sampled == 0 ? 1 : (sampled + to_start + to_end) / sampled;
}

template <typename Samples>
double extrapolation(const RangeCall& call, const Samples& samples, std::optional<std::int64_t> start, bool is_counter,
                     double first, double increase) {
    return extrapolation(call, samples.count, samples.times_ms[0], samples.times_ms[samples.count - 1], start,
                         is_counter, first, increase);
}

// Both divide by `divisor`, where it is not 0.
Cell increase_of(const RangeCall& call, const FloatSamples& samples, bool is_counter, double divisor) {
    std::optional<std::int64_t> start = start_inside(call, samples, is_counter);
    if (samples.count < 2 && !start) return {};
    double increase = float_increase(call, samples, is_counter);
    if (start) increase += samples.values[0];
    increase *= extrapolation(call, samples, start, is_counter, samples.values[0], increase);
    return Cell::of(divisor != 0 ? increase / divisor : increase);
}

Cell increase_of(const RangeCall& call, const HistogramSamples& samples, bool is_counter, double divisor) {
    std::optional<std::int64_t> start = start_inside(call, samples, is_counter);
    if (samples.count < 2 && !start) return {};
    const FloatHistogram& first = *samples.values[0];
    std::optional<FloatHistogram> increase;
    if (samples.count > 1) {
        increase = histogram_increase(call, samples, is_counter);
        if (!increase) return {};
        if (start && !tell(call, increase->add(first), note::kAddition)) return {};
    } else {
        increase = first;
        increase->reset_hint = ResetHint::kGauge;
    }
    increase->scale(extrapolation(call, samples, start, is_counter, first.count, increase->count));
    if (divisor != 0) increase->divide(divisor);
    return Cell::of(std::move(*increase));
}

Cell divided(Cell cell, double divisor) {
    if (cell.kind == CellKind::kFloat) cell.value /= divisor;
    if (cell.kind != CellKind::kHistogram) return cell;
    FloatHistogram histogram = *cell.histogram;
    histogram.divide(divisor);
    return Cell::of(std::move(histogram));
}

template <bool kIsCounter, bool kIsRate>
Cell rate(const RangeCall& call, const SampleSpan& window) {
    if (window.floats.count > 0 && window.histograms.count > 0) {
        call.warn(note::mixed_floats_histograms(call.metric()));
        return {};
    }
    const double divisor = kIsRate ? call.range_seconds : 0;
    if (call.anchored || call.smoothed) {
        Cell increase = extended_increase(call, window, kIsCounter);
        return kIsRate ? divided(std::move(increase), divisor) : increase;
    }
    if (window.floats.count > 0) return increase_of(call, window.floats, kIsCounter, divisor);
    return increase_of(call, window.histograms, kIsCounter, divisor);
}

template <bool kIsRate>
Cell rate_of_counter(const RangeCall& call, const CounterSpan& window) {
    if (window.count < 2) return {};
    double increase = window.last - window.first;
    increase *=
        extrapolation(call, window.count, window.first_ms, window.last_ms, std::nullopt, true, window.first, increase);
    return Cell::of(kIsRate ? increase / call.range_seconds : increase);
}

template <bool kIsRate>
Cell rate_of_gain(const RangeCall& call, HistogramGain&& window) {
    if (window.count < 2) return {};
    FloatHistogram increase = std::move(window.gain);
    increase.reset_hint = ResetHint::kGauge;
    increase.scale(extrapolation(call, window.count, window.first_ms, window.last_ms, std::nullopt, true,
                                 window.first_count, increase.count));
    if (kIsRate) increase.divide(call.range_seconds);
    return Cell::of(std::move(increase));
}

// One of the last two samples of a window.
struct LastSample {
    SampleTimes times;
    double value = 0;
    const FloatHistogram* histogram = nullptr;
};

std::optional<LastSample> last_sample(const SampleSpan& window, std::size_t floats, std::size_t histograms) {
    const FloatSamples& f = window.floats;
    const HistogramSamples& h = window.histograms;
    if (floats == 0 && histograms == 0) return std::nullopt;
    if (histograms == 0 || (floats > 0 && f.times_ms[floats - 1] > h.times_ms[histograms - 1])) {
        return LastSample{times_of(f, floats - 1), f.values[floats - 1], nullptr};
    }
    return LastSample{times_of(h, histograms - 1), 0, h.values[histograms - 1].get()};
}

Cell histogram_change(const RangeCall& call, const LastSample& before, const LastSample& last, bool is_counter) {
    bool any_gauge =
        last.histogram->reset_hint == ResetHint::kGauge || before.histogram->reset_hint == ResetHint::kGauge;
    bool all_gauge =
        last.histogram->reset_hint == ResetHint::kGauge && before.histogram->reset_hint == ResetHint::kGauge;
    if (is_counter && any_gauge) call.warn(note::not_a_counter(call.metric()));
    if (!is_counter && !all_gauge) call.warn(note::not_a_gauge(call.metric()));
    FloatHistogram change = *last.histogram;
    bool reset = is_counter && (started_again(before.times, last.times) || change.is_reset_after(*before.histogram));
    if (!reset && !tell(call, change.subtract(*before.histogram), note::kSubtraction)) return {};
    change.reset_hint = ResetHint::kGauge;
    change.compact();
    return Cell::of(std::move(change));
}

template <bool kIsRate>
Cell instant_rate(const RangeCall& call, const SampleSpan& window) {
    std::size_t floats = window.floats.count, histograms = window.histograms.count;
    std::optional<LastSample> last = last_sample(window, floats, histograms);
    last->histogram ? --histograms : --floats;
    std::optional<LastSample> before = last_sample(window, floats, histograms);
    if (!before || before->times.time_ms == last->times.time_ms) return {};
    if (!before->histogram != !last->histogram) {
        call.warn(note::mixed_floats_histograms(call.metric()));
        return {};
    }
    Cell change;
    if (last->histogram) {
        change = histogram_change(call, *before, *last, kIsRate);
    } else {
        bool reset = kIsRate && (last->value < before->value || started_again(before->times, last->times));
        change = Cell::of(reset ? last->value : last->value - before->value);
    }
    double seconds = static_cast<double>(last->times.time_ms - before->times.time_ms) / 1000;
    return kIsRate ? divided(std::move(change), seconds) : change;
}

constexpr FunctionBody kFunctions[] = {
    {"rate", &rate<true, true>, false, true, true, &rate_of_counter<true>, &rate_of_gain<true>},
    {"increase", &rate<true, false>, false, true, true, &rate_of_counter<false>, &rate_of_gain<false>},
    {"delta", &rate<false, false>, false, true, true},
    {"irate", &instant_rate<true>},
    {"idelta", &instant_rate<false>},
};

}  // namespace

std::span<const FunctionBody> rate_functions() { return kFunctions; }

}  // namespace ringside::agent::promql
