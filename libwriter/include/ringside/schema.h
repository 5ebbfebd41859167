/* Schemas: what a segment will hold, fixed before it is created.
 *
 * A schema is plain constant data, so a VMM can keep it in a `static const`. The segment's size follows
 * from it to the byte (rside_schema_size) and never changes afterwards.
 */
#ifndef RINGSIDE_SCHEMA_H
#define RINGSIDE_SCHEMA_H

#include <ringside/format.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RSIDE_API __attribute__((visibility("default")))
#else
#define RSIDE_API
#endif

/* One resolution. Tiers stand finest first, each resolution a whole multiple of the one before. */
typedef struct rside_tier {
    uint32_t resolution_s; /* 1 .. RSIDE_MAX_RESOLUTION_S */
    uint32_t slots;        /* windows kept: 2 .. RSIDE_MAX_SLOTS */
    uint32_t columns;      /* RSIDE_COLUMN_ bits kept by the series of this tier; 0 means all */
} rside_tier;

/* One metric: a name, a kind, and room for a fixed number of series that differ by label values. */
typedef struct rside_metric {
    const char *name;          /* [a-zA-Z_][a-zA-Z0-9_]*, base unit in the name, counters end in _total */
    uint8_t kind;              /* enum rside_kind */
    uint8_t flags;             /* RSIDE_METRIC_ bits */
    const char *unit;          /* base unit ("seconds", "bytes"); null or "" for none */
    const char *help;          /* one line; null or "" for none */
    const char *const *labels; /* label names; may be null when label_count is 0 */
    uint32_t label_count;
    uint32_t max_series; /* series that may be registered, at least 1 */
    /* Histograms only: 2^scale buckets per factor of two, scale -4 .. 8; bounds of what is told apart.
     * Values up to the lower bound of lowest's bucket count as zero, values above highest's bucket are counted
     * as overflow (in the total count and in no bucket). 0 < lowest <= highest, both finite. */
    int8_t histogram_scale;
    double histogram_lowest;
    double histogram_highest;
} rside_metric;

typedef struct rside_schema {
    const char *name; /* [a-zA-Z_][a-zA-Z0-9_]* */
    uint32_t version; /* of this schema, the author's own count */
    const rside_tier *tiers;
    uint32_t tier_count;
    const rside_metric *metrics;
    uint32_t metric_count;
    uint32_t label_arena_bytes; /* room for all label values, each with one NUL; 0: 64 bytes a series that has labels */
} rside_schema;

/* What went wrong, for people. `code` is a negative errno, `text` a whole sentence that names the offending
 * thing and the next step. Functions that take one accept null. */
typedef struct rside_error {
    int code;
    char text[252];
} rside_error;

/* Default tiers: 1s x 300, 10s x 360, 5m x 288 with all columns. */
RSIDE_API extern const rside_tier rside_default_tiers[3];

/* Checks every rule of a schema. 0, or -EINVAL (a rule broken) or -E2BIG (over a limit of format.h).
 * Any thread, no system call, no allocation. */
RSIDE_API int rside_schema_check(const rside_schema *schema, rside_error *error);

/* The exact size in bytes of a segment of `schema`, or 0 with `error` set when the schema breaks a rule. */
RSIDE_API uint64_t rside_schema_size(const rside_schema *schema, rside_error *error);

/* The hash that a segment of `schema` carries; 0 when the schema breaks a rule. No system call, no allocation. */
RSIDE_API uint64_t rside_schema_hash(const rside_schema *schema);

/* Index of the bucket that holds `value` at `scale`: the smallest i with value <= 2^(i x 2^-scale).
 * `value` must be finite and above 0, scale within -4 .. 8. Exact at every bound (the bounds are 2^(i/2^scale)
 * rounded to the nearest double). Any thread, no system call. */
RSIDE_API int32_t rside_histogram_index(double value, int scale);

/* Buckets of the histogram `metric`, which must obey the rules, without the zero bucket. Any thread, no system call. */
static inline uint32_t rside_histogram_buckets(const rside_metric *metric) {
    int32_t first = rside_histogram_index(metric->histogram_lowest, metric->histogram_scale);
    return (uint32_t)(rside_histogram_index(metric->histogram_highest, metric->histogram_scale) - first + 1);
}

/* Upper bound of bucket `index` at `scale`; +inf past the largest double. */
RSIDE_API double rside_histogram_bound(int32_t index, int scale);

#ifdef __cplusplus
}
#endif
#endif
