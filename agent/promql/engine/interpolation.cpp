#include "agent/promql/engine/interpolation.h"

#include <algorithm>

namespace ringside::agent::promql {

double interpolate(const FloatSamples& samples, std::size_t first, std::int64_t time_ms, bool is_counter) {
    double from = samples.values[first], to = samples.values[first + 1];
    if (is_counter && to < from) from = 0;
    auto run = static_cast<double>(samples.times_ms[first + 1] - samples.times_ms[first]);
    return from + (to - from) * static_cast<double>(time_ms - samples.times_ms[first]) / run;
}

std::optional<FloatHistogram> interpolate(const HistogramSamples& samples, std::size_t first, std::int64_t time_ms,
                                          bool is_counter, const InterpolationNotes& notes) {
    const FloatHistogram& from = *samples.values[first];
    const FloatHistogram& to = *samples.values[first + 1];
    std::int64_t run = samples.times_ms[first + 1] - samples.times_ms[first];
    double part = static_cast<double>(time_ms - samples.times_ms[first]) / static_cast<double>(run);
    if (part <= 0) return from;
    if (part >= 1) return to;
    if (from.uses_custom_bounds() != to.uses_custom_bounds()) {
        notes.notes.warn(notes.position, note::mixed_buckets(notes.series.label(kNameLabel)));
        return std::nullopt;
    }
    FloatHistogram value = to;
    if (is_counter && to.is_reset_after(from)) {
        value.scale(part);
        return value;
    }
    auto failed = [&](const Result<HistogramNote>& note, std::string_view operation) {
        if (!note) notes.notes.warn(notes.position, note::mixed_buckets(notes.series.label(kNameLabel)));
        if (note && note->bounds_reconciled) notes.notes.inform(notes.position, note::bounds_reconciled(operation));
        return !note;
    };
    if (failed(value.subtract(from), note::kSubtraction)) return std::nullopt;
    value.scale(part);
    if (failed(value.add(from), note::kAddition)) return std::nullopt;
    return value;
}

Cell value_at(const SampleSpan& window, std::int64_t time_ms, const InterpolationNotes& notes) {
    const FloatSamples& floats = window.floats;
    const HistogramSamples& histograms = window.histograms;
    if (floats.count > 0 && histograms.count > 0) {
        notes.notes.warn(notes.position, note::mixed_floats_histograms(notes.series.label(kNameLabel)));
        return {};
    }
    const std::int64_t* times = floats.count > 0 ? floats.times_ms : histograms.times_ms;
    std::size_t count = window.count();
    auto behind = static_cast<std::size_t>(std::upper_bound(times, times + count, time_ms) - times);
    if (behind == 0) return {};  // Nothing is known yet.
    std::size_t at = behind - 1;
    bool between = times[at] < time_ms && behind < count;
    if (floats.count > 0) return Cell::of(between ? interpolate(floats, at, time_ms, false) : floats.values[at]);
    if (!between) return Cell::of(histograms.values[at]);
    bool is_counter = histograms.values[at]->reset_hint != ResetHint::kGauge &&
                      histograms.values[behind]->reset_hint != ResetHint::kGauge;
    std::optional<FloatHistogram> value = interpolate(histograms, at, time_ms, is_counter, notes);
    return value ? Cell::of(std::move(*value)) : Cell{};
}

std::optional<Extent> extent_of(const std::int64_t* times_ms, std::size_t count, std::int64_t begin_ms,
                                std::int64_t end_ms, bool smoothed) {
    if (count == 0 || times_ms[count - 1] <= begin_ms) return std::nullopt;
    Extent extent{0, count - 1};
    const std::int64_t* last = times_ms + count - 1;
    auto inside = static_cast<std::size_t>(std::upper_bound(times_ms, last, begin_ms) - times_ms);
    if (inside > 0) extent.first = inside - 1;
    if (smoothed) extent.last = static_cast<std::size_t>(std::lower_bound(times_ms, last, end_ms) - times_ms);
    if (times_ms[extent.last] <= begin_ms || (smoothed && times_ms[extent.first] > end_ms)) return std::nullopt;
    return extent;
}

double left_edge(const FloatSamples& samples, const Extent& extent, std::int64_t begin_ms, bool smoothed,
                 bool is_counter) {
    if (smoothed && samples.times_ms[extent.first] < begin_ms) {
        return interpolate(samples, extent.first, begin_ms, is_counter);
    }
    return samples.values[extent.first];
}

double right_edge(const FloatSamples& samples, const Extent& extent, std::int64_t end_ms, bool smoothed,
                  bool is_counter) {
    if (smoothed && extent.last > 0 && samples.times_ms[extent.last] > end_ms) {
        return interpolate(samples, extent.last - 1, end_ms, is_counter);
    }
    return samples.values[extent.last];
}

std::vector<Point> extended_points(const FloatSamples& samples, std::int64_t begin_ms, std::int64_t end_ms,
                                   bool smoothed) {
    std::optional<Extent> extent = extent_of(samples.times_ms, samples.count, begin_ms, end_ms, smoothed);
    if (!extent) return {};
    std::vector<Point> points{{begin_ms, left_edge(samples, *extent, begin_ms, smoothed, false)}};
    for (std::size_t i = extent->first; i <= extent->last; ++i) {
        std::int64_t time = samples.times_ms[i];
        if (time > begin_ms && time < end_ms) points.push_back({time, samples.values[i]});
    }
    points.push_back({end_ms, right_edge(samples, *extent, end_ms, smoothed, false)});
    return points;
}

}  // namespace ringside::agent::promql
