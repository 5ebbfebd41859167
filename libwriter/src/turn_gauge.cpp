// Closing windows of gauges and levels: turn.cpp has the invariants.

#include "turn.h"

namespace ringside::writer {
namespace {

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
    return {ns, rside_rounded_(value * (static_cast<double>(ns) / 1e9)), value, value,
            value};  // exact for whole seconds
}

rside_accumulator* bank_of(const Series& series, uint64_t bank) {
    auto* banks = reinterpret_cast<rside_accumulator*>(series.origin() + 1);
    return banks + bank * (series.segment.tier_count - 1);
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

void write_slot(const Series& series, uint32_t tier, uint32_t window, const rside_accumulator& value) {
    if (value.count == 0) return;
    Slot slot(series, tier, window);
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
void close_gauge(const Series& series, uint64_t raw, uint64_t begin, const ClosedWindow& closed) {
    const rside_segment& segment = series.segment;
    uint64_t open = raw & ~RSIDE_OPEN_FLAGS;
    uint64_t bank = raw & RSIDE_OPEN_BANK;
    const rside_accumulator* from = bank_of(series, bank);
    rside_accumulator* to = bank_of(series, bank ^ 1);
    uint64_t end = open + segment.tiers[0].resolution_ns;
    double value = closed.window.last;
    for (uint32_t t = 0; t < segment.tier_count; ++t) {
        uint64_t resolution = segment.tiers[t].resolution_ns;
        uint32_t window = window_of(open, segment.tiers[t]);
        uint32_t next = window_of(begin, segment.tiers[t]);
        rside_accumulator merged = t == 0 ? closed.window : merge(load(from[t - 1]), closed.window);
        bool stays = t > 0 && window == next;
        if (closed.holds) {  // F4: k idle seconds in one step
            uint64_t until = stays ? begin : (uint64_t{window} + 1) * resolution;
            merged = merge(merged, held(value, until - end));
        }
        if (stays) {
            store(&to[t - 1], merged);
            continue;
        }
        write_slot(series, t, window, merged);
        if (closed.holds && next - window > 1) write_slot(series, t, next - 1, held(value, resolution));
        if (t > 0) store(&to[t - 1], closed.holds ? held(value, begin - next * resolution) : kEmpty);
    }
}

// A large step back: the open windows of all tiers move to the new time with all that they hold, so that no sample is
// lost. Windows that are closed already and whose time will come again are dropped and counted.
void rebase_gauge(const Series& series, uint64_t raw, uint64_t begin) {
    rside_cell* cell = series.cell;
    turning(cell, raw);
    drop_future(series, raw & ~RSIDE_OPEN_FLAGS, begin);
    __atomic_store_n(&cell->open, begin | (raw & RSIDE_OPEN_BANK), __ATOMIC_RELEASE);  // P7
}

// Before the first turn of a gauge there can be samples that no window could take: of the first window of 1970 or after
// 2106. They are about to be cleared.
void count_lost(const Series& series, uint64_t samples) {
    if (samples) count(&series.header()->rejected_samples, samples);
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

}  // namespace

void turn_gauge(const Series& series, uint64_t now) {
    rside_cell* cell = series.cell;
    uint64_t* origin = series.origin()->origin;
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
    if (step.begin < open) return rebase_gauge(series, raw, step.begin);
    turning(cell, raw);
    ClosedWindow closed;
    closed.window = {seq - rside_load_u64_(origin), rside_load_f64_(&cell->u.gauge.sum[seq & 1]),
                     rside_load_f64_(&cell->u.gauge.min), rside_load_f64_(&cell->u.gauge.max),
                     rside_load_f64_(&cell->u.gauge.last[seq & 1])};
    closed.holds = false;
    close_gauge(series, raw, step.begin, closed);
    begin_window(cell, raw, step.begin);
    empty_gauge(cell, origin);
    end_stale(cell);
}

namespace {

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

}  // namespace

void turn_level(const Series& series, uint64_t now) {
    rside_cell* cell = series.cell;
    uint64_t* origin = series.origin()->origin;
    uint64_t raw = rside_load_u64_(&cell->open);
    uint64_t open = raw & ~RSIDE_OPEN_FLAGS;
    Step step = classify(series, open, now);
    if (!step.turn) return;
    double value = rside_load_f64_(&cell->u.level.last);
    if (!raw) {
        count_lost(series, rside_load_u64_(&cell->seq) >> 1);  // each set has made it grow by 2
        empty_level(cell, origin, now, __builtin_inf(), -__builtin_inf());
        // P7: without an open window nobody looks at the fields.
        return __atomic_store_n(&cell->open, step.begin, __ATOMIC_RELEASE);
    }
    uint64_t seq = rside_update_begin_(cell);
    if (step.begin < open) {
        rebase_gauge(series, raw, step.begin);
        rebase_level(cell, origin, now);
        return rside_update_end_(cell, seq);
    }
    turning(cell, raw);
    uint64_t end = open + series.segment.tiers[0].resolution_ns;
    rside_level_account_(cell, end);
    uint64_t since = rside_load_u64_(&cell->u.level.since_ns);
    uint64_t bank = since & 1;
    ClosedWindow closed;
    closed.window = {(since - bank) - rside_load_u64_(&origin[bank]), rside_load_f64_(&cell->u.level.sum[bank]) / 1e9,
                     rside_load_f64_(&cell->u.level.min), rside_load_f64_(&cell->u.level.max), value};
    closed.holds = true;
    close_gauge(series, raw, step.begin, closed);
    begin_window(cell, raw, step.begin);
    empty_level(cell, origin, step.begin, value, value);
    end_stale(cell);
    rside_update_end_(cell, seq);
}

}  // namespace ringside::writer
