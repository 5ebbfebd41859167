// Samples in chunks, the form in which Prometheus stores them and streams them to who reads remotely: times as deltas of
// deltas, values as XOR of neighbours.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "agent/promql/engine/source.h"

namespace ringside::agent {

inline constexpr std::size_t kChunkSamplesMax = 120;  // as many as Prometheus puts into one

struct Chunk {
    // Prometheus' numbers. Histograms are of the kind with fractional counts, whatever they count.
    enum class Encoding : std::uint8_t { kXor = 1, kFloatHistogram = 3 };

    std::int64_t begin_ms = 0, end_ms = 0;  // times of the first and the last sample
    Encoding encoding = Encoding::kXor;
    std::string bytes;
};

// The samples of one series by rising time; floats and histograms never share a chunk, nor do histograms with a reset in
// between or with other bucket widths.
void each_chunk(const promql::SampleSpan& samples, const std::function<void(const Chunk& chunk)>& take);

}  // namespace ringside::agent
