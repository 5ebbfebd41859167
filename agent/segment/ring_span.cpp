#include "agent/segment/ring_span.h"

#include <algorithm>

namespace ringside::agent {

RingSpan ring_span(std::uint64_t open, const TierInfo& tier, std::uint64_t first_resolution_ns, std::uint64_t begin_ns,
                   std::uint64_t end_ns, const Timeline& timeline) {
    RingSpan span;
    span.open = open;
    const std::uint64_t open_ns = open & ~RSIDE_OPEN_FLAGS;
    if (open == 0 || (open & RSIDE_OPEN_TURNING) != 0 || open_ns % first_resolution_ns != 0) return span;
    if (open_ns > timeline.latest_ns || open_ns / RSIDE_NS_PER_S > UINT32_MAX) return span;

    // What is over: what the writer has turned past, and what time has.
    const std::uint64_t resolution_ns = tier.resolution_s * RSIDE_NS_PER_S, slots = tier.slots;
    span.open_window = open_ns / resolution_ns;
    // Windows before this one.
    const std::uint64_t over = std::max(span.open_window, timeline.now_ns / resolution_ns);
    span.first = std::max<std::uint64_t>(begin_ns / resolution_ns, 1);  // stamp 0 is that of no window
    span.end = std::min(end_ns / resolution_ns, over);
    // Of the windows up to the open one the ring holds so many, of those after it as many are told, up to now.
    const std::uint64_t present = timeline.now_ns == 0 ? 0 : (timeline.now_ns - 1) / resolution_ns;
    const std::uint64_t last = std::max(span.open_window, present);
    if (span.open_window + slots < last) return span;
    const std::uint64_t newest = span.first > span.open_window ? last : span.open_window;
    if (newest >= slots) span.first = std::max(span.first, newest + 1 - slots);
    span.possible = true;
    return span;
}

}  // namespace ringside::agent
