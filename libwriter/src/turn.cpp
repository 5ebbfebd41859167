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

#include "segment.h"

namespace ringside::writer {
namespace {

rside_header* header_of(const rside_series* series) { return series->segment->hot.header; }

void count(uint64_t* counter, uint64_t by) {
    // Relaxed: several threads count, nobody orders by it.
    __atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}

// One slot of one ring.
class Slot {
  public:
    Slot(const rside_series* series, const Metric& metric, uint32_t tier, uint64_t window) {
        const rside_segment* segment = series->segment;
        uint32_t words = metric.at.slot_words[tier];
        if (words == 0 || window == 0) return;  // the tier keeps nothing of the kind; window 0 has no stamp
        uint64_t ring =
            metric.at.ring[tier] + uint64_t{series->index - metric.at.first_series} * metric.at.ring_step[tier];
        at_ = reinterpret_cast<uint32_t*>(segment->base + ring) + (window % segment->tiers[tier].slots) * words;
        columns_ = rside_columns_of(metric.kind, segment->tiers[tier].columns);
        stamp_ = static_cast<uint32_t>(window);
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

// Drops the slots whose time will come again: a tier's slots belong to windows before `open`, so those from `begin` on have
// their places in one run of the ring, as long as the step and at most the whole ring. Once per series and large step back.
void drop_future(const rside_series* series, const Metric& metric, uint64_t open, uint64_t begin) {
    const rside_segment* segment = series->segment;
    uint64_t dropped = 0;
    for (uint32_t t = 0; t < segment->tier_count; ++t) {
        uint32_t words = metric.at.slot_words[t];
        if (words == 0) continue;
        uint64_t ring = metric.at.ring[t] + uint64_t{series->index - metric.at.first_series} * metric.at.ring_step[t];
        auto* slots = reinterpret_cast<uint32_t*>(segment->base + ring);
        uint64_t slot_count = segment->tiers[t].slots;
        uint64_t first = begin / segment->tiers[t].resolution_ns;
        uint64_t end = open / segment->tiers[t].resolution_ns;
        for (uint64_t w = end - first > slot_count ? end - slot_count : first; w < end; ++w) {
            uint32_t* stamp = slots + (w % slot_count) * words;
            if (__atomic_load_n(stamp, __ATOMIC_RELAXED) < first) continue;
            // Relaxed: happens inside TURNING, readers look at the slots only without it.
            __atomic_store_n(stamp, 0u, __ATOMIC_RELAXED);
            ++dropped;
        }
    }
    rside_header* header = header_of(series);
    count(&header->rebases, 1);
    count(&header->rebased_windows, dropped);
}

// Decides what a time outside the open window means, with `open` the begin of the window.
Step classify(const rside_series* series, uint64_t open, uint64_t now) {
    const rside_segment* segment = series->segment;
    uint64_t begin = now - now % segment->tiers[0].resolution_ns;
    // No window can open at either end of time. What comes then belongs to the open window, or to none (count_lost).
    if (is_endless(now) || begin == 0) return {false, open};
    if (begin > open) return {true, begin};
    if (begin == open) return {false, open};
    uint64_t coarsest = segment->tiers[segment->tier_count - 1].resolution_ns;
    if (open - begin <= coarsest) {
        count(&header_of(series)->clock_steps_back, 1);
        return {false, open};  // small step back: the sample goes to the open window
    }
    rside_header* header = header_of(series);
    rside_store_u64_(&header->rebase_from_ns, open);
    rside_store_u64_(&header->rebase_to_ns, begin);
    return {true, begin};
}

// P3: no word of a ring changes before TURNING is visible.
void turning(rside_cell* cell, uint64_t raw) {
    __atomic_store_n(&cell->open, raw | RSIDE_OPEN_TURNING, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

// Counters and histograms: slots are snapshots of the cumulative value.
template <typename Snapshot>
void close_cumulative(const rside_series* series, const Metric& metric, uint64_t open, uint64_t begin,
                      Snapshot snapshot) {
    const rside_segment* segment = series->segment;
    if (begin < open) drop_future(series, metric, open, begin);
    for (uint32_t t = 0; t < segment->tier_count; ++t) {
        uint64_t closed = open / segment->tiers[t].resolution_ns;
        uint64_t next = begin / segment->tiers[t].resolution_ns;
        if (closed >= next) continue;
        {
            Slot slot(series, metric, t, closed);
            snapshot(slot);
        }
        if (next - closed < 2) continue;
        Slot fill(series, metric, t, next - 1);  // F3
        snapshot(fill);
    }
}

void turn_counter(const rside_series* series, const Metric& metric, uint64_t now) {
    rside_cell* cell = series->cell;
    uint64_t raw = rside_load_u64_(&cell->open);
    uint64_t open = raw & ~RSIDE_OPEN_FLAGS;
    if (raw & RSIDE_OPEN_TURNING) return;  // T3: another thread is at it
    // A thread that was held up after reading the clock finds that others have turned since. Its time is stale, no step
    // back of the clock: without a second look it could rebase the series and drop what they wrote.
    if ((metric.flags & RSIDE_METRIC_SHARED) && now < open) now = rside_now_(series->segment);
    Step step = classify(series, open, now);
    if (!step.turn) return;
    if (metric.flags & RSIDE_METRIC_SHARED) {
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
    close_cumulative(series, metric, open, step.begin, [value](Slot& slot) { slot.put(RSIDE_COLUMN_VALUE, value); });
    // P7: the slots are visible before the window that they precede.
    __atomic_store_n(&cell->open, step.begin, __ATOMIC_RELEASE);
    // P6: the new window is visible before any value added to it.
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

void turn_histogram(const rside_series* series, const Metric& metric, uint64_t now) {
    rside_cell* cell = series->cell;
    uint64_t raw = rside_load_u64_(&cell->open);
    uint64_t open = raw & ~RSIDE_OPEN_FLAGS;
    Step step = classify(series, open, now);
    if (!step.turn) return;
    turning(cell, raw);
    const uint64_t* buckets = series->histogram->buckets;
    uint32_t bucket_words = metric.bucket_count + 1;
    close_cumulative(series, metric, open, step.begin, [cell, buckets, bucket_words](Slot& slot) {
        uint64_t records = rside_load_u64_(&cell->seq) >> 1;
        slot.put(RSIDE_COLUMN_COUNT, records);
        slot.put(RSIDE_COLUMN_SUM, rside_load_f64_(&cell->u.histogram.sum[records & 1]));
        if (!slot.keeps(RSIDE_COLUMN_BUCKETS)) return;
        // Modulo 2^32 on purpose: differences of neighbours are exact, and the hot buckets have all 64 bits.
        for (uint32_t i = 0; i < bucket_words; ++i) slot.word(static_cast<uint32_t>(rside_load_u64_(&buckets[i])));
    });
    __atomic_store_n(&cell->open, step.begin, __ATOMIC_RELEASE);  // P7
    __atomic_thread_fence(__ATOMIC_RELEASE);                      // P6
}

constexpr rside_accumulator kEmpty = {0, 0.0, __builtin_inf(), -__builtin_inf(), 0.0};

double smaller(double a, double b) { return a < b ? a : b; }
double larger(double a, double b) { return a > b ? a : b; }

// `later` follows `earlier` in time. Nothing is added to what is empty, so that -0.0 and rounding stay as recorded.
rside_accumulator merge(const rside_accumulator& earlier, const rside_accumulator& later) {
    if (earlier.count == 0) return later;
    if (later.count == 0) return earlier;
    return {earlier.count + later.count, earlier.sum + later.sum, smaller(earlier.min, later.min),
            larger(earlier.max, later.max), later.last};
}

// A level held for a time.
rside_accumulator held(double value, uint64_t ns) {
    if (ns == 0) return kEmpty;
    return {ns, value * (static_cast<double>(ns) / 1e9), value, value, value};  // exact for whole seconds
}

rside_accumulator* bank_of(const rside_series* series, const Metric& metric, uint64_t bank) {
    auto* banks = reinterpret_cast<rside_accumulator*>(origin_of(*series->segment, metric, series->index) + 1);
    return banks + bank * (series->segment->tier_count - 1);
}

rside_accumulator load(const rside_accumulator& from) {
    return {rside_load_u64_(&from.count), rside_load_f64_(&from.sum), rside_load_f64_(&from.min),
            rside_load_f64_(&from.max), rside_load_f64_(&from.last)};
}

void store(rside_accumulator* to, const rside_accumulator& value) {
    rside_store_u64_(&to->count, value.count);
    rside_store_f64_(&to->sum, value.sum);
    rside_store_f64_(&to->min, value.min);
    rside_store_f64_(&to->max, value.max);
    rside_store_f64_(&to->last, value.last);
}

void write_slot(const rside_series* series, const Metric& metric, uint32_t tier, uint64_t window,
                const rside_accumulator& value) {
    if (value.count == 0) return;
    Slot slot(series, metric, tier, window);
    slot.put(RSIDE_COLUMN_COUNT, value.count);
    slot.put(RSIDE_COLUMN_SUM, value.sum);
    slot.put(RSIDE_COLUMN_MIN, value.min);
    slot.put(RSIDE_COLUMN_MAX, value.max);
    slot.put(RSIDE_COLUMN_LAST, value.last);
}

// What differs between the two kinds of gauge: the hot window as it closes, and what time adds without a record.
struct ClosedWindow {
    rside_accumulator window;  // the first-tier window that closes
    bool holds;                // level: `window.last` went on until the new window
};

// Writes the slots of all tiers that close, and the spare bank with what stays open.
void close_gauge(const rside_series* series, const Metric& metric, uint64_t raw, uint64_t begin,
                 const ClosedWindow& closed) {
    const rside_segment* segment = series->segment;
    uint64_t open = raw & ~RSIDE_OPEN_FLAGS;
    uint64_t bank = raw & RSIDE_OPEN_BANK;
    const rside_accumulator* from = bank_of(series, metric, bank);
    rside_accumulator* to = bank_of(series, metric, bank ^ 1);
    uint64_t end = open + segment->tiers[0].resolution_ns;
    double value = closed.window.last;
    for (uint32_t t = 0; t < segment->tier_count; ++t) {
        uint64_t resolution = segment->tiers[t].resolution_ns;
        uint64_t window = open / resolution;
        uint64_t next = begin / resolution;
        rside_accumulator merged = t == 0 ? closed.window : merge(load(from[t - 1]), closed.window);
        bool stays = t > 0 && window == next;
        if (closed.holds) {  // F4: k idle seconds in one step
            uint64_t until = stays ? begin : (window + 1) * resolution;
            merged = merge(merged, held(value, until - end));
        }
        if (stays) {
            store(&to[t - 1], merged);
            continue;
        }
        write_slot(series, metric, t, window, merged);
        if (closed.holds && next - window > 1) write_slot(series, metric, t, next - 1, held(value, resolution));
        if (t > 0) store(&to[t - 1], closed.holds ? held(value, begin - next * resolution) : kEmpty);
    }
}

// A large step back: the open windows of all tiers move to the new time with all that they hold, so that no sample is
// lost. Windows that are closed already and whose time will come again are dropped and counted.
void rebase_gauge(const rside_series* series, const Metric& metric, uint64_t raw, uint64_t begin) {
    rside_cell* cell = series->cell;
    turning(cell, raw);
    drop_future(series, metric, raw & ~RSIDE_OPEN_FLAGS, begin);
    __atomic_store_n(&cell->open, begin | (raw & RSIDE_OPEN_BANK), __ATOMIC_RELEASE);  // P7
}

// Before the first turn of a gauge there can be samples that no window could take: of the first window of 1970 or after
// 2106. They are about to be cleared.
void count_lost(const rside_series* series, uint64_t samples) {
    if (samples) count(&header_of(series)->rejected_samples, samples);
}

// Names the new window and the bank that belongs to it. T2: the hot fields count as empty until the next two are done.
void begin_window(rside_cell* cell, uint64_t raw, uint64_t begin) {
    uint64_t bank = (raw & RSIDE_OPEN_BANK) ^ 1;
    // P7: slots and the bank are visible before the window that they belong to.
    __atomic_store_n(&cell->open, begin | bank | RSIDE_OPEN_STALE, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_RELEASE);  // P8: STALE is visible before the hot fields are emptied
}

void end_stale(rside_cell* cell) {
    // P9: the fields are empty before STALE goes away.
    __atomic_store_n(&cell->open, rside_load_u64_(&cell->open) & ~RSIDE_OPEN_STALE, __ATOMIC_RELEASE);
}

void empty_gauge(rside_cell* cell, uint64_t* origin) {
    uint64_t seq = rside_load_u64_(&cell->seq);
    rside_store_u64_(origin, seq);
    rside_store_f64_(&cell->u.gauge.sum[seq & 1], 0.0);
    rside_store_f64_(&cell->u.gauge.min, __builtin_inf());
    rside_store_f64_(&cell->u.gauge.max, -__builtin_inf());
}

void turn_gauge(const rside_series* series, const Metric& metric, uint64_t now) {
    rside_cell* cell = series->cell;
    uint64_t* origin = origin_of(*series->segment, metric, series->index)->origin;
    uint64_t raw = rside_load_u64_(&cell->open);
    uint64_t open = raw & ~RSIDE_OPEN_FLAGS;
    Step step = classify(series, open, now);
    if (!step.turn) return;
    uint64_t seq = rside_load_u64_(&cell->seq);
    if (!raw) {
        count_lost(series, seq - rside_load_u64_(origin));
        empty_gauge(cell, origin);
        // P7: without an open window nobody looks at the fields.
        return __atomic_store_n(&cell->open, step.begin, __ATOMIC_RELEASE);
    }
    if (step.begin < open) return rebase_gauge(series, metric, raw, step.begin);
    turning(cell, raw);
    ClosedWindow closed;
    closed.window = {seq - rside_load_u64_(origin), rside_load_f64_(&cell->u.gauge.sum[seq & 1]),
                     rside_load_f64_(&cell->u.gauge.min), rside_load_f64_(&cell->u.gauge.max),
                     rside_load_f64_(&cell->u.gauge.last[seq & 1])};
    closed.holds = false;
    close_gauge(series, metric, raw, step.begin, closed);
    begin_window(cell, raw, step.begin);
    empty_gauge(cell, origin);
    end_stale(cell);
}

// The value carried in counts for min and max; before the first set there is none.
void empty_level(rside_cell* cell, uint64_t* origin, uint64_t since, double min, double max) {
    since &= ~uint64_t{1};
    rside_store_f64_(&cell->u.level.sum[0], 0.0);
    rside_store_f64_(&cell->u.level.min, min);
    rside_store_f64_(&cell->u.level.max, max);
    rside_store_u64_(&origin[0], since);
    rside_store_u64_(&origin[1], since);
    rside_store_u64_(&cell->u.level.since_ns, since);
}

// The level goes on at another time with what its open window holds. As in a record, since_ns names the sum and the origin
// that belong to it.
void rebase_level(rside_cell* cell, uint64_t* origin, uint64_t now) {
    uint64_t since = rside_load_u64_(&cell->u.level.since_ns);
    uint64_t bank = since & 1;
    uint64_t held = (since - bank) - rside_load_u64_(&origin[bank]);
    now &= ~uint64_t{1};
    rside_store_u64_(&origin[bank ^ 1], now - held);
    rside_store_f64_(&cell->u.level.sum[bank ^ 1], rside_load_f64_(&cell->u.level.sum[bank]));
    rside_before_();
    rside_store_u64_(&cell->u.level.since_ns, now | (bank ^ 1));
    rside_before_();
    rside_store_u64_(&origin[bank], now - held);
}

void turn_level(const rside_series* series, const Metric& metric, uint64_t now) {
    rside_cell* cell = series->cell;
    uint64_t* origin = origin_of(*series->segment, metric, series->index)->origin;
    uint64_t raw = rside_load_u64_(&cell->open);
    uint64_t open = raw & ~RSIDE_OPEN_FLAGS;
    Step step = classify(series, open, now);
    if (!step.turn) return;
    double value = rside_load_f64_(&cell->u.level.last);
    if (!raw) {
        count_lost(series, value != 0.0);  // as one: how often it was set is not known
        empty_level(cell, origin, now, __builtin_inf(), -__builtin_inf());
        // P7: without an open window nobody looks at the fields.
        return __atomic_store_n(&cell->open, step.begin, __ATOMIC_RELEASE);
    }
    uint64_t seq = rside_update_begin_(cell);
    if (step.begin < open) {
        rebase_gauge(series, metric, raw, step.begin);
        rebase_level(cell, origin, now);
        return rside_update_end_(cell, seq);
    }
    turning(cell, raw);
    uint64_t end = open + series->segment->tiers[0].resolution_ns;
    rside_level_account_(cell, end);
    uint64_t since = rside_load_u64_(&cell->u.level.since_ns);
    uint64_t bank = since & 1;
    ClosedWindow closed;
    closed.window = {(since - bank) - rside_load_u64_(&origin[bank]), rside_load_f64_(&cell->u.level.sum[bank]) / 1e9,
                     rside_load_f64_(&cell->u.level.min), rside_load_f64_(&cell->u.level.max), value};
    closed.holds = true;
    close_gauge(series, metric, raw, step.begin, closed);
    begin_window(cell, raw, step.begin);
    empty_level(cell, origin, step.begin, value, value);
    end_stale(cell);
    rside_update_end_(cell, seq);
}

}  // namespace
}  // namespace ringside::writer

using namespace ringside::writer;

extern "C" uint64_t rside_turn(const rside_series* series, uint64_t now_ns) {
    const Metric& metric = series->segment->metrics[series->metric];
    switch (metric.kind) {
        case RSIDE_COUNTER:
        case RSIDE_COUNTER_F64: turn_counter(series, metric, now_ns); break;
        case RSIDE_HISTOGRAM: turn_histogram(series, metric, now_ns); break;
        case RSIDE_GAUGE: turn_gauge(series, metric, now_ns); break;
        case RSIDE_LEVEL: turn_level(series, metric, now_ns); break;
        default: break;
    }
    return is_endless(now_ns) ? 0 : now_ns;
}

extern "C" void rside_reject(const rside_series* series) { count(&header_of(series)->rejected_samples, 1); }
