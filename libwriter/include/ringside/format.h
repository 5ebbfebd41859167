/* Segment format v1: the one place that knows the byte layout of a segment.
 *
 * Types, offsets and arithmetic only: no allocation, no I/O, no logging. The writer library lays
 * segments out with it, the agent checks and reads them with it. docs/format.md has the same tables
 * in prose, and a test compares both.
 *
 * All integers are little-endian, all offsets count bytes from the start of the file. A segment is
 *
 *     header page | schema block | series directory | label arena | hot cells | accumulators
 *     | hot buckets | rings
 *
 * and every offset follows from the schema block alone (rside_geometry_compute). Readers recompute
 * the offsets and compare; they never follow one that they read.
 *
 * Invariants that readers rely on:
 *  F1  A ring slot is complete when its stamp is not 0; the stamp is cleared before and stored
 *      (release) after the rest of the slot.
 *  F2  Slots of a series change only while RSIDE_OPEN_TURNING is set in the `open` word of its cell.
 *  F3  Counter and histogram slots are cumulative since the epoch began. A run of windows without a
 *      slot had no record; the last window of each finished run has a slot (a fill slot), so the
 *      value of a missing window is that of the next slot.
 *  F4  The same holds for level gauges: a finished run of idle windows ends in a fill slot that
 *      carries the value held through the run.
 *  F5  Accumulators of the bank named by `open` hold the closed first-tier windows of the open window of
 *      each coarser tier; the other bank is scratch.
 *  F6  While RSIDE_OPEN_STALE is set, the hot fields of a gauge cell count as empty: they have been merged into the
 *      bank that `open` names. A level gauge keeps `last`, and counts as accounted up to the begin of the window.
 *  F7  A record takes effect by one store: that of `seq` (gauge, histogram), `last` (level; the very first one `max`) or
 *      the value (counter). A writer that is killed at any instruction leaves a record done or not done, never half.
 */
#ifndef RINGSIDE_FORMAT_H
#define RINGSIDE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define RSIDE_STATIC_ASSERT(condition, text) static_assert(condition, text)
extern "C" {
#else
#define RSIDE_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

RSIDE_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian, and so must be its users");

#define RSIDE_FORMAT_VERSION 1u
#define RSIDE_MAGIC UINT64_C(0x45444953474e4952) /* "RINGSIDE" in file order */
#define RSIDE_TEXT_MAGIC "RINGSIDE SEGMENT"      /* the first bytes, for head(1) and file(1) */
#define RSIDE_HEADER_BYTES 4096u
#define RSIDE_CACHE_LINE 64u
#define RSIDE_PAGE_BYTES 4096u
#define RSIDE_HUGE_PAGE_BYTES (2u * 1024u * 1024u)
#define RSIDE_NS_PER_S UINT64_C(1000000000)

/* Limits. They keep every product below within 64 bits, so that arithmetic on a checked schema
 * cannot overflow, and an absurd schema is refused before anything is sized from it. */
#define RSIDE_MAX_TIERS 8u
#define RSIDE_MAX_METRICS 4096u
#define RSIDE_MAX_LABELS 16u           /* label names of one metric */
#define RSIDE_MAX_SERIES 65536u        /* of one segment */
#define RSIDE_MAX_SLOTS 1048576u       /* of one ring */
#define RSIDE_MAX_RESOLUTION_S 604800u /* a week */
#define RSIDE_MAX_BUCKETS 2048u        /* of one histogram, without the zero bucket */
#define RSIDE_MAX_ARENA_BYTES 16777216u
#define RSIDE_MAX_STRINGS_BYTES 4194304u
#define RSIDE_MAX_SEGMENT_BYTES UINT64_C(4294967296)
#define RSIDE_MAX_NAME_BYTES 128u /* schema, metric and label names, without the final NUL */
#define RSIDE_MAX_HELP_BYTES 512u
#define RSIDE_MAX_UNIT_BYTES 32u
#define RSIDE_MAX_LABEL_VALUE_BYTES 255u
#define RSIDE_VM_ID_BYTES 64u /* with the final NUL */
#define RSIDE_COMPONENT_BYTES 32u
#define RSIDE_CLOSE_TEXT_BYTES 128u
#define RSIDE_HISTOGRAM_SCALE_MIN (-4)
#define RSIDE_HISTOGRAM_SCALE_MAX 8

/* What a series is. The numbers are part of the format. */
enum rside_kind {
    RSIDE_COUNTER = 1,     /* u64, monotonic */
    RSIDE_COUNTER_F64 = 2, /* double, monotonic (seconds, joules) */
    RSIDE_GAUGE = 3,       /* sampled: a stream of observations */
    RSIDE_LEVEL = 4,       /* level: holds until set again, weighted by time */
    RSIDE_HISTOGRAM = 5,   /* base-2 exponential buckets */
    RSIDE_INFO = 6         /* constant 1 with labels; has no ring */
};

/* Flags of a metric. */
#define RSIDE_METRIC_SHARED 1u /* several threads may record into one series (counters only) */

/* Columns of a tier, in the order in which they stand in a slot. */
#define RSIDE_COLUMN_COUNT 1u    /* gauge: observations; level: nanoseconds held; histogram: observations */
#define RSIDE_COLUMN_SUM 2u      /* gauge: sum; level: value x seconds; histogram: sum */
#define RSIDE_COLUMN_MIN 4u      /* gauges */
#define RSIDE_COLUMN_MAX 8u      /* gauges */
#define RSIDE_COLUMN_LAST 16u    /* gauges */
#define RSIDE_COLUMN_VALUE 32u   /* counters: cumulative value */
#define RSIDE_COLUMN_BUCKETS 64u /* histograms: cumulative zero bucket and buckets, modulo 2^32 */
#define RSIDE_COLUMNS_ALL 127u
#define RSIDE_COLUMNS_GAUGE \
    (RSIDE_COLUMN_COUNT | RSIDE_COLUMN_SUM | RSIDE_COLUMN_MIN | RSIDE_COLUMN_MAX | RSIDE_COLUMN_LAST)
#define RSIDE_COLUMNS_HISTOGRAM (RSIDE_COLUMN_COUNT | RSIDE_COLUMN_SUM | RSIDE_COLUMN_BUCKETS)

/* States of a segment; they only ever go up. */
enum rside_state {
    RSIDE_STATE_PROVISIONED = 0, /* laid out for a writer that has not come yet: not dead */
    RSIDE_STATE_ATTACHED = 1,    /* a writer took it; there is never a second one */
    RSIDE_STATE_CLOSED = 2       /* the writer closed it; close_code and close_text say why */
};

/* Bits of rside_cell.open below the window's begin, which is a multiple of 10^9 = 2^9 x 5^9. */
#define RSIDE_OPEN_BANK UINT64_C(1)    /* which accumulator bank is valid */
#define RSIDE_OPEN_STALE UINT64_C(2)   /* F6 */
#define RSIDE_OPEN_TURNING UINT64_C(4) /* F2 */
#define RSIDE_OPEN_FLAGS UINT64_C(511)

typedef struct rside_header {
    char text[512]; /* for people: NUL-padded lines, never parsed */
    uint64_t magic;
    uint32_t format_version;
    uint32_t header_bytes;
    uint64_t segment_bytes; /* the file's size */
    uint64_t schema_hash;   /* rside_hash of the schema block */
    uint8_t epoch[16];      /* random, one life of one VMM process */
    uint8_t boot_id[16];    /* of the host, zero where unreadable */
    uint64_t created_ns;    /* CLOCK_REALTIME */
    uint64_t created_boottime_ns;
    char vm_id[RSIDE_VM_ID_BYTES];
    char component[RSIDE_COMPONENT_BYTES]; /* empty for the VMM itself */
    uint64_t schema_offset;
    uint64_t schema_bytes;
    uint64_t directory_offset;
    uint64_t arena_offset;
    uint64_t cells_offset;
    uint64_t accumulators_offset;
    uint64_t hot_buckets_offset;
    uint64_t rings_offset;
    uint32_t series_capacity;
    uint32_t reserved0;
    uint8_t reserved1[260];
    uint32_t checksum; /* CRC-32C of the bytes before it and of the schema block */

    /* All above never changes after creation; all below belongs to the writer. */
    uint32_t state; /* enum rside_state */
    int32_t close_code;
    uint64_t attached_ns;
    uint64_t closed_ns;
    uint32_t writer_pid; /* as the writer sees itself: a hint for people, never identity */
    uint32_t clock_mode;
    uint32_t series_count; /* registered so far, in all metrics */
    uint32_t arena_used;
    uint8_t reserved2[24];
    char close_text[RSIDE_CLOSE_TEXT_BYTES];
    uint64_t tick_ns; /* tick mode: the writer's time; its own cache line */
    uint8_t reserved3[56];
    uint64_t clock_steps_back; /* records that came with a time before the open window */
    uint64_t rebases;          /* series moved back in time after a large step */
    uint64_t rebase_from_ns;   /* open window before the newest rebase, and after */
    uint64_t rebase_to_ns;
    uint64_t rebased_windows;  /* closed windows dropped because their time will come again */
    uint64_t rejected_samples; /* not a number, infinite, or negative where that cannot be */
    uint64_t refused_series;   /* registrations refused: budget or arena full, bad label */
    uint8_t reserved4[2760];
} rside_header;

typedef struct rside_schema_block {
    char name[RSIDE_MAX_NAME_BYTES]; /* NUL-padded */
    uint32_t version;
    uint32_t tier_count;
    uint32_t metric_count;
    uint32_t label_arena_bytes;
    uint32_t strings_bytes; /* multiple of 8 */
    uint32_t reserved[3];
} rside_schema_block; /* followed by tiers, metrics, strings */

typedef struct rside_tier_record {
    uint32_t resolution_s;
    uint32_t slots;
    uint32_t columns;
    uint32_t reserved;
} rside_tier_record;

typedef struct rside_metric_record {
    uint32_t name; /* offsets into the strings; each string ends in NUL */
    uint32_t unit;
    uint32_t help;
    uint32_t labels; /* label_count names, one after the other */
    uint32_t label_count;
    uint32_t max_series;
    uint8_t kind;
    uint8_t flags;
    int8_t histogram_scale; /* buckets per factor of two: 2^scale */
    uint8_t reserved0;
    int32_t bucket_first;  /* index of the first bucket; bucket i holds (base^(i-1), base^i], */
    uint32_t bucket_count; /* base = 2^(2^-scale), as in Prometheus native histograms */
    uint32_t reserved1[3];
} rside_metric_record;

/* One registered series. The index of an entry names its metric: each metric owns max_series
 * consecutive entries. */
typedef struct rside_series_record {
    uint32_t state; /* 0 free, 1 registered: stored last, with release */
    uint32_t metric;
    uint64_t created_ns;
    uint32_t labels; /* offset into the arena: label_count values, each ending in NUL */
    uint32_t labels_bytes;
    uint64_t reserved;
} rside_series_record;

/* The hot cell of a series: one cache line, written by the thread that owns the series. Pairs are written in turn: a
 * record stores into the one that is not valid, then makes it valid.
 *
 * `min` and `max` of a gauge or level may lack the newest value for an instant: readers take `last` into account. */
typedef struct rside_cell {
    /* gauge: records so far; the lowest bit says which of `sum` and `last` is valid.
     * level: odd while a record is half done.
     * histogram: twice the records so far, and 1 more while a record is half done. Bit 1 says which `sum` is valid.
     * counter: 0 */
    uint64_t seq;
    uint64_t open; /* begin of the open window in ns since 1970, with RSIDE_OPEN_ bits; 0: no data */
    union {
        struct {
            uint64_t value; /* u64, or the bits of a double */
            uint64_t raw;   /* last raw total fed, same type */
            uint64_t spare[4];
        } counter;
        struct {
            double sum[2], last[2];
            double min, max; /* infinite while the window has no record */
        } gauge;
        struct {
            uint64_t since_ns; /* the window is accounted up to here; lowest bit: which sum and origin are valid */
            double sum[2];     /* value x nanoseconds, from the origin to since_ns */
            double last;       /* the value that holds */
            double min, max;   /* infinite until the first set */
        } level;
        struct {
            /* The record in hand, so that one which was killed half done can be undone: low half, what its bucket held
             * before, modulo 2^32; then the index of the bucket among the hot buckets, or more than there are; highest
             * bit: bit 1 of its `seq`. */
            uint64_t pending;
            double sum[2];
            uint64_t spare[3];
        } histogram;
    } u;
} rside_cell;

/* Where the hot fields of the open window begin to count, at the head of a series' accumulators. Gauge: origin[0] is `seq`
 * as it was when the window opened. Level: the time from which the valid sum counts, one for each sum. */
typedef struct rside_origin {
    uint64_t origin[2];
} rside_origin;

/* Closed first-tier windows of one open window of a coarser tier (gauges and levels). */
typedef struct rside_accumulator {
    uint64_t count; /* gauge: observations; level: nanoseconds */
    double sum, min, max, last;
} rside_accumulator;

#define RSIDE_PIN(type, field, at) RSIDE_STATIC_ASSERT(offsetof(type, field) == (at), #type "." #field " moved")
RSIDE_PIN(rside_header, text, 0);
RSIDE_PIN(rside_header, magic, 512);
RSIDE_PIN(rside_header, format_version, 520);
RSIDE_PIN(rside_header, header_bytes, 524);
RSIDE_PIN(rside_header, segment_bytes, 528);
RSIDE_PIN(rside_header, schema_hash, 536);
RSIDE_PIN(rside_header, epoch, 544);
RSIDE_PIN(rside_header, boot_id, 560);
RSIDE_PIN(rside_header, created_ns, 576);
RSIDE_PIN(rside_header, created_boottime_ns, 584);
RSIDE_PIN(rside_header, vm_id, 592);
RSIDE_PIN(rside_header, component, 656);
RSIDE_PIN(rside_header, schema_offset, 688);
RSIDE_PIN(rside_header, schema_bytes, 696);
RSIDE_PIN(rside_header, directory_offset, 704);
RSIDE_PIN(rside_header, arena_offset, 712);
RSIDE_PIN(rside_header, cells_offset, 720);
RSIDE_PIN(rside_header, accumulators_offset, 728);
RSIDE_PIN(rside_header, hot_buckets_offset, 736);
RSIDE_PIN(rside_header, rings_offset, 744);
RSIDE_PIN(rside_header, series_capacity, 752);
RSIDE_PIN(rside_header, reserved0, 756);
RSIDE_PIN(rside_header, reserved1, 760);
RSIDE_PIN(rside_header, checksum, 1020);
RSIDE_PIN(rside_header, state, 1024);
RSIDE_PIN(rside_header, close_code, 1028);
RSIDE_PIN(rside_header, attached_ns, 1032);
RSIDE_PIN(rside_header, closed_ns, 1040);
RSIDE_PIN(rside_header, writer_pid, 1048);
RSIDE_PIN(rside_header, clock_mode, 1052);
RSIDE_PIN(rside_header, series_count, 1056);
RSIDE_PIN(rside_header, arena_used, 1060);
RSIDE_PIN(rside_header, reserved2, 1064);
RSIDE_PIN(rside_header, close_text, 1088);
RSIDE_PIN(rside_header, tick_ns, 1216);
RSIDE_PIN(rside_header, reserved3, 1224);
RSIDE_PIN(rside_header, clock_steps_back, 1280);
RSIDE_PIN(rside_header, rebases, 1288);
RSIDE_PIN(rside_header, rebase_from_ns, 1296);
RSIDE_PIN(rside_header, rebase_to_ns, 1304);
RSIDE_PIN(rside_header, rebased_windows, 1312);
RSIDE_PIN(rside_header, rejected_samples, 1320);
RSIDE_PIN(rside_header, refused_series, 1328);
RSIDE_PIN(rside_header, reserved4, 1336);
RSIDE_STATIC_ASSERT(sizeof(rside_header) == RSIDE_HEADER_BYTES, "header page");

RSIDE_PIN(rside_schema_block, name, 0);
RSIDE_PIN(rside_schema_block, version, 128);
RSIDE_PIN(rside_schema_block, tier_count, 132);
RSIDE_PIN(rside_schema_block, metric_count, 136);
RSIDE_PIN(rside_schema_block, label_arena_bytes, 140);
RSIDE_PIN(rside_schema_block, strings_bytes, 144);
RSIDE_PIN(rside_schema_block, reserved, 148);
RSIDE_STATIC_ASSERT(sizeof(rside_schema_block) == 160, "schema block");

RSIDE_PIN(rside_tier_record, resolution_s, 0);
RSIDE_PIN(rside_tier_record, slots, 4);
RSIDE_PIN(rside_tier_record, columns, 8);
RSIDE_PIN(rside_tier_record, reserved, 12);
RSIDE_STATIC_ASSERT(sizeof(rside_tier_record) == 16, "tier record");

RSIDE_PIN(rside_metric_record, name, 0);
RSIDE_PIN(rside_metric_record, unit, 4);
RSIDE_PIN(rside_metric_record, help, 8);
RSIDE_PIN(rside_metric_record, labels, 12);
RSIDE_PIN(rside_metric_record, label_count, 16);
RSIDE_PIN(rside_metric_record, max_series, 20);
RSIDE_PIN(rside_metric_record, kind, 24);
RSIDE_PIN(rside_metric_record, flags, 25);
RSIDE_PIN(rside_metric_record, histogram_scale, 26);
RSIDE_PIN(rside_metric_record, reserved0, 27);
RSIDE_PIN(rside_metric_record, bucket_first, 28);
RSIDE_PIN(rside_metric_record, bucket_count, 32);
RSIDE_PIN(rside_metric_record, reserved1, 36);
RSIDE_STATIC_ASSERT(sizeof(rside_metric_record) == 48, "metric record");

RSIDE_PIN(rside_series_record, state, 0);
RSIDE_PIN(rside_series_record, metric, 4);
RSIDE_PIN(rside_series_record, created_ns, 8);
RSIDE_PIN(rside_series_record, labels, 16);
RSIDE_PIN(rside_series_record, labels_bytes, 20);
RSIDE_PIN(rside_series_record, reserved, 24);
RSIDE_STATIC_ASSERT(sizeof(rside_series_record) == 32, "series record");

RSIDE_PIN(rside_cell, seq, 0);
RSIDE_PIN(rside_cell, open, 8);
RSIDE_PIN(rside_cell, u.counter.value, 16);
RSIDE_PIN(rside_cell, u.counter.raw, 24);
RSIDE_PIN(rside_cell, u.gauge.sum, 16);
RSIDE_PIN(rside_cell, u.gauge.last, 32);
RSIDE_PIN(rside_cell, u.gauge.min, 48);
RSIDE_PIN(rside_cell, u.gauge.max, 56);
RSIDE_PIN(rside_cell, u.level.since_ns, 16);
RSIDE_PIN(rside_cell, u.level.sum, 24);
RSIDE_PIN(rside_cell, u.level.last, 40);
RSIDE_PIN(rside_cell, u.level.min, 48);
RSIDE_PIN(rside_cell, u.level.max, 56);
RSIDE_PIN(rside_cell, u.histogram.pending, 16);
RSIDE_PIN(rside_cell, u.histogram.sum, 24);
RSIDE_STATIC_ASSERT(sizeof(rside_cell) == RSIDE_CACHE_LINE, "hot cell");

RSIDE_PIN(rside_origin, origin, 0);
RSIDE_STATIC_ASSERT(sizeof(rside_origin) == 16, "origin");

RSIDE_PIN(rside_accumulator, count, 0);
RSIDE_PIN(rside_accumulator, sum, 8);
RSIDE_PIN(rside_accumulator, min, 16);
RSIDE_PIN(rside_accumulator, max, 24);
RSIDE_PIN(rside_accumulator, last, 32);
RSIDE_STATIC_ASSERT(sizeof(rside_accumulator) == 40, "accumulator");
#undef RSIDE_PIN

/* 64-bit FNV-1a (isthe.com/chongo/tech/comp/fnv): tells schemas apart, no defence against forgery. */
#define RSIDE_HASH_START UINT64_C(0xcbf29ce484222325)
static inline uint64_t rside_hash_more(uint64_t hash, const void *bytes, size_t size) {
    const unsigned char *at = (const unsigned char *)bytes;
    for (size_t i = 0; i < size; ++i) hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}
static inline uint64_t rside_hash(const void *bytes, size_t size) {
    return rside_hash_more(RSIDE_HASH_START, bytes, size);
}

/* CRC-32C (polynomial 0x1EDC6F41 reflected, RFC 3720 section 12.1), to be continued from `crc`; start with 0. */
static inline uint32_t rside_crc32c(uint32_t crc, const void *bytes, size_t size) {
    /* A nibble at a time: 16 words of table, fast enough for set-up. */
    static const uint32_t nibble[16] = {0x00000000u, 0x105ec76fu, 0x20bd8edeu, 0x30e349b1u, 0x417b1dbcu, 0x5125dad3u,
                                        0x61c69362u, 0x7198540du, 0x82f63b78u, 0x92a8fc17u, 0xa24bb5a6u, 0xb21572c9u,
                                        0xc38d26c4u, 0xd3d3e1abu, 0xe330a81au, 0xf36e6f75u};
    const unsigned char *at = (const unsigned char *)bytes;
    crc = ~crc;
    for (size_t i = 0; i < size; ++i) {
        crc ^= at[i];
        crc = (crc >> 4) ^ nibble[crc & 15];
        crc = (crc >> 4) ^ nibble[crc & 15];
    }
    return ~crc;
}

static inline uint64_t rside_round_up(uint64_t bytes, uint64_t unit) { return (bytes + unit - 1) / unit * unit; }

static inline int rside_is_gauge(uint8_t kind) { return kind == RSIDE_GAUGE || kind == RSIDE_LEVEL; }

static inline int rside_is_counter(uint8_t kind) { return kind == RSIDE_COUNTER || kind == RSIDE_COUNTER_F64; }

/* The columns that a series of `kind` keeps in a tier with `columns`. */
static inline uint32_t rside_columns_of(uint8_t kind, uint32_t columns) {
    if (rside_is_gauge(kind)) return columns & RSIDE_COLUMNS_GAUGE;
    if (rside_is_counter(kind)) return columns & RSIDE_COLUMN_VALUE;
    if (kind == RSIDE_HISTOGRAM) return columns & RSIDE_COLUMNS_HISTOGRAM;
    return 0;
}

/* Length of a slot in 32-bit words, the stamp included; 0 when the tier keeps nothing of the kind.
 * A slot is: stamp (window number = begin / resolution, never 0), then each column in bit order,
 * two words each (low half first), then for BUCKETS the zero bucket and bucket_count words. */
static inline uint32_t rside_slot_words(uint8_t kind, uint32_t columns, uint32_t bucket_count) {
    uint32_t kept = rside_columns_of(kind, columns);
    uint32_t words = 1;
    for (uint32_t bit = 1; bit < RSIDE_COLUMN_BUCKETS; bit <<= 1) {
        if (kept & bit) words += 2;
    }
    if (kept & RSIDE_COLUMN_BUCKETS) words += 1 + bucket_count;
    return kept ? words : 0;
}

/* Where one metric's parts lie. Series i of the metric (0 <= i < max_series) is directory entry and
 * cell first_series + i; its accumulators, hot buckets and rings are i steps from the offsets. */
typedef struct rside_metric_geometry {
    uint32_t first_series;
    uint32_t slot_words[RSIDE_MAX_TIERS];
    uint64_t accumulators; /* gauges: an rside_origin and 2 banks of (tier_count - 1) accumulators a series */
    uint64_t accumulators_step;
    uint64_t hot_buckets; /* histograms: zero bucket and buckets as u64 */
    uint64_t hot_buckets_step;
    uint64_t ring[RSIDE_MAX_TIERS];
    uint64_t ring_step[RSIDE_MAX_TIERS];
} rside_metric_geometry;

typedef struct rside_geometry {
    uint64_t schema_offset, schema_bytes;
    uint64_t directory_offset, arena_offset, cells_offset;
    uint64_t accumulators_offset, hot_buckets_offset, rings_offset;
    uint64_t segment_bytes;
    uint32_t series_capacity;
} rside_geometry;

/* Bytes of a schema block with its records and strings. */
static inline uint64_t rside_schema_block_bytes(const rside_schema_block *schema) {
    return sizeof(rside_schema_block) + (uint64_t)schema->tier_count * sizeof(rside_tier_record) +
           (uint64_t)schema->metric_count * sizeof(rside_metric_record) + schema->strings_bytes;
}

/* Computes every offset from a schema that obeys the limits above (the caller has checked it).
 * `metrics_out` may be null, else it takes metric_count entries. Returns 0, or -1 when the series or
 * the bytes are over the limits; the outputs are then half written and mean nothing. */
static inline int rside_geometry_compute(const rside_schema_block *schema, const rside_tier_record *tiers,
                                         const rside_metric_record *metrics, rside_geometry *out,
                                         rside_metric_geometry *metrics_out) {
    uint64_t series = 0;
    for (uint32_t m = 0; m < schema->metric_count; ++m) {
        if (metrics_out) metrics_out[m].first_series = (uint32_t)series;
        series += metrics[m].max_series;
        if (series > RSIDE_MAX_SERIES) return -1;
    }
    out->series_capacity = (uint32_t)series;
    out->schema_offset = RSIDE_HEADER_BYTES;
    out->schema_bytes = rside_schema_block_bytes(schema);
    out->directory_offset = rside_round_up(out->schema_offset + out->schema_bytes, RSIDE_CACHE_LINE);
    out->arena_offset = out->directory_offset + series * sizeof(rside_series_record);
    out->cells_offset = rside_round_up(out->arena_offset + schema->label_arena_bytes, RSIDE_CACHE_LINE);
    out->accumulators_offset = out->cells_offset + series * sizeof(rside_cell);

    uint64_t at = out->accumulators_offset;
    for (uint32_t m = 0; m < schema->metric_count; ++m) {
        uint64_t banks = 2u * (schema->tier_count - 1) * sizeof(rside_accumulator);
        uint64_t step =
            rside_is_gauge(metrics[m].kind) ? rside_round_up(sizeof(rside_origin) + banks, RSIDE_CACHE_LINE) : 0;
        if (metrics_out) {
            metrics_out[m].accumulators = at;
            metrics_out[m].accumulators_step = step;
        }
        at += step * metrics[m].max_series;
    }
    out->hot_buckets_offset = at;
    for (uint32_t m = 0; m < schema->metric_count; ++m) {
        uint64_t step = metrics[m].kind == RSIDE_HISTOGRAM
                            ? rside_round_up((metrics[m].bucket_count + UINT64_C(1)) * 8u, RSIDE_CACHE_LINE)
                            : 0;
        if (metrics_out) {
            metrics_out[m].hot_buckets = at;
            metrics_out[m].hot_buckets_step = step;
        }
        at += step * metrics[m].max_series;
    }
    out->rings_offset = at;
    for (uint32_t t = 0; t < schema->tier_count; ++t) {
        for (uint32_t m = 0; m < schema->metric_count; ++m) {
            uint32_t words = rside_slot_words(metrics[m].kind, tiers[t].columns, metrics[m].bucket_count);
            uint64_t step = rside_round_up((uint64_t)words * 4u * tiers[t].slots, RSIDE_CACHE_LINE);
            if (metrics_out) {
                metrics_out[m].slot_words[t] = words;
                metrics_out[m].ring[t] = at;
                metrics_out[m].ring_step[t] = step;
            }
            /* step < 2^20 x 2^14, max_series <= 2^16, at <= 2^32: no overflow before the check. */
            at += step * metrics[m].max_series;
            if (at > RSIDE_MAX_SEGMENT_BYTES) return -1;
        }
    }
    at = rside_round_up(at, RSIDE_PAGE_BYTES);
    /* Never a whole number of huge pages: tmpfs with huge=within_size would then round small files up. */
    if (at % RSIDE_HUGE_PAGE_BYTES == 0) at += RSIDE_PAGE_BYTES;
    out->segment_bytes = at;
    return at > RSIDE_MAX_SEGMENT_BYTES ? -1 : 0;
}

#ifdef __cplusplus
}
#endif
#endif
