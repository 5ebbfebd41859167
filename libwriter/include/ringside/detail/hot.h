/* What the inline hot path sees of the writer's private memory. Not API: include <ringside/ringside.h>.
 *
 * Private to one process: nothing here is shared, so plain fields do. They are written in set-up, before a handle is
 * given out, and only read afterwards.
 */
#ifndef RINGSIDE_DETAIL_HOT_H
#define RINGSIDE_DETAIL_HOT_H

/* The first bytes of rside_segment: what every record needs. */
typedef struct rside_hot {
    uint64_t *tick_ns;  /* in the segment's header; null in coarse-clock mode */
    uint64_t window_ns; /* length of a window of the first tier */
    rside_header *header;
} rside_hot;

/* Where a histogram's buckets are, one per histogram series. */
struct rside_histogram_hot {
    uint64_t *buckets; /* zero bucket, then the buckets */
    double zero_bound; /* values up to here count as zero */
    int32_t first;     /* index of buckets[1] */
    uint32_t count;    /* buckets without the zero bucket */
    int32_t scale;
    uint32_t reserved;
};

/* Both are compiled into a VMM that links the shared library: they are part of its ABI. */
#if UINTPTR_MAX == UINT64_MAX
#define RSIDE_PIN(type, field, at) RSIDE_STATIC_ASSERT(offsetof(type, field) == (at), #type "." #field " moved")
RSIDE_PIN(rside_hot, tick_ns, 0);
RSIDE_PIN(rside_hot, window_ns, 8);
RSIDE_PIN(rside_hot, header, 16);
RSIDE_PIN(rside_histogram_hot, buckets, 0);
RSIDE_PIN(rside_histogram_hot, zero_bound, 8);
RSIDE_PIN(rside_histogram_hot, first, 16);
RSIDE_PIN(rside_histogram_hot, count, 20);
RSIDE_PIN(rside_histogram_hot, scale, 24);
#undef RSIDE_PIN
#endif

/* The slow path: `now_ns` lies outside the open window of the cell. Closes the windows that are over, or absorbs a
 * step back of the clock. Writes memory only. Returns the time that the record counts with: `now_ns`, or 0 where that
 * lies beyond what a window number can hold (2106), so that no time passes.
 * Two words and no rside_series: GCC 12 would copy the handle through the stack for it, in the hot path, and wait there. */
RSIDE_API uint64_t rside_turn(rside_cell *cell, rside_segment *segment, uint64_t now_ns);
/* CLOCK_REALTIME_COARSE in ns since 1970. */
RSIDE_API uint64_t rside_coarse_ns(void);
/* Counts a sample that cannot be recorded. */
RSIDE_API void rside_reject(rside_segment *segment);

#endif
