// One consistent copy of what a segment holds of one series in one tier, taken while its writer may be at work. Internal
// to agent/segment; docs/ordering.md tells the pairs P and R that the reader and the writer stand on.
//
// A ring may be as long as a segment, 4 GiB, so a view holds at most kRingPartBytes of it: the newest windows of the
// request. Whoever needs those before asks again for what ends where the view begins.
//
// Invariants:
//  V1  Ring slots, accumulator and open window of a view belong to one value of the cell's `open` word: it was the same
//      before and after they were copied (F2, F5).
//  V2  Hot fields are part of a view only if they were copied between two equal values of `seq` that say that no record is
//      half done, or if no writer is left; what that one left half done is then not part of it (F7).
//  V3  Every loop is bounded, and nothing that the segment says is used as an offset or a length.
//  V4  Views of one series fit together, the newest first, although each has a moment of its own: what a slot says of its
//      window is true for good, and a slot that was overwritten in between carries another stamp.
#pragma once

#include <ringside/format.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "agent/segment/byte_source.h"
#include "agent/segment/layout.h"

namespace ringside::agent {

inline constexpr int kReadTries = 16;
// What a view copies of a ring at most. Longer than a slot, which has 2,060 words at most, and than most rings.
inline constexpr std::uint64_t kRingPartBytes = std::uint64_t{1} << 20;

// Slots of the windows first .. first + count - 1, oldest first. A slot whose stamp is not its window's number says nothing
// of that window.
struct RingPart {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    std::uint64_t oldest = 0;  // the first window that the ring could hold
    std::uint32_t slot_words = 0;
    std::vector<std::uint32_t> words;  // count x slot_words

    const std::uint32_t* slot(std::uint64_t window) const { return words.data() + (window - first) * slot_words; }
    std::uint32_t stamp(std::uint64_t window) const { return *slot(window); }
};

// A cache line of 64-bit words, for copies that must be aligned like their source.
struct alignas(kSourceAlignment) WordLine {
    std::uint64_t words[kSourceAlignment / 8];
};

struct SeriesView {
    std::uint64_t open_ns = 0;  // begin of the open window of the first tier; 0: the series has no data
    bool turning = false;       // the writer is, or died, inside a turn: what stands here is the state before it
    bool stale = false;         // F6: the hot fields count as empty
    bool hot = false;           // whether cell and hot_buckets are part of the view (V2)
    rside_cell cell{};          // of a histogram that died inside a record: as before that record, buckets included
    rside_origin origin{};      // gauges and levels
    rside_accumulator accumulator{};    // of the tier; gauges and levels beyond the first tier
    std::vector<WordLine> hot_buckets;  // histograms. Also there without `hot`: each bucket right on its own
    RingPart ring;

    std::uint64_t hot_bucket(std::size_t i) const { return hot_buckets[i / 8].words[i % 8]; }
};

// What to copy.
struct ViewRequest {
    std::uint32_t tier = 0;
    // Windows of the ring wanted; what the ring does not hold is left out, and of more than kRingPartBytes the oldest.
    std::uint64_t first_window = 0;
    std::uint64_t last_window = UINT64_MAX;
    bool hot = true;         // whether cell, accumulator and hot buckets are wanted
    bool buckets = false;    // histograms: copy the hot buckets
    bool no_writer = false;  // the writer is dead: nothing is worth another try
};

enum class ViewOutcome : std::uint8_t {
    kWhole,
    kWithoutHot,  // the hot cell stayed busy: view.hot is false
    kBusy,        // the ring itself kept changing: there is no view
    kShrunk,      // the file ends too early
    kUnreadable,  // the kernel failed to read: read_errno() says why
    kCorrupt,     // the cell names a window that cannot be
};

class SeriesReader {
  public:
    // All by reference, all must outlive the reader. `index` is a directory entry of `metric`.
    SeriesReader(const ByteSource& source, const SegmentLayout& layout, std::uint32_t metric, std::uint32_t index);

    // Any thread. Reads at most kReadTries times.
    ViewOutcome read(const ViewRequest& request, SeriesView* view);

    // Attempts beyond the first of the last read.
    int retries() const { return retries_; }
    // Of a read that was kUnreadable.
    int read_errno() const { return errno_; }

  private:
    enum class Attempt : std::uint8_t { kDone, kAgain, kFailed };
    Attempt attempt(const ViewRequest& request, SeriesView* view);
    Attempt accept_open(const ViewRequest& request, std::uint64_t raw, SeriesView* view);
    bool copy(std::uint64_t offset, void* to, std::size_t size);
    bool read_cell(rside_cell* to);
    bool read_ring(const ViewRequest& request, RingPart* ring);
    bool read_ring_of_turning(const ViewRequest& request, RingPart* ring);
    bool read_accumulator(const ViewRequest& request, std::uint64_t bank, SeriesView* view);
    bool hot_is_whole(const rside_cell& before, const rside_cell& body, const rside_cell& after, bool no_writer) const;
    void undo_half_done(SeriesView* view) const;
    void place_ring(const ViewRequest& request, std::uint64_t open_ns, RingPart* ring) const;

    const ByteSource& source_;
    const SegmentLayout& layout_;
    const rside_metric_geometry& at_;
    std::uint32_t metric_;
    Kind kind_;
    std::uint32_t step_;  // of the series among those of its metric
    std::uint64_t cell_at_;
    // State of one read.
    int retries_ = 0;
    bool accept_turning_ = false;
    bool have_ring_ = false;  // view->ring was validated against ring_open_
    std::uint64_t ring_open_ = 0;
    ViewOutcome failure_ = ViewOutcome::kShrunk;
    int errno_ = 0;
};

}  // namespace ringside::agent
