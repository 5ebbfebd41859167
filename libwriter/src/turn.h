// What the turns of all kinds of series share. The invariants T1 to T3 are in turn.cpp.
#pragma once

#include "segment.h"

namespace ringside::writer {

// What a turn needs to know of a series.
struct Series {
    Series(rside_cell* of, const rside_segment& in)
        : cell(of),
          segment(in),
          metric(in.metrics[in.metric_of[of - in.cells]]),
          number(static_cast<uint32_t>(of - in.cells) - metric.at.first_series) {}

    rside_cell* cell;
    const rside_segment& segment;
    const Metric& metric;
    uint32_t number;  // among the series of its metric

    rside_header* header() const { return segment.hot.header; }
    uint32_t* ring(uint32_t tier) const {
        return reinterpret_cast<uint32_t*>(segment.base + metric.at.ring[tier] + number * metric.at.ring_step[tier]);
    }
    // Of a gauge or level; its banks of accumulators follow.
    rside_origin* origin() const {
        return reinterpret_cast<rside_origin*>(segment.base + metric.at.accumulators +
                                               number * metric.at.accumulators_step);
    }
};

inline void count(uint64_t* counter, uint64_t by) {
    // Relaxed: several threads count, nobody orders by it.
    __atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}

// The number of the window of `tier` that holds a time before kTimeEndNs. In whole seconds: a division of 32 bits
// takes a half to a third of the time that one of 64 bits does, and a turn has several.
inline uint32_t window_of(uint64_t ns, const Tier& tier) {
    return static_cast<uint32_t>(ns / RSIDE_NS_PER_S) / tier.resolution_s;
}

// One slot of one ring.
class Slot {
  public:
    Slot(const Series& series, uint32_t tier, uint32_t window) {
        const Tier& of = series.segment.tiers[tier];
        const Metric& metric = series.metric;
        uint32_t words = metric.at.slot_words[tier];
        if (words == 0 || window == 0) return;  // the tier keeps nothing of the kind; window 0 has no stamp
        at_ = series.ring(tier) + (window % of.slots) * words;
        columns_ = rside_columns_of(metric.kind, of.columns);
        stamp_ = window;
        begin_ = at_;
        // P4: the slot is void before any of its words changes.
        __atomic_store_n(at_++, 0u, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_RELEASE);
    }
    // P5: the words are visible before the stamp that declares them whole.
    ~Slot() {
        if (begin_) __atomic_store_n(begin_, stamp_, __ATOMIC_RELEASE);
    }
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;

    bool keeps(uint32_t column) const { return columns_ & column; }
    void put(uint32_t column, uint64_t value) {
        if (!keeps(column)) return;
        word(static_cast<uint32_t>(value));
        word(static_cast<uint32_t>(value >> 32));
    }
    void put(uint32_t column, double value) { put(column, rside_f64_bits_(value)); }
    // Relaxed: P4 and P5 stand around all words.
    void word(uint32_t value) { __atomic_store_n(at_++, value, __ATOMIC_RELAXED); }

  private:
    uint32_t* begin_ = nullptr;
    uint32_t* at_ = nullptr;
    uint32_t columns_ = 0;
    uint32_t stamp_ = 0;
};

// A time that left the open window.
struct Step {
    bool turn;       // close the open window
    uint64_t begin;  // of the window that now opens
};

// Decides what a time outside the open window means, with `open` the begin of the window.
Step classify(const Series& series, uint64_t open, uint64_t now);

// P3: no word of a ring changes before TURNING is visible.
inline void turning(rside_cell* cell, uint64_t raw) {
    __atomic_store_n(&cell->open, raw | RSIDE_OPEN_TURNING, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

// Drops the slots whose time will come again after a step back from `open` to `begin`.
void drop_future(const Series& series, uint64_t open, uint64_t begin);

void turn_gauge(const Series& series, uint64_t now);
void turn_level(const Series& series, uint64_t now);

}  // namespace ringside::writer
