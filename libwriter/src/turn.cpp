// Closing windows: the slow path of a record, taken by the first record of a new window.
//
// Invariants (with those of format.h):
//  T1  A turn is bounded: at most two slots a tier, whatever the time that passed. After a large step back of the clock it
//      also looks at the stamps of the windows stepped back over, at most one lap of each ring (drop_future).
//  T2  A process may be killed between any two stores. Until the store of `open` that names the new window, everything of the
//      old one is still where it was: accumulators are written into the spare bank, slots are additions.
//      After it, STALE says that the hot fields still hold the old window. So a reader of the dead segment counts
//      each sample exactly once.
//  T3  Only the thread that owns the series turns it. For shared counters the TURNING bit, set by compare-and-swap, elects
//      one thread; the others do not wait, they add to the value and go on.

#include "turn.h"

namespace ringside::writer {

// A tier's slots belong to windows before `open`, so those from `begin` on have
// their places in one run of the ring, as long as the step and at most the whole ring. Once per series and large step back.
void drop_future(const Series& series, uint64_t open, uint64_t begin) {
    const rside_segment& segment = series.segment;
    uint64_t dropped = 0;
    for (uint32_t t = 0; t < segment.tier_count; ++t) {
        uint32_t words = series.metric.at.slot_words[t];
        if (words == 0) continue;
        uint32_t* slots = series.ring(t);
        uint64_t slot_count = segment.tiers[t].slots;
        uint64_t first = window_of(begin, segment.tiers[t]);
        uint64_t end = window_of(open, segment.tiers[t]);
        for (uint64_t w = end - first > slot_count ? end - slot_count : first; w < end; ++w) {
            uint32_t* stamp = slots + (w % slot_count) * words;
            uint32_t window = __atomic_load_n(stamp, __ATOMIC_RELAXED);
            if (window == 0 || window < first) continue;
            // Relaxed: happens inside TURNING, readers look at the slots only without it.
            __atomic_store_n(stamp, 0u, __ATOMIC_RELAXED);
            ++dropped;
        }
    }
    rside_header* header = series.header();
    count(&header->rebases, 1);
    count(&header->rebased_windows, dropped);
}

Step classify(const Series& series, uint64_t open, uint64_t now) {
    const rside_segment& segment = series.segment;
    // No window can open at either end of time. What comes then belongs to the open window, or to none (count_lost).
    if (is_endless(now)) return {false, open};
    uint64_t begin = window_of(now, segment.tiers[0]) * segment.tiers[0].resolution_ns;
    if (begin == 0) return {false, open};
    if (begin > open) return {true, begin};
    if (begin == open) return {false, open};
    uint64_t coarsest = segment.tiers[segment.tier_count - 1].resolution_ns;
    if (open - begin <= coarsest) {
        count(&series.header()->clock_steps_back, 1);
        return {false, open};  // small step back: the sample goes to the open window
    }
    rside_header* header = series.header();
    rside_store_u64_(&header->rebase_from_ns, open);
    rside_store_u64_(&header->rebase_to_ns, begin);
    return {true, begin};
}

namespace {

// Counters and histograms: slots are snapshots of the cumulative value.
template <typename Snapshot>
void close_cumulative(const Series& series, uint64_t open, uint64_t begin, Snapshot snapshot) {
    const rside_segment& segment = series.segment;
    if (begin < open) drop_future(series, open, begin);
    for (uint32_t t = 0; t < segment.tier_count; ++t) {
        uint32_t closed = window_of(open, segment.tiers[t]);
        uint32_t next = window_of(begin, segment.tiers[t]);
        if (closed >= next) break;  // nor does a coarser window end
        {
            Slot slot(series, t, closed);
            snapshot(slot);
        }
        if (next - closed < 2) continue;
        Slot fill(series, t, next - 1);  // F3
        snapshot(fill);
    }
}

void turn_counter(const Series& series, uint64_t now) {
    rside_cell* cell = series.cell;
    uint64_t raw = rside_load_u64_(&cell->open);
    uint64_t open = raw & ~RSIDE_OPEN_FLAGS;
    if (raw & RSIDE_OPEN_TURNING) return;  // T3: another thread is at it
    // A thread that was held up after reading the clock finds that others have turned since. Its time is stale, no step
    // back of the clock: without a second look it could rebase the series and drop what they wrote.
    if ((series.metric.flags & RSIDE_METRIC_SHARED) && now < open) now = rside_now_(&series.segment);
    Step step = classify(series, open, now);
    if (!step.turn) return;
    if (series.metric.flags & RSIDE_METRIC_SHARED) {
        // Acquire: the turn of another thread that we follow is finished. Release: P3 as below.
        if (!__atomic_compare_exchange_n(&cell->open, &raw, raw | RSIDE_OPEN_TURNING, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_RELAXED)) {
            return;
        }
        __atomic_thread_fence(__ATOMIC_RELEASE);
    } else {
        turning(cell, raw);
    }
    uint64_t value = rside_load_u64_(&cell->u.counter.value);
    close_cumulative(series, open, step.begin, [value](Slot& slot) { slot.put(RSIDE_COLUMN_VALUE, value); });
    // P7: the slots are visible before the window that they precede.
    __atomic_store_n(&cell->open, step.begin, __ATOMIC_RELEASE);
    // P6: the new window is visible before any value added to it.
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

void turn_histogram(const Series& series, uint64_t now) {
    rside_cell* cell = series.cell;
    uint64_t raw = rside_load_u64_(&cell->open);
    uint64_t open = raw & ~RSIDE_OPEN_FLAGS;
    Step step = classify(series, open, now);
    if (!step.turn) return;
    turning(cell, raw);
    const uint64_t* buckets = series.metric.histograms[series.number].buckets;
    uint32_t bucket_words = series.metric.bucket_count + 1;
    close_cumulative(series, open, step.begin, [cell, buckets, bucket_words](Slot& slot) {
        uint64_t records = rside_load_u64_(&cell->seq) >> 1;
        slot.put(RSIDE_COLUMN_COUNT, records);
        slot.put(RSIDE_COLUMN_SUM, rside_load_f64_(&cell->u.histogram.sum[records & 1]));
        if (!slot.keeps(RSIDE_COLUMN_BUCKETS)) return;
        // Modulo 2^32 on purpose: differences of neighbours are exact, and the hot buckets have all 64 bits.
        for (uint32_t i = 0; i < bucket_words; ++i) slot.word(static_cast<uint32_t>(rside_load_u64_(&buckets[i])));
    });
    __atomic_store_n(&cell->open, step.begin, __ATOMIC_RELEASE);  // P7; the P1 of the next record does what P6 is for
}

}  // namespace
}  // namespace ringside::writer

using namespace ringside::writer;

extern "C" uint64_t rside_turn(rside_cell* cell, rside_segment* segment, uint64_t now_ns) {
    Series series(cell, *segment);
    switch (series.metric.kind) {
        case RSIDE_COUNTER:
        case RSIDE_COUNTER_F64: turn_counter(series, now_ns); break;
        case RSIDE_HISTOGRAM: turn_histogram(series, now_ns); break;
        case RSIDE_GAUGE: turn_gauge(series, now_ns); break;
        case RSIDE_LEVEL: turn_level(series, now_ns); break;
        default: break;
    }
    return is_endless(now_ns) ? 0 : now_ns;
}

extern "C" void rside_reject(rside_segment* segment) { count(&segment->hot.header->rejected_samples, 1); }
