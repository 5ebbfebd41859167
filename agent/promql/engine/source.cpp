#include "agent/promql/engine/source.h"

namespace ringside::agent::promql {
namespace {

template <typename T>
const T* column(const std::vector<T>& values) {
    return values.empty() ? nullptr : values.data();
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
    return {{times_ms.size(), column(times_ms), column(values), column(starts_ms), column(counts), column(sums),
             column(minima), column(maxima)},
            {histograms.size(), column(histogram_times_ms), column(histograms), column(histogram_starts_ms)}};
}

}  // namespace ringside::agent::promql
