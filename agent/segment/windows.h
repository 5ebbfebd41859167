// From one consistent copy of a series to its windows: which have data, what they hold, which are over. Pure: no source,
// no clock. Internal to agent/segment.
//
// A ring has slots for the windows that had a record and for the last window of each idle run (F3, F4). For counters,
// histograms and levels the windows in between are filled in here, so that readers see one point per window from the
// creation of the series on, up to Timeline::now_ns. For sampled gauges a window without a record has no data.
#pragma once

#include <cstdint>

#include "agent/base/model.h"
#include "agent/segment/series_view.h"

namespace ringside::agent {

// Window numbers have 32 bits: time ends in the year 2106.
inline constexpr std::uint64_t kTimeEndNs = std::uint64_t{UINT32_MAX} * RSIDE_NS_PER_S;

// What the reader knows of time.
struct Timeline {
    // Up to here all is known: windows that end at or before it are over. For a dead VM its end. At most kTimeEndNs.
    std::uint64_t now_ns = 0;
    bool ended = false;
    std::uint64_t created_ns = 0;  // of the series, as claimed
    // Windows that begin after this were written under a wrong clock, or by somebody who wishes to confuse; they are left
    // out and counted.
    std::uint64_t latest_ns = UINT64_MAX;
};

// What was left out of the answer.
struct WindowStats {
    std::uint64_t future = 0;        // windows after Timeline::latest_ns
    std::uint64_t inconsistent = 0;  // histogram slots that contradict themselves
};

// Which ring slots assemble() needs for `request`.
ViewRequest view_request(const MetricInfo& metric, const TierInfo& tier, const ReadRequest& request);

// An upper bound of the memory that the answer takes. A ring in a segment of megabytes can ask for gigabytes: the silence after
// its newest window has as many points as it has slots, and an info series has no ring at all.
std::uint64_t answer_bytes(const SeriesView& view, const MetricInfo& metric, const TierInfo& tier,
                           const ReadRequest& request, const Timeline& timeline);
inline constexpr std::uint64_t kMaxAnswerBytes = std::uint64_t{64} << 20;

// The windows of `view`, which was read with view_request(). Points of the requested columns that the tier keeps.
SeriesData assemble(const SeriesView& view, const MetricInfo& metric, const SchemaInfo& schema,
                    const ReadRequest& request, const Timeline& timeline, WindowStats* stats);

// Info series have no ring: the constant 1 since their creation, as a level. At most the tier's number of windows.
SeriesData assemble_info(const TierInfo& tier, const ReadRequest& request, const Timeline& timeline,
                         WindowStats* stats);

}  // namespace ringside::agent
