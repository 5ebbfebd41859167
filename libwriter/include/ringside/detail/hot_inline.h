/* The hot path. Not API: include <ringside/ringside.h>.
 *
 * The labels P1.. name the writer's side of each pairing; docs/ordering.md tells the reader's side and what breaks
 * without them, and the model in tests/model uses the same labels. A cell is written by one thread, so its
 * own loads of it need no order.
 */
#ifndef RINGSIDE_DETAIL_HOT_INLINE_H
#define RINGSIDE_DETAIL_HOT_INLINE_H

RSIDE_STATIC_ASSERT(__GCC_ATOMIC_INT_LOCK_FREE == 2 && __GCC_ATOMIC_LLONG_LOCK_FREE == 2,
                    "words that processes share must not need a lock");

#define RSIDE_LIKELY_(x) __builtin_expect(!!(x), 1)
#define RSIDE_UNLIKELY_(x) __builtin_expect(!!(x), 0)

/* Relaxed: one writer a word, and the orders that readers need come from the fences below. */
static inline uint64_t rside_load_u64_(const uint64_t *at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }
static inline void rside_store_u64_(uint64_t *at, uint64_t value) { __atomic_store_n(at, value, __ATOMIC_RELAXED); }
static inline double rside_load_f64_(const double *at) {
    double value;
    __atomic_load(at, &value, __ATOMIC_RELAXED);
    return value;
}
static inline void rside_store_f64_(double *at, double value) { __atomic_store(at, &value, __ATOMIC_RELAXED); }
static inline double rside_bits_f64_(uint64_t bits) {
    double value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}
static inline uint64_t rside_f64_bits_(double value) {
    uint64_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* By its bits: under -ffast-math the compiler takes every comparison as one of finite numbers. */
static inline int rside_is_finite_(double value) {
    const uint64_t exponent = UINT64_C(0x7ff0000000000000);
    return (rside_f64_bits_(value) & exponent) != exponent;
}

/* A product as it is rounded by itself. Fused into the addition that follows, as compilers may for some machines, it would differ
 * in the last bit from what a writer in another language, or the library's own code, comes to. */
static inline double rside_rounded_(double product) {
#if defined(__x86_64__)
    __asm__("" : "+x"(product));
#elif defined(__aarch64__)
    __asm__("" : "+w"(product));
#endif
    return product;
}

/* Keeps the stores before it before those after it for whoever looks at what a killed writer left behind (F7). Death shows
 * all that was executed, in program order, so only the compiler has to be told. */
static inline void rside_before_(void) { __atomic_signal_fence(__ATOMIC_RELEASE); }

static inline uint64_t rside_now_(const rside_segment *segment) {
    const rside_hot *hot = (const rside_hot *)(const void *)segment;
    /* Relaxed: the tick is a number, nothing is published with it. */
    if (RSIDE_LIKELY_(hot->tick_ns)) return rside_load_u64_(hot->tick_ns);
#ifdef CLOCK_REALTIME_COARSE
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now); /* vDSO: reads a page, never enters the kernel */
    return (uint64_t)now.tv_sec * RSIDE_NS_PER_S + (uint64_t)now.tv_nsec;
#else /* strict C11 without _GNU_SOURCE hides the clock from this header: one call more */
    return rside_coarse_ns();
#endif
}

/* Closes windows when the time has left the open one; returns the time of the record. One compare covers both directions:
 * a time before the window wraps to a huge difference. */
static inline uint64_t rside_enter_(rside_cell *cell, rside_segment *segment) {
    uint64_t now = rside_now_(segment);
    uint64_t begin = rside_load_u64_(&cell->open) & ~RSIDE_OPEN_FLAGS;
    const rside_hot *hot = (const rside_hot *)(const void *)segment;
    if (RSIDE_UNLIKELY_(now - begin >= hot->window_ns)) return rside_turn(cell, segment, now);
    return now;
}

/* Marks the cell of a level or histogram as half written. P1: the odd sequence is visible before any of the fields
 * that follow. */
static inline uint64_t rside_update_begin_(rside_cell *cell) {
    uint64_t seq = rside_load_u64_(&cell->seq);
    rside_store_u64_(&cell->seq, seq + 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    return seq + 2;
}

/* P2: all fields are visible before the even sequence. */
static inline void rside_update_end_(rside_cell *cell, uint64_t seq) {
    __atomic_store_n(&cell->seq, seq, __ATOMIC_RELEASE);
}

static inline void rside_tick(rside_segment *segment, uint64_t now_ns) {
    if (RSIDE_UNLIKELY_(!segment)) return;
    rside_store_u64_(&((rside_hot *)(void *)segment)->header->tick_ns, now_ns);
}

static inline void rside_counter_add(rside_counter counter, uint64_t delta) {
    if (RSIDE_UNLIKELY_(!counter.series.cell)) return;
    (void)rside_enter_(counter.series.cell, counter.series.segment);
    uint64_t *value = &counter.series.cell->u.counter.value;
    rside_store_u64_(value, rside_load_u64_(value) + delta);
}

static inline void rside_shared_counter_add(rside_shared_counter counter, uint64_t delta) {
    if (RSIDE_UNLIKELY_(!counter.series.cell)) return;
    (void)rside_enter_(counter.series.cell, counter.series.segment);
    /* Relaxed: only the sum counts; a thread that is late across a window's end counts into the next window. */
    __atomic_fetch_add(&counter.series.cell->u.counter.value, delta, __ATOMIC_RELAXED);
}

static inline void rside_counter_f64_add(rside_counter_f64 counter, double delta) {
    if (RSIDE_UNLIKELY_(!counter.series.cell)) return;
    if (RSIDE_UNLIKELY_(!rside_is_finite_(delta) || delta < 0.0)) {
        rside_reject(counter.series.segment);
        return;
    }
    (void)rside_enter_(counter.series.cell, counter.series.segment);
    uint64_t *value = &counter.series.cell->u.counter.value;
    rside_store_u64_(value, rside_f64_bits_(rside_bits_f64_(rside_load_u64_(value)) + delta));
}

static inline void rside_counter_baseline(rside_counter counter, uint64_t total) {
    if (counter.series.cell) rside_store_u64_(&counter.series.cell->u.counter.raw, total);
}

static inline void rside_counter_f64_baseline(rside_counter_f64 counter, double total) {
    if (counter.series.cell) rside_store_u64_(&counter.series.cell->u.counter.raw, rside_f64_bits_(total));
}

static inline void rside_counter_total(rside_counter counter, uint64_t total) {
    if (RSIDE_UNLIKELY_(!counter.series.cell)) return;
    uint64_t *raw = &counter.series.cell->u.counter.raw;
    uint64_t before = rside_load_u64_(raw);
    rside_counter_add(counter, total >= before ? total - before : total);
    rside_store_u64_(raw, total);
}

static inline void rside_counter_f64_total(rside_counter_f64 counter, double total) {
    if (RSIDE_UNLIKELY_(!counter.series.cell)) return;
    if (RSIDE_UNLIKELY_(!rside_is_finite_(total) || total < 0.0)) {
        rside_reject(counter.series.segment);
        return;
    }
    uint64_t *raw = &counter.series.cell->u.counter.raw;
    double before = rside_bits_f64_(rside_load_u64_(raw));
    rside_counter_f64_add(counter, total >= before ? total - before : total);
    rside_store_u64_(raw, rside_f64_bits_(total));
}

static inline void rside_gauge_record(rside_gauge gauge, double value) {
    if (RSIDE_UNLIKELY_(!gauge.series.cell)) return;
    if (RSIDE_UNLIKELY_(!rside_is_finite_(value))) {
        rside_reject(gauge.series.segment);
        return;
    }
    (void)rside_enter_(gauge.series.cell, gauge.series.segment);
    rside_cell *cell = gauge.series.cell;
    uint64_t seq = rside_load_u64_(&cell->seq) + 1;
    double sum = rside_load_f64_(&cell->u.gauge.sum[~seq & 1]);
    rside_store_f64_(&cell->u.gauge.sum[seq & 1], sum + value);
    rside_store_f64_(&cell->u.gauge.last[seq & 1], value);
    /* P2: the pair is visible before the count that makes it valid. Here the record takes effect (F7). */
    __atomic_store_n(&cell->seq, seq, __ATOMIC_RELEASE);
    /* P1: the count is visible before `min` and `max`, and before the pair that the next record overwrites. */
    __atomic_thread_fence(__ATOMIC_RELEASE);
    if (RSIDE_UNLIKELY_(value < rside_load_f64_(&cell->u.gauge.min))) rside_store_f64_(&cell->u.gauge.min, value);
    if (RSIDE_UNLIKELY_(value > rside_load_f64_(&cell->u.gauge.max))) rside_store_f64_(&cell->u.gauge.max, value);
}

/* Accounts the level's value up to `now`. The new sum takes effect by the store of since_ns, which names it: a kill before
 * or after it leaves a sum and a time that belong together (F7). */
static inline void rside_level_account_(rside_cell *cell, uint64_t now) {
    uint64_t since = rside_load_u64_(&cell->u.level.since_ns);
    uint64_t bank = since & 1;
    now &= ~UINT64_C(1);
    if (now <= since) return; /* the clock stepped back, or stands: no time passes */
    double held = (double)(now - (since - bank));
    double sum =
        rside_load_f64_(&cell->u.level.sum[bank]) + rside_rounded_(rside_load_f64_(&cell->u.level.last) * held);
    rside_store_f64_(&cell->u.level.sum[bank ^ 1], sum);
    rside_before_();
    rside_store_u64_(&cell->u.level.since_ns, now | (bank ^ 1));
}

static inline void rside_level_set(rside_level level, double value) {
    if (RSIDE_UNLIKELY_(!level.series.cell)) return;
    if (RSIDE_UNLIKELY_(!rside_is_finite_(value))) {
        rside_reject(level.series.segment);
        return;
    }
    uint64_t now = rside_enter_(level.series.cell, level.series.segment);
    rside_cell *cell = level.series.cell;
    uint64_t seq = rside_update_begin_(cell);
    rside_level_account_(cell, now);
    rside_before_(); /* the time of the old value is accounted before the value changes */
    rside_store_f64_(&cell->u.level.last, value);
    rside_before_(); /* no value is in min or max that was not set */
    if (RSIDE_UNLIKELY_(value < rside_load_f64_(&cell->u.level.min))) rside_store_f64_(&cell->u.level.min, value);
    if (RSIDE_UNLIKELY_(value > rside_load_f64_(&cell->u.level.max))) rside_store_f64_(&cell->u.level.max, value);
    rside_update_end_(cell, seq);
}

/* The bounds 2^(i/256) of one factor of two as 52-bit mantissas, and for each 1/256 step of the mantissa the first
 * bound that can be at or above it (libwriter/src/histogram_tables.cpp). */
RSIDE_API extern const uint64_t rside_histogram_bounds[257];
RSIDE_API extern const uint16_t rside_histogram_start[256];

/* rside_histogram_index for a finite value above 0 and a scale that has been checked. The bounds of every scale are a
 * subset of those of scale 8, so one exact look-up at scale 8 and a rounding shift serve all of them. */
static inline int32_t rside_histogram_index_(double value, int32_t scale) {
    uint64_t bits = rside_f64_bits_(value);
    int32_t exponent = (int32_t)(bits >> 52) - 1023; /* value > 0: the sign bit is clear */
    uint64_t mantissa = bits & UINT64_C(0xfffffffffffff);
    if (RSIDE_UNLIKELY_(exponent == -1023)) { /* subnormal: shift the leading one into place */
        int shift = __builtin_clzll(mantissa) - 11;
        mantissa = (mantissa << shift) & UINT64_C(0xfffffffffffff);
        exponent = -1022 - shift;
    }
    /* Smallest k with mantissa <= bounds[k]; bounds[0] = 0 is 2^exponent itself, bounds[256] the next power. At most
     * two bounds fall into a 1/256 step, as the bounds are at least ln(2) steps apart. */
    uint32_t k = rside_histogram_start[mantissa >> 44];
    k += mantissa > rside_histogram_bounds[k];
    k += mantissa > rside_histogram_bounds[k];
    int32_t index = exponent * 256 + (int32_t)k;
    int32_t shift = 8 - scale;
    return (index + ((1 << shift) - 1)) >> shift; /* upper-inclusive buckets: round up */
}

static inline void rside_histogram_record(rside_histogram histogram, double value) {
    if (RSIDE_UNLIKELY_(!histogram.series.cell)) return;
    if (RSIDE_UNLIKELY_(!rside_is_finite_(value) || value < 0.0)) {
        rside_reject(histogram.series.segment);
        return;
    }
    (void)rside_enter_(histogram.series.cell, histogram.series.segment);
    rside_cell *cell = histogram.series.cell;
    const rside_histogram_hot *hot = histogram.hot;
    uint32_t bucket = 0;
    if (value > hot->zero_bound) {
        int32_t index = rside_histogram_index_(value, hot->scale) - hot->first;
        bucket = index < 0 ? 0u : (uint32_t)index + 1u; /* never below 0 for a value above the zero bound */
    }
    uint64_t seq = rside_update_begin_(cell);
    uint64_t bank = seq >> 1 & 1; /* of the sum that this record makes valid */
    double sum = rside_load_f64_(&cell->u.histogram.sum[bank ^ 1]);
    /* Beyond the last bucket: in the count and the sum, in no bucket. */
    int overflow = bucket > hot->count;
    uint64_t before = overflow ? 0 : rside_load_u64_(&hot->buckets[bucket]);
    uint64_t pending = bank << 63 | (uint64_t)bucket << 32 | (uint32_t)before;
    rside_store_u64_(&cell->u.histogram.pending, pending);
    rside_before_(); /* no bucket is changed of which `pending` does not tell */
    if (RSIDE_LIKELY_(!overflow)) rside_store_u64_(&hot->buckets[bucket], before + 1);
    rside_store_f64_(&cell->u.histogram.sum[bank], sum + value);
    rside_update_end_(cell, seq); /* here the record takes effect (F7) */
}

#endif
