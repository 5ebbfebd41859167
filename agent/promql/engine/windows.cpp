#include "agent/promql/engine/windows.h"

namespace ringside::agent::promql {
namespace {

bool has_stale(const SampleSpan& samples) {
    // Without a way out of the loop, so that it compares several values at once.
    bool any = false;
    for (std::size_t i = 0; i < samples.floats.count; ++i) any |= is_stale(samples.floats.values[i]);
    for (std::size_t i = 0; i < samples.histograms.count; ++i) any |= is_stale(samples.histograms.values[i]->sum);
    return any;
}

template <typename T>
void copy(std::vector<T>& to, const T* from, std::size_t at) {
    if (from != nullptr) to.push_back(from[at]);
}

}  // namespace

SampleSpan with_hints(const SampleSpan& samples, SampleBuffer& buffer) {
    const HistogramSamples& histograms = samples.histograms;
    buffer.histograms.clear();
    for (std::size_t i = 0; i < histograms.count; ++i) {
        HistogramPtr histogram = histograms.values[i];
        if (i > 0 && histogram->reset_hint == ResetHint::kUnknown && !is_stale(histograms.values[i - 1]->sum)) {
            auto copy = std::make_shared<FloatHistogram>(*histogram);
            bool reset = histogram->is_reset_after(*histograms.values[i - 1]);
            copy->reset_hint = reset ? ResetHint::kReset : ResetHint::kNotReset;
            histogram = std::move(copy);
        }
        buffer.histograms.push_back(std::move(histogram));
    }
    SampleSpan result = samples;
    if (histograms.count > 0) result.histograms.values = buffer.histograms.data();
    return result;
}

SampleSpan without_stale(const SampleSpan& samples, SampleBuffer& buffer) {
    if (!has_stale(samples)) return samples;
    buffer.clear();
    const FloatSamples& floats = samples.floats;
    for (std::size_t i = 0; i < floats.count; ++i) {
        if (is_stale(floats.values[i])) continue;
        copy(buffer.times_ms, floats.times_ms, i);
        copy(buffer.values, floats.values, i);
        copy(buffer.starts_ms, floats.starts_ms, i);
        copy(buffer.counts, floats.counts, i);
        copy(buffer.sums, floats.sums, i);
        copy(buffer.minima, floats.minima, i);
        copy(buffer.maxima, floats.maxima, i);
    }
    const HistogramSamples& histograms = samples.histograms;
    for (std::size_t i = 0; i < histograms.count; ++i) {
        if (is_stale(histograms.values[i]->sum)) continue;
        copy(buffer.histogram_times_ms, histograms.times_ms, i);
        copy(buffer.histograms, histograms.values, i);
        copy(buffer.histogram_starts_ms, histograms.starts_ms, i);
    }
    return buffer.span();
}

}  // namespace ringside::agent::promql
