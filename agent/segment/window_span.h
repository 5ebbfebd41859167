// The windows of one tier in one answer: which may appear, and their points column by column. Internal to agent/segment.
#pragma once

#include <ringside/format.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <ranges>
#include <span>

#include "agent/base/model.h"
#include "agent/segment/windows.h"

namespace ringside::agent {

// The values of one window; only the kept columns are looked at.
struct WindowPoint {
    std::uint64_t count = 0;
    double sum = 0, min = 0, max = 0, last = 0;
    std::uint64_t value = 0;
};

// A NaN that a segment holds could be the bit pattern that Prometheus takes for "this series has ended".
inline double plain_nan(double value) { return value == value ? value : std::numeric_limits<double>::quiet_NaN(); }

// Collects points by falling window, the newest first: what a window may need comes from newer ones.
class WindowSpan {
  public:
    WindowSpan(const TierInfo& tier, const ReadRequest& request, const Timeline& timeline, std::uint32_t columns,
               WindowStats* stats)
        : resolution_ns_(tier.resolution_s * RSIDE_NS_PER_S),
          slots_(tier.slots),
          request_(request),
          timeline_(timeline),
          columns_(columns),
          stats_(stats) {}

    std::uint64_t resolution_ns() const { return resolution_ns_; }
    std::uint64_t slots() const { return slots_; }
    std::uint64_t now_ns() const { return timeline_.now_ns; }
    std::uint64_t created_ns() const { return timeline_.created_ns; }
    bool rebased() const { return timeline_.rebased; }
    std::uint64_t window_of(std::uint64_t ns) const { return ns / resolution_ns_; }
    std::uint64_t begin_of(std::uint64_t window) const { return window * resolution_ns_; }
    std::uint64_t end_of(std::uint64_t window) const { return (window + 1) * resolution_ns_; }
    bool keeps(std::uint32_t column) const { return (columns_ & column) != 0; }

    // The window in which the series was created, but none after `known`, in which it has data.
    std::uint64_t created_window(std::uint64_t known) const { return std::min(window_of(timeline_.created_ns), known); }

    // The last window of which anything is known: the open one, or that in which the time of the answer lies.
    std::uint64_t last_window(std::uint64_t open_window) const {
        std::uint64_t now = timeline_.now_ns == 0 ? 0 : window_of(timeline_.now_ns - 1);
        return std::min<std::uint64_t>(std::max(open_window, now), UINT32_MAX);
    }

    // The windows after the open one of which it is known that nothing happened: up to last_window(), and no more than the
    // ring has slots, whatever time lies in between.
    auto idle_windows(std::uint64_t open_window) const {
        std::uint64_t last = last_window(open_window);
        std::uint64_t first = open_window + 1;
        if (last + 1 > slots_) first = std::max(first, last + 1 - slots_);
        first = std::max(first, std::min(first_wanted(), last + 1));
        last = std::min(last, last_wanted());
        return std::views::iota(first, std::max(first, last + 1));
    }

    // Whether a window is still the ring's to answer for, with `open_window` open: the slot of the open window holds one of
    // the lap before that is next to go.
    bool retained(std::uint64_t window, std::uint64_t open_window) const { return window + slots_ > open_window; }

    // Windows before this one end too early for the request.
    std::uint64_t first_wanted() const { return request_.begin_ns / resolution_ns_; }

    // Windows after this one end too late for it; the last window of a dead VM may end before its time.
    std::uint64_t last_wanted() const { return request_.end_ns / resolution_ns_; }

    // Whether the window appears in the answer. `closed_by_writer`: the writer has turned past it.
    bool wants(std::uint64_t window, bool closed_by_writer);

    // Appends a window that wants() said yes to. `flags` besides those that follow from time. `buckets`, where the answer
    // has them: `stride` entries.
    void add(std::uint64_t window, bool closed_by_writer, std::uint8_t flags, const WindowPoint& point,
             std::span<const std::uint64_t> buckets = {});

    std::size_t size() const { return data_.size(); }
    // Takes back all windows but the first `size`. Not for histograms.
    void keep_newest(std::size_t size);

    // What the answer takes at most, with `open_window` open: a ring in a segment of megabytes can ask for gigabytes, and the
    // silence after its newest window has as many points as it has slots.
    std::uint64_t most_bytes(std::uint64_t open_window, std::size_t stride) const {
        return most_windows(open_window) * point_bytes(stride);
    }
    // Makes room for that at once: columns that grow would take up to three times as much.
    void reserve(std::uint64_t open_window, std::size_t stride);

    // Oldest first.
    SeriesData take();

  private:
    std::uint64_t most_windows(std::uint64_t open_window) const;
    std::uint64_t point_bytes(std::size_t stride) const;
    // Calls `change` with each column that has an entry a window.
    template <typename Change>
    void each_column(Change change);
    std::uint64_t true_end(std::uint64_t window) const {
        return timeline_.ended ? std::min(end_of(window), timeline_.now_ns) : end_of(window);
    }
    bool open(std::uint64_t window, bool closed_by_writer) const {
        return !timeline_.ended && !closed_by_writer && end_of(window) > timeline_.now_ns;
    }

    std::uint64_t resolution_ns_;
    std::uint64_t slots_;
    const ReadRequest& request_;
    const Timeline& timeline_;
    std::uint32_t columns_;
    WindowStats* stats_;
    SeriesData data_;  // newest first
};

}  // namespace ringside::agent
