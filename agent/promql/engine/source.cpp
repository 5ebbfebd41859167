#include "agent/promql/engine/source.h"

namespace ringside::agent::promql {
namespace {

template <typename T>
const T* column(const std::vector<T>& values, std::size_t count) {
    return values.empty() || values.size() != count ? nullptr : values.data();
}

template <typename T>
void move_on(const T*& values, std::size_t by) {
    if (values != nullptr) values += by;
}

}  // namespace

double stale_value() { return std::bit_cast<double>(kStaleBits); }

FloatSamples FloatSamples::slice(std::size_t begin, std::size_t end) const {
    FloatSamples part = *this;
    part.count = end - begin;
    move_on(part.times_ms, begin);
    move_on(part.values, begin);
    move_on(part.starts_ms, begin);
    move_on(part.counts, begin);
    move_on(part.sums, begin);
    move_on(part.minima, begin);
    move_on(part.maxima, begin);
    return part;
}

HistogramSamples HistogramSamples::slice(std::size_t begin, std::size_t end) const {
    HistogramSamples part = *this;
    part.count = end - begin;
    move_on(part.times_ms, begin);
    move_on(part.values, begin);
    move_on(part.starts_ms, begin);
    return part;
}

void SampleBuffer::clear() {
    times_ms.clear();
    starts_ms.clear();
    values.clear();
    counts.clear();
    sums.clear();
    minima.clear();
    maxima.clear();
    histogram_times_ms.clear();
    histogram_starts_ms.clear();
    histograms.clear();
}

SampleSpan SampleBuffer::span() const {
    const std::size_t floats = times_ms.size(), histograms_count = histogram_times_ms.size();
    return {{floats, column(times_ms, floats), column(values, floats), column(starts_ms, floats),
             column(counts, floats), column(sums, floats), column(minima, floats), column(maxima, floats)},
            {histograms_count, column(histogram_times_ms, histograms_count), column(histograms, histograms_count),
             column(histogram_starts_ms, histograms_count)}};
}

}  // namespace ringside::agent::promql
