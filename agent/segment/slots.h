// Reading slots of a checked copy of a ring. Internal to agent/segment.
#pragma once

#include <cstdint>

#include "agent/segment/series_view.h"
#include "agent/segment/window_span.h"

namespace ringside::agent {

enum class SlotState : std::uint8_t {
    kWhole,  // holds its window
    kEmpty,  // the window had no record
    kOlder,  // still holds a window of a lap before: this one had no record, but the series existed by then
    kLost,   // what was there is gone (overwritten by a time that came again, or half written): nothing is known
};

// `window` is within the ring part of `view`.
SlotState slot_state(const SeriesView& view, std::uint64_t window);

// The columns of a slot. `kept` are the columns that the tier keeps of this kind.
WindowPoint read_slot(const std::uint32_t* slot, std::uint32_t kept);

// The first word of the zero bucket, behind the columns.
const std::uint32_t* slot_buckets(const std::uint32_t* slot, std::uint32_t kept);

}  // namespace ringside::agent
