// Level gauges: values that hold until set again, weighted by time. Internal to agent/segment.
#pragma once

#include <ringside/format.h>

#include <cstdint>
#include <memory>

#include "agent/base/model.h"
#include "agent/segment/series_view.h"
#include "agent/segment/window_span.h"

namespace ringside::agent {

// The writer's own arithmetic (libwriter/src/turn_gauge.cpp), operation by operation: a window that the reader closes because its
// time has passed must have the bits that the writer gives it when it comes to close it.
rside_accumulator merge(const rside_accumulator& earlier, const rside_accumulator& later);
rside_accumulator held(double value, std::uint64_t ns);

inline WindowPoint point_of(const rside_accumulator& from) {
    return {from.count, from.sum, from.min, from.max, from.last, 0};
}

std::unique_ptr<WindowBuilder> level_builder(const TierInfo& finest, std::uint32_t tier, std::uint32_t kept,
                                             WindowSpan span);

}  // namespace ringside::agent
