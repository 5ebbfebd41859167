// Which windows of a request lie in the ring of a series, for readers of mapped memory that leave all but the usual case to
// window_reader.h. Internal to agent/segment.
#pragma once

#include <ringside/format.h>

#include <cstdint>

#include "agent/base/model.h"
#include "agent/segment/windows.h"

namespace ringside::agent {

// Windows are those that end in (begin, end] of a request and are over.
struct RingSpan {
    std::uint64_t open = 0;  // of the series, as it was read
    bool possible = false;   // else the general reader has to be asked, and nothing below counts
    std::uint64_t open_window = 0;
    std::uint64_t first = 0, end = 0;  // windows first .. end - 1, none where first is not below end
};

// `open` is what stands in the cell of a series, `first_resolution_ns` that of the schema's first tier.
RingSpan ring_span(std::uint64_t open, const TierInfo& tier, std::uint64_t first_resolution_ns, std::uint64_t begin_ns,
                   std::uint64_t end_ns, const Timeline& timeline);

}  // namespace ringside::agent
