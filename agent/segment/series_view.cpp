#include "agent/segment/series_view.h"

#include <algorithm>
#include <atomic>
#include <cerrno>

namespace ringside::agent {

namespace {

struct alignas(kSourceAlignment) AlignedCell {
    rside_cell cell;
};

bool is_histogram(Kind kind) { return kind == Kind::kHistogram; }

// Keeps the loads before it before the loads after it. Each pread enters the kernel, which orders nothing by itself on weakly
// ordered machines.
void order_loads() { std::atomic_thread_fence(std::memory_order_acquire); }

}  // namespace

SeriesReader::SeriesReader(const ByteSource& source, const SegmentLayout& layout, std::uint32_t metric,
                           std::uint32_t index)
    : source_(source),
      layout_(layout),
      at_(layout.metrics[metric]),
      metric_(metric),
      kind_(layout.schema->metrics[metric].kind),
      step_(index - layout.metrics[metric].first_series),
      cell_at_(layout.geometry.cells_offset + std::uint64_t{index} * sizeof(rside_cell)) {}

// Every read of the segment goes through here, which notes why one failed: a file that was cut is lost, while a kernel that
// is short of memory or has trouble with its disk may do better the next time.
bool SeriesReader::copy(std::uint64_t offset, void* to, std::size_t size) {
    errno = 0;
    if (source_.read(offset, to, size)) return true;
    errno_ = errno;
    failure_ = errno_ == 0 ? ViewOutcome::kShrunk : ViewOutcome::kUnreadable;
    return false;
}

bool SeriesReader::read_cell(rside_cell* to) {
    AlignedCell copied;
    if (!copy(cell_at_, &copied, sizeof copied)) return false;
    *to = copied.cell;
    return true;
}

ViewOutcome SeriesReader::read(const ViewRequest& request, SeriesView* view) {
    retries_ = 0;
    accept_turning_ = request.no_writer;
    have_ring_ = false;
    // A writer that is stopped inside a turn (a paused VM, a thread that died) leaves TURNING set for good; the last try
    // then reads around it.
    for (int tries = 0; tries < kReadTries; ++tries) {
        retries_ = tries;
        if (tries == kReadTries - 1) accept_turning_ = true;
        switch (attempt(request, view)) {
            case Attempt::kDone:
                return view->hot || !request.hot || view->open_ns == 0 ? ViewOutcome::kWhole : ViewOutcome::kWithoutHot;
            case Attempt::kAgain: break;
            case Attempt::kFailed: return failure_;
        }
    }
    if (!have_ring_) return ViewOutcome::kBusy;
    view->hot = false;
    return ViewOutcome::kWithoutHot;
}

SeriesReader::Attempt SeriesReader::accept_open(const ViewRequest& request, std::uint64_t raw, SeriesView* view) {
    std::uint64_t open_ns = raw & ~RSIDE_OPEN_FLAGS;
    std::uint64_t resolution_ns = layout_.schema->tiers.front().resolution_s * RSIDE_NS_PER_S;
    if (open_ns % resolution_ns != 0 || open_ns / RSIDE_NS_PER_S > UINT32_MAX) {
        failure_ = ViewOutcome::kCorrupt;
        return Attempt::kFailed;
    }
    view->open_ns = open_ns;
    view->turning = (raw & RSIDE_OPEN_TURNING) != 0;
    view->stale = (raw & RSIDE_OPEN_STALE) != 0;
    if (view->turning && !accept_turning_) return Attempt::kAgain;
    place_ring(request, open_ns, &view->ring);
    return Attempt::kDone;
}

// The worst interleaving, which the second look at `open` is for: (1) the reader sees window W open; (2) the writer turns to
// W+1, writes the slot of W over that of W-n and starts the slot of the next lap; (3) the reader copies half of it. After the
// copy `open` is not W any more, or has TURNING set, because P3 made that visible before any word of a slot.
SeriesReader::Attempt SeriesReader::attempt(const ViewRequest& request, SeriesView* view) {
    rside_cell before, body, after;
    if (!read_cell(&before)) return Attempt::kFailed;
    std::uint64_t raw = before.open;
    if (raw == 0) {
        view->open_ns = 0;
        view->ring.count = 0;
        return Attempt::kDone;
    }
    if (have_ring_ && raw != ring_open_) have_ring_ = false;
    if (!have_ring_) {
        if (Attempt accepted = accept_open(request, raw, view); accepted != Attempt::kDone) return accepted;
        order_loads();  // R7, pairs with P7: the slots that precede this window are all there.
        bool read = view->turning && !request.no_writer ? read_ring_of_turning(request, &view->ring)
                                                        : read_ring(request, &view->ring);
        if (!read || !read_accumulator(request, raw & RSIDE_OPEN_BANK, view)) return Attempt::kFailed;
    }
    order_loads();  // R2, R9, pair with P2, P9: what follows is as new as `before`, at least.
    if (is_histogram(kind_) && request.hot && request.buckets) {
        // A series owns whole lines, zero bucket and buckets first.
        view->hot_buckets.resize(at_.hot_buckets_step / sizeof(WordLine));
        std::uint64_t offset = at_.hot_buckets + at_.hot_buckets_step * step_;
        if (!copy(offset, view->hot_buckets.data(), at_.hot_buckets_step)) return Attempt::kFailed;
    }
    if (is_gauge(kind_) && request.hot) {
        std::uint64_t offset = at_.accumulators + at_.accumulators_step * step_;
        if (!copy(offset, &view->origin, sizeof view->origin)) return Attempt::kFailed;
    }
    if (!read_cell(&body)) return Attempt::kFailed;
    order_loads();  // R1, R3, R6, R8, pair with P1, P3, P6, P8: `after` is as new as anything above, at least.
    if (!read_cell(&after)) return Attempt::kFailed;
    if (body.open != raw || after.open != raw) {
        have_ring_ = false;
        return Attempt::kAgain;
    }
    have_ring_ = true;
    ring_open_ = raw;
    view->hot = false;
    if (!request.hot) return Attempt::kDone;
    view->cell = body;
    view->hot = hot_is_whole(before, body, after, request.no_writer);
    if (!view->hot) return Attempt::kAgain;
    undo_half_done(view);
    return Attempt::kDone;
}

bool SeriesReader::hot_is_whole(const rside_cell& before, const rside_cell& body, const rside_cell& after,
                                bool no_writer) const {
    if (is_counter(kind_)) {
        // One word, so there is nothing to fit together. That it lies between two others also catches a word that the
        // kernel copied in two halves. Bits of doubles that are not negative are ordered like the doubles.
        return no_writer ||
               (before.u.counter.value <= body.u.counter.value && body.u.counter.value <= after.u.counter.value);
    }
    if (before.seq != after.seq) return false;
    return kind_ == Kind::kGauge || (before.seq & 1) == 0 || no_writer;
}

// A gauge or a level that a kill left half done needs nothing: what is valid says nothing of the record in hand. A histogram
// may have it in a bucket already; `pending` says in which, and what that one held before.
void SeriesReader::undo_half_done(SeriesView* view) const {
    if (!is_histogram(kind_) || (view->cell.seq & 1) == 0) return;
    std::uint64_t pending = view->cell.u.histogram.pending;
    std::uint64_t bucket = pending >> 32 & 0x7fff'ffff;
    // The record in hand makes the other sum valid. If `pending` is still that of the record before, no bucket has changed.
    bool of_this_record = pending >> 63 != (view->cell.seq >> 1 & 1);
    view->cell.seq -= 1;
    if (!of_this_record || view->hot_buckets.empty() || bucket > layout_.schema->metrics[metric_].bucket_count) return;
    std::uint64_t& value = view->hot_buckets[bucket / 8].words[bucket % 8];
    if (static_cast<std::uint32_t>(value) == static_cast<std::uint32_t>(pending + 1)) --value;
}

void SeriesReader::place_ring(const ViewRequest& request, std::uint64_t open_ns, RingPart* ring) const {
    const TierInfo& tier = layout_.schema->tiers[request.tier];
    std::uint64_t open_window = open_ns / (tier.resolution_s * RSIDE_NS_PER_S);
    ring->slot_words = at_.slot_words[request.tier];
    // Window 0 has no stamp. The slot of open_window itself still holds that of a lap before.
    ring->oldest = open_window > tier.slots ? open_window - tier.slots : 1;
    ring->first = std::max(ring->oldest, request.first_window);
    std::uint64_t end = request.last_window < open_window ? request.last_window + 1 : open_window;
    ring->count = ring->slot_words > 0 && end > ring->first ? end - ring->first : 0;
    if (ring->count == 0) return;
    ring->count = std::min(ring->count, kRingPartBytes / (ring->slot_words * sizeof(std::uint32_t)));
    ring->first = end - ring->count;
}

// The ring is read in at most two pieces: up to its end, and from its begin.
bool SeriesReader::read_ring(const ViewRequest& request, RingPart* ring) {
    ring->words.resize(ring->count * ring->slot_words);
    std::uint64_t slots = layout_.schema->tiers[request.tier].slots;
    std::uint64_t ring_at = at_.ring[request.tier] + at_.ring_step[request.tier] * step_;
    std::uint64_t slot_bytes = ring->slot_words * sizeof(std::uint32_t);
    std::uint64_t done = 0;
    while (done < ring->count) {
        std::uint64_t position = (ring->first + done) % slots;
        std::uint64_t piece = std::min(ring->count - done, slots - position);
        if (!copy(ring_at + position * slot_bytes, ring->words.data() + done * ring->slot_words, piece * slot_bytes)) {
            return false;
        }
        done += piece;
    }
    return true;
}

// While TURNING is set a slot may be changing. Its stamp is cleared before and set after (F1), so a slot whose stamp was the
// same before and after its words were copied is whole. What is not becomes an empty slot.
bool SeriesReader::read_ring_of_turning(const ViewRequest& request, RingPart* ring) {
    RingPart before = *ring;
    RingPart after = *ring;
    if (!read_ring(request, &before)) return false;
    order_loads();  // R5, pairs with P5: the words are as new as the stamps in `before`.
    if (!read_ring(request, ring)) return false;
    order_loads();  // R4, pairs with P4: the stamps in `after` are as new as the words.
    if (!read_ring(request, &after)) return false;
    for (std::uint64_t i = 0; i < ring->count; ++i) {
        std::uint32_t& stamp = ring->words[i * ring->slot_words];
        if (stamp == before.words[i * ring->slot_words] && stamp == after.words[i * ring->slot_words]) continue;
        stamp = 0;
    }
    return true;
}

bool SeriesReader::read_accumulator(const ViewRequest& request, std::uint64_t bank, SeriesView* view) {
    view->accumulator = {};
    if (!request.hot || !is_gauge(kind_) || request.tier == 0) return true;
    std::uint64_t per_bank = layout_.schema->tiers.size() - 1;
    std::uint64_t offset = at_.accumulators + at_.accumulators_step * step_ + sizeof(rside_origin) +
                           (bank * per_bank + request.tier - 1) * sizeof(rside_accumulator);
    return copy(offset, &view->accumulator, sizeof view->accumulator);
}

}  // namespace ringside::agent
