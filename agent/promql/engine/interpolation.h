// Values between samples: what `smoothed` and `anchored` read at the edges of a window.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "agent/promql/engine/engine.h"
#include "agent/promql/engine/evaluator.h"

namespace ringside::agent::promql {

// Where notes about a series go.
struct InterpolationNotes {
    Notes& notes;
    std::uint32_t position;
    const RowLabels& series;
};

// The value of two samples' line at `time_ms`. A counter that fell between them is taken to have started at zero.
double interpolate(const FloatSamples& samples, std::size_t first, std::int64_t time_ms, bool is_counter);
// The same for histograms. None, and a note, if one has custom buckets and the other has not.
std::optional<FloatHistogram> interpolate(const HistogramSamples& samples, std::size_t first, std::int64_t time_ms,
                                          bool is_counter, const InterpolationNotes& notes);

// The value of `foo smoothed` at a time: on the line between the samples around it, or that of the one before.
Cell value_at(const SampleSpan& window, std::int64_t time_ms, const InterpolationNotes& notes);

// The samples that stand for a window: from the last one at or before its begin to the last one (anchored), or to the
// first one at or behind its end (smoothed). None if all lie before the window or behind it.
struct Extent {
    std::size_t first = 0, last = 0;
};
std::optional<Extent> extent_of(const std::int64_t* times_ms, std::size_t count, std::int64_t begin_ms,
                                std::int64_t end_ms, bool smoothed);

// The values at a window's edges.
double left_edge(const FloatSamples& samples, const Extent& extent, std::int64_t begin_ms, bool smoothed,
                 bool is_counter);
double right_edge(const FloatSamples& samples, const Extent& extent, std::int64_t end_ms, bool smoothed,
                  bool is_counter);

// The points of `foo[5m] anchored` or smoothed: one at each edge, and those between.
std::vector<Point> extended_points(const FloatSamples& samples, std::int64_t begin_ms, std::int64_t end_ms,
                                   bool smoothed);

}  // namespace ringside::agent::promql
