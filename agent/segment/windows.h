// From consistent copies of a series to its windows: which have data, what they hold, which are over. Internal to
// agent/segment.
//
// A ring has slots for the windows that had a record and for the last window of each idle run (F3, F4). For counters,
// histograms and levels the windows in between are filled in here, so that readers see one point per window from the
// creation of the series on, up to Timeline::now_ns. For sampled gauges a window without a record has no data.
#pragma once

#include <cstdint>
#include <memory>

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
    bool rebased = false;  // the writer has moved series back in time at least once
};

// What was left out of the answer.
struct WindowStats {
    std::uint64_t future = 0;        // windows after Timeline::latest_ns
    std::uint64_t inconsistent = 0;  // histogram slots that contradict themselves
};

// Makes the windows of one series from views of it, the newest first. It keeps what a window may need of the slots that
// follow it and none of the slots themselves, so that a ring of any length takes one view's memory (V4).
class WindowBuilder {
  public:
    virtual ~WindowBuilder() = default;

    // The open window and the idle ones after it. Once, and first. `view` has data and was read with `hot`.
    virtual void add_hot(const SeriesView& view) = 0;
    // The closed windows of one view. Each view ends where the one before it began.
    virtual void add_ring(const SeriesView& view) = 0;
    // Whether something that was asked for stands or falls by slots older than those seen so far.
    virtual bool needs_older() const = 0;
    // The windows, oldest first. Once, and last.
    virtual SeriesData take() = 0;
};

// What the tier keeps of the kind, whether asked for or not: it decides where the columns of a slot are.
std::uint32_t kept_columns(const MetricInfo& metric, const TierInfo& tier);

// The builder for a metric of which `tier` keeps something, with `span` for the columns that are wanted. `stride`: entries
// that the answer has for each window of a histogram, 0 without buckets. `stats` must outlive it.
class WindowSpan;
std::unique_ptr<WindowBuilder> make_builder(const MetricInfo& metric, const SchemaInfo& schema, std::uint32_t tier,
                                            std::size_t stride, WindowSpan span, WindowStats* stats);

}  // namespace ringside::agent
