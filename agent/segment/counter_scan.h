// The closed windows of a counter, straight from mapped memory: what window_reader.h does of them, for the case that nearly
// all are in, at a tenth of the price. Internal to agent/segment.
//
// It answers for a writer that lives and is not inside a turn, for windows that the ring still holds in full, and leaves all
// else (a death, an open window, slots that were lost, a time that is not believed) to the general reader, which it must
// agree with in every answer it does give.
#pragma once

#include <cstdint>

#include "agent/base/model.h"
#include "agent/segment/layout.h"
#include "agent/segment/mapped_bytes.h"
#include "agent/segment/ring_span.h"
#include "agent/segment/windows.h"

namespace ringside::agent {

class CounterScan {
  public:
    // All by reference, all must outlive it.
    CounterScan(const MappedBytes& bytes, const SegmentLayout& layout) : bytes_(bytes), layout_(layout) {}

    // What the reads that follow are of: series of `metric`, a counter, with a timeline that differs from one to the next in
    // created_ns alone. False: all are for the general reader.
    bool choose(std::uint32_t metric, const ReadRequest& request);

    // Fills *data and returns true, or returns false: ask the general reader. `index` is a directory entry of the metric.
    bool read(std::uint32_t index, const Timeline& timeline, SeriesData* data);

    // The same in short, by a look at the first window and the last. False, too, where the last has less than the first.
    bool read_run(std::uint32_t index, const Timeline& timeline, CounterRun* run);

  private:
    // What all series of one metric have in common in one request.
    struct Plan {
        std::uint32_t metric = UINT32_MAX;
        ReadRequest request;
        bool possible = false;
        bool floating = false;
        std::uint64_t resolution_ns = 1;
        std::uint64_t slots = 1;
        const std::byte* cells = nullptr;  // of the segment's first series
        const std::byte* ring = nullptr;   // of the metric's first one
        std::uint64_t ring_step = 0;
        std::uint32_t first_series = 0, end_series = 0;
    };
    // Which windows are to be read, of a series whose `open` is this one: that of most series at a time.
    struct Span : RingSpan {
        std::uint64_t newest_slot = 0;  // position of the last one of them that lies in the ring
        std::uint64_t oldest_slot = 0;  // and of the first
    };
    void plan(std::uint32_t metric, const ReadRequest& request);
    Span span_of(std::uint64_t open, const Timeline& timeline) const;
    bool place(std::uint32_t index, const Timeline& timeline);
    template <typename Take>
    bool walk(std::uint32_t index, std::uint64_t created_ns, std::uint64_t* begun, Take take) const;
    bool ends(std::uint32_t index, std::uint64_t* oldest, std::uint64_t* newest) const;
    bool is_unchanged(std::uint32_t index) const;
    const std::byte* cell(std::uint32_t index) const { return plan_.cells + std::uint64_t{index} * sizeof(rside_cell); }

    const MappedBytes& bytes_;
    const SegmentLayout& layout_;
    Plan plan_;
    Span span_;
};

}  // namespace ringside::agent
