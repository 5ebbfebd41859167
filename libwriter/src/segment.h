// The writer's private side of a segment: one anonymous mapping per segment, made in set-up and never grown.
#pragma once

#include <limits.h>
#include <ringside/ringside.h>

#include "schema_block.h"

namespace ringside::writer {

// What a turn needs to know of a metric. Kept apart from the segment, so that in a forked child, where the segment
// has become empty pages, every figure is still sane.
struct Metric {
    rside_metric_geometry at;
    rside_histogram_hot* histograms;  // of this metric's series; null for other kinds
    uint32_t max_series;
    uint32_t label_count;
    uint32_t bucket_count;
    uint8_t kind;
    uint8_t flags;
    uint32_t registered = 0;  // series, which take the metric's entries in order; behind register_lock
};

struct Tier {
    uint64_t resolution_ns;
    uint32_t resolution_s;
    uint32_t slots;
    uint32_t columns;
};

}  // namespace ringside::writer

struct rside_segment {
    rside_hot hot;  // first: the inline code reads it through a cast
    uint8_t* base;
    uint64_t bytes;
    uint64_t private_bytes;
    uint32_t tier_count;
    uint32_t metric_count;
    uint32_t flags;
    uint32_t register_lock;
    uint32_t closing;  // set by the first one who says why the segment ends
    ringside::writer::Tier tiers[RSIDE_MAX_TIERS];
    ringside::writer::Metric* metrics;
    rside_cell* cells;    // one per directory entry
    uint16_t* metric_of;  // index into `metrics` of each directory entry
    // Behind register_lock: the registered series by a hash of metric and label values, as directory entry + 1, in an open
    // table with linear probing. At least half of the places are 0, which is none. It begins empty, also after attach:
    // an epoch has one writer, so nobody else has registered anything.
    uint32_t* series_index;
    uint32_t index_mask;  // places - 1; their number is a power of two
    rside_segment* next;  // list of fork-guarded segments
    char path[PATH_MAX];
};

namespace ringside::writer {

// Makes the private side for the segment mapped at `base` (checked before), or null when there is no memory.
rside_segment* segment_open(uint8_t* base, uint64_t bytes, enum rside_clock clock, const char* path);
// Frees the private side; the mapping stays.
void segment_free(rside_segment* segment);

// Takes the segment for this process (state, times) with what `flags` allows. The caller has made sure that it is free.
void segment_take(rside_segment* segment, uint32_t flags);

// An OFD lock on the whole file: F_WRLCK or F_UNLCK. 0 or a negative errno, -EAGAIN when somebody else holds it. A mapping
// keeps the lock when the descriptor is closed.
int segment_lock(int fd, short type);

// The fork guard, see fork.cpp. Between `begin` and the end of this object another thread that forks waits, so that no child
// gets the descriptor or the mapping of a segment that is being set up.
class ForkHold {
  public:
    ForkHold() = default;
    ~ForkHold();
    ForkHold(const ForkHold&) = delete;
    ForkHold& operator=(const ForkHold&) = delete;
    // Does nothing without RSIDE_FORK_GUARD. 0 or a negative errno.
    int begin(uint32_t flags);

  private:
    bool held_ = false;
};

// Both under a ForkHold. Keeps the mapping from children, 0 or a negative errno; and from then on gives them empty pages in
// its place, until it is removed.
int fork_guard_hide(const rside_segment& segment);
void fork_guard_add(rside_segment* segment);
void fork_guard_remove(rside_segment* segment);

uint64_t realtime_ns();

// Window numbers have 32 bits: from here on (the year 2106) no window can open.
constexpr uint64_t kTimeEndNs = UINT64_C(4294967295) * RSIDE_NS_PER_S;
inline bool is_endless(uint64_t now_ns) { return now_ns >= kTimeEndNs; }

// A lock of a word for set-up paths: no system call, so that it works behind a seccomp filter. False after about a second: on one
// core a real-time thread would otherwise wait for ever for one of lower priority, which cannot go on while it waits.
inline bool spin_lock(uint32_t* word) {
    constexpr uint32_t kTries = 1u << 25;
    for (uint32_t tries = 0; tries < kTries; ++tries) {
        // Acquire/release: the holder before us has finished its changes of the directory.
        if (!__atomic_exchange_n(word, 1u, __ATOMIC_ACQUIRE)) return true;
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
    return false;
}
inline void spin_unlock(uint32_t* word) { __atomic_store_n(word, 0u, __ATOMIC_RELEASE); }

}  // namespace ringside::writer
