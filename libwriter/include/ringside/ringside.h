/* Ringside writer library: record metrics of a VM into a shared-memory segment.
 *
 *     rside_options options;
 *     rside_options_init(&options);
 *     options.vm_id = "vm-7";
 *     options.schema = &my_schema;
 *     rside_segment *segment = NULL;
 *     rside_error error;
 *     if (rside_segment_create(&options, &segment, &error) < 0) log(error.text);   // the VM runs on
 *     rside_counter exits = rside_counter_register(segment, "vmm_exits_total", (const char *[]){"io"}, 1, NULL);
 *     rside_counter_add(exits, 1);                                                 // nanoseconds
 *     rside_segment_close(segment, 0, "guest shut down");
 *
 * Rules that hold for everything below:
 *  - Create, provision, attach and close may call the kernel. Registering and recording never do: no system call, no
 *    allocation, no thread; a record takes no lock and never fails.
 *  - A record takes effect at one instant: a process that is killed leaves each of its records done or not done.
 *  - Metrics are a guest in the VMM. When set-up fails the handles are empty, and recording into an empty
 *    handle does nothing.
 *  - A handle belongs to one thread: the one that records into it. Only handles of metrics declared
 *    RSIDE_METRIC_SHARED (rside_shared_counter) may be used by several threads at once.
 *  - Handles end with rside_segment_close. All recording threads must have stopped by then.
 *  - Recording is not for signal handlers: an interrupted call on the same handle would be left half done.
 *  - In a forked child of a process that used RSIDE_FORK_GUARD, recording has no effect on the segment.
 */
#ifndef RINGSIDE_RINGSIDE_H
#define RINGSIDE_RINGSIDE_H

#include <ringside/format.h>
#include <ringside/schema.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RSIDE_VERSION_MAJOR 0
#define RSIDE_VERSION_MINOR 1
#define RSIDE_VERSION_PATCH 0

#define RSIDE_DEFAULT_DIRECTORY "/dev/shm/ringside"

/* Where the time of a record comes from. */
enum rside_clock {
    RSIDE_CLOCK_COARSE = 0, /* CLOCK_REALTIME_COARSE through the vDSO, about 6 ns a record */
    RSIDE_CLOCK_TICK = 1    /* the word that rside_tick stores, well below 1 ns a record */
};

/* What set-up does besides open, fstat, mmap and close; where the kernel refuses it, set-up fails. A VMM under a tight
 * seccomp filter passes 0 to attach. */
#define RSIDE_FORK_GUARD \
    1u /* madvise(MADV_DONTFORK), and fork handlers: a fork waits for set-up to end, a child gets empty pages */
#define RSIDE_LOCK \
    2u /* OFD write lock, which the mapping keeps: a second proof of life beside the kernel's writer count */
#define RSIDE_DEFAULT_FLAGS (RSIDE_FORK_GUARD | RSIDE_LOCK)

typedef struct rside_options {
    const char *vm_id;     /* 1 .. 63 of [A-Za-z0-9._:-], first one alphanumeric */
    const char *component; /* null or "" for the VMM itself, else 1 .. 31 of [a-z0-9_-] */
    const char *directory; /* null: RSIDE_DEFAULT_DIRECTORY; must lie on a tmpfs or hugetlbfs */
    const rside_schema *schema;
    enum rside_clock clock;
    uint32_t flags; /* RSIDE_FORK_GUARD, RSIDE_LOCK */
    uid_t owner;    /* provision: owner of the file; (uid_t)-1 keeps the caller */
    gid_t group;    /* provision: group of the file; (gid_t)-1 keeps what the directory gives */
    mode_t mode;    /* 0: 0640 */
} rside_options;

/* Fills in the defaults: coarse clock, RSIDE_DEFAULT_FLAGS, owner and group kept. */
RSIDE_API void rside_options_init(rside_options *options);

typedef struct rside_segment rside_segment;
typedef struct rside_histogram_hot rside_histogram_hot;

/* A handle says where one series is recorded: two or three words, passed by value, to be copied freely and kept where they
 * are used. (Behind a pointer they would cost a record the wait for one more cache line.) Its fields are the library's. A handle
 * of zeros is empty: recording into it does nothing. Whether registering gave an empty one shows in `series.cell`, null then. */
typedef struct rside_series {
    rside_cell *cell; /* null: empty */
    rside_segment *segment;
} rside_series;
typedef struct rside_counter {
    rside_series series;
} rside_counter;
typedef struct rside_shared_counter {
    rside_series series;
} rside_shared_counter;
typedef struct rside_counter_f64 {
    rside_series series;
} rside_counter_f64;
typedef struct rside_gauge {
    rside_series series;
} rside_gauge;
typedef struct rside_level {
    rside_series series;
} rside_level;
typedef struct rside_histogram {
    rside_series series;
    const rside_histogram_hot *hot;
} rside_histogram;

/* Creates a new segment under options->directory and attaches to it. The file appears under its final
 * name (vm_id.epoch[.component].seg, the epoch random) only when it is complete and every page is reserved, so a full
 * /dev/shm is an error here and never a SIGBUS later.
 * Returns 0 and sets *out, or a negative errno with *out untouched and no file left behind:
 *   -EINVAL  schema, vm_id or component against the rules     -E2BIG   schema over a limit
 *   -ENOENT / -ENOTDIR / -EACCES / -EROFS  directory missing, not one, or not writable
 *   -EMEDIUMTYPE  the directory is not on a memory file system
 *   -ENOSPC / -EDQUOT  no room                                -ENOMEM  no address space
 *   -EFBIG  over the process' limit for the size of files
 * Calls the kernel. Not for signal handlers, nor for a thread that may be cancelled in it. The caller closes *out. */
RSIDE_API int rside_segment_create(const rside_options *options, rside_segment **out, rside_error *error);

/* Lays out a segment for a VMM that will attach later, and unmaps it: for launchers. Run it inside the VM's own cgroup:
 * the pages are charged for good to the caller's. `path` takes the file's path, NUL included (path_bytes at
 * least strlen(directory) + 140). Errors as above, -ENAMETOOLONG for a short `path`, and -EPERM where the caller may not
 * give the file away: that takes CAP_CHOWN, and in a directory of another user with the sticky bit CAP_FOWNER. */
RSIDE_API int rside_segment_provision(const rside_options *options, char *path, size_t path_bytes, rside_error *error);

/* Attaches to a provisioned segment by path, or by a descriptor opened for reading and writing (which the caller keeps
 * and may close afterwards). `schema` must be the one the segment was laid out with, or null to take what is there.
 * With flags 0 the only system calls are open (O_NONBLOCK), fstat, mmap (twice) and close, and munmap when it fails; by
 * descriptor without open and close.
 * Returns 0 and sets *out, or a negative errno with *out and the segment untouched:
 *   -EBADF   not a descriptor, or not open for reading and writing
 *   -EINVAL  not a regular file, or not a segment             -EPROTONOSUPPORT  another format version
 *   -ESTALE  laid out with another schema                     -EUCLEAN  size or checksum do not match, or the file has holes
 *   -EBUSY   a writer is or was attached: an epoch has one writer, provision a new segment
 *   -EAGAIN  the agent was probing the file at each of 8 tries
 *   and what open, fstat, mmap, and with flags madvise and fcntl return. */
RSIDE_API int rside_segment_attach(const char *path, const rside_schema *schema, enum rside_clock clock, uint32_t flags,
                                   rside_segment **out, rside_error *error);
RSIDE_API int rside_segment_attach_fd(int fd, const rside_schema *schema, enum rside_clock clock, uint32_t flags,
                                      rside_segment **out, rside_error *error);

/* Marks the segment as closed with `code` (0: as planned) and `text` (may be null, cut at 127 bytes), unmaps it
 * and ends every handle: none may be used after this. The agent then drains it. Null does nothing. */
RSIDE_API void rside_segment_close(rside_segment *segment, int code, const char *text);

/* Only marks the segment as closed, for a process that ends while threads of it may still record: the mapping and every handle
 * stay, and nobody need see what is recorded from then on. The agent drains the segment when the process is gone; at once where
 * it can neither ask the kernel for that (docs/operations.md) nor see a lock (RSIDE_LOCK). Any thread: what was said first stays, and
 * a close that follows unmaps and says nothing else. No system call in tick mode. Null does nothing. */
RSIDE_API void rside_segment_mark_closed(rside_segment *segment, int code, const char *text);

/* The file's path as created, or as given to attach; "" when attached by descriptor. Lives as long as the segment. */
RSIDE_API const char *rside_segment_path(const rside_segment *segment);
RSIDE_API const char *rside_segment_vm_id(const rside_segment *segment);
RSIDE_API uint64_t rside_segment_bytes(const rside_segment *segment);

/* Registers one series of `metric` with the label values in the order of the schema's label names, and returns its
 * handle; an empty one with `error` set when the segment is null, the metric is unknown or of another kind (-ENOENT, -EINVAL), the
 * number of values is not the schema's, a value is longer than 255 bytes or not UTF-8 (-EINVAL), the series exists (-EEXIST; a shared
 * counter returns the same handle), or the metric's series or the label arena are used up (-ENOSPC). The segment
 * is then unchanged but for its count of refused series. -EAGAIN: another thread has been registering for a second, which happens
 * where it cannot run because this one does (real-time priorities on one core).
 * Any thread. No system call and no allocation, so it works behind a seccomp filter; threads that register at the same time wait
 * for each other. */
RSIDE_API rside_counter rside_counter_register(rside_segment *segment, const char *metric, const char *const *values,
                                               size_t count, rside_error *error);
RSIDE_API rside_shared_counter rside_shared_counter_register(rside_segment *segment, const char *metric,
                                                             const char *const *values, size_t count,
                                                             rside_error *error);
RSIDE_API rside_counter_f64 rside_counter_f64_register(rside_segment *segment, const char *metric,
                                                       const char *const *values, size_t count, rside_error *error);
RSIDE_API rside_gauge rside_gauge_register(rside_segment *segment, const char *metric, const char *const *values,
                                           size_t count, rside_error *error);
RSIDE_API rside_level rside_level_register(rside_segment *segment, const char *metric, const char *const *values,
                                           size_t count, rside_error *error);
RSIDE_API rside_histogram rside_histogram_register(rside_segment *segment, const char *metric,
                                                   const char *const *values, size_t count, rside_error *error);
/* An info series is the constant 1 and needs no handle: 0 or a negative errno. */
RSIDE_API int rside_info_register(rside_segment *segment, const char *metric, const char *const *values, size_t count,
                                  rside_error *error);

#include <ringside/detail/hot.h>

/* Tick mode: sets the time of the records that follow, in ns since 1970 (CLOCK_REALTIME). Any one thread at a time; call it
 * at least once per finest window. Wait-free, no system call. In coarse-clock mode it has no effect on records. */
static inline void rside_tick(rside_segment *segment, uint64_t now_ns);

/* Adds `delta` to a counter. Wait-free. Only the thread that owns the handle. */
static inline void rside_counter_add(rside_counter counter, uint64_t delta);

/* The same for a counter that several threads feed: one atomic add. Any thread. */
static inline void rside_shared_counter_add(rside_shared_counter counter, uint64_t delta);

/* Adds `delta` >= 0; negative, infinite and NaN deltas are rejected and counted in the segment's header. */
static inline void rside_counter_f64_add(rside_counter_f64 counter, double delta);

/* Feeds a raw running total, from a source that may restart: adds what it grew by since the call before, or all of it
 * when it went down (a restart at 0). The first call adds the whole total, unless a baseline was set. */
static inline void rside_counter_total(rside_counter counter, uint64_t total);
static inline void rside_counter_f64_total(rside_counter_f64 counter, double total);

/* Takes `total` as the raw total from which to count on, adding nothing: for a source that is older than the segment. */
static inline void rside_counter_baseline(rside_counter counter, uint64_t total);
static inline void rside_counter_f64_baseline(rside_counter_f64 counter, double total);

/* Records one observation of a sampled gauge into count, sum, min, max and last. NaN and infinities are rejected and counted. */
static inline void rside_gauge_record(rside_gauge gauge, double value);

/* Sets a level gauge, which holds `value` until the next call: its average is weighted by time. */
static inline void rside_level_set(rside_level level, double value);

/* Records one observation into a histogram. Negative values, NaN and infinities are rejected and counted. */
static inline void rside_histogram_record(rside_histogram histogram, double value);

#include <ringside/detail/hot_inline.h>

#ifdef __cplusplus
}
#endif
#endif
