// Level gauges: values that hold until set again, weighted by time. Internal to agent/segment.
#pragma once

#include <ringside/format.h>

#include "agent/base/model.h"
#include "agent/segment/series_view.h"
#include "agent/segment/window_span.h"

namespace ringside::agent {

// The writer's own arithmetic (libwriter/src/turn.cpp), operation by operation: a window that the reader closes because its
// time has passed must have the bits that the writer gives it when it comes to close it.
rside_accumulator merge(const rside_accumulator& earlier, const rside_accumulator& later);
rside_accumulator held(double value, std::uint64_t ns);

inline WindowPoint point_of(const rside_accumulator& from) {
    return {from.count, from.sum, from.min, from.max, from.last, 0};
}

SeriesData level_windows(const SeriesView& view, const TierInfo& finest, std::uint32_t tier, std::uint32_t kept,
                         WindowSpan& span);

// The windows of a series that is the same since its creation, no more than the ring would have.
inline auto constant_span(const WindowSpan& span) {
    std::uint64_t created = std::min(span.created_ns(), span.now_ns());
    std::uint64_t last = span.last_window(0);
    std::uint64_t first = span.window_of(created);
    if (last + 1 > span.slots()) first = std::max(first, last + 1 - span.slots());
    first = std::max(first, std::min(span.first_wanted(), last + 1));
    std::uint64_t end = created < span.now_ns() ? std::max(first, std::min(last, span.last_wanted()) + 1) : first;
    return std::views::iota(first, end);
}

// A level that has been `value` since the series was created, without a ring.
SeriesData constant_windows(double value, WindowSpan& span);

}  // namespace ringside::agent
