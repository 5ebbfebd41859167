// The private side of a segment, and taking it over.
#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "text.h"

namespace ringside::writer {

uint64_t realtime_ns() {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<uint64_t>(now.tv_sec) * RSIDE_NS_PER_S + static_cast<uint64_t>(now.tv_nsec);
}

rside_segment* segment_open(uint8_t* base, uint64_t bytes, enum rside_clock clock, const char* path) {
    auto* header = reinterpret_cast<rside_header*>(base);
    BlockView view = block_view(base + RSIDE_HEADER_BYTES);
    uint32_t series = header->series_capacity;
    uint64_t histograms = 0;
    for (uint32_t m = 0; m < view.head->metric_count; ++m) {
        if (view.metrics[m].kind == RSIDE_HISTOGRAM) histograms += view.metrics[m].max_series;
    }
    uint64_t metrics_at = rside_round_up(sizeof(rside_segment), RSIDE_CACHE_LINE);
    uint64_t scratch_at = metrics_at + view.head->metric_count * sizeof(Metric);
    uint64_t histograms_at =
        rside_round_up(scratch_at + view.head->metric_count * sizeof(rside_metric_geometry), RSIDE_CACHE_LINE);
    uint64_t index_at = histograms_at + histograms * sizeof(rside_histogram_hot);
    uint32_t places = 2;
    while (places < 2 * series) places *= 2;
    uint64_t metric_of_at = index_at + places * sizeof(uint32_t);
    uint64_t private_bytes = rside_round_up(metric_of_at + series * sizeof(uint16_t), RSIDE_PAGE_BYTES);
    void* memory = mmap(nullptr, private_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return nullptr;

    auto* at = static_cast<uint8_t*>(memory);
    auto* segment = static_cast<rside_segment*>(memory);
    segment->base = base;
    segment->bytes = bytes;
    segment->private_bytes = private_bytes;
    segment->tier_count = view.head->tier_count;
    segment->metric_count = view.head->metric_count;
    segment->metrics = reinterpret_cast<Metric*>(at + metrics_at);
    segment->metric_of = reinterpret_cast<uint16_t*>(at + metric_of_at);
    segment->series_index = reinterpret_cast<uint32_t*>(at + index_at);
    segment->index_mask = places - 1;
    for (uint32_t t = 0; t < segment->tier_count; ++t) {
        segment->tiers[t] = {view.tiers[t].resolution_s * RSIDE_NS_PER_S, view.tiers[t].resolution_s,
                             view.tiers[t].slots, view.tiers[t].columns};
    }
    segment->hot.header = header;
    segment->hot.window_ns = segment->tiers[0].resolution_ns;
    segment->hot.tick_ns = clock == RSIDE_CLOCK_TICK ? &header->tick_ns : nullptr;
    __builtin_memcpy(segment->path, path, length(path) + 1);

    auto* geometry_of = reinterpret_cast<rside_metric_geometry*>(at + scratch_at);
    rside_geometry geometry = {};
    rside_geometry_compute(view.head, view.tiers, view.metrics, &geometry, geometry_of);
    segment->cells = reinterpret_cast<rside_cell*>(base + geometry.cells_offset);
    auto* histogram = reinterpret_cast<rside_histogram_hot*>(at + histograms_at);
    for (uint32_t m = 0; m < segment->metric_count; ++m) {
        const rside_metric_record& record = view.metrics[m];
        bool is_histogram = record.kind == RSIDE_HISTOGRAM;
        segment->metrics[m] = {geometry_of[m],      is_histogram ? histogram : nullptr,
                               record.max_series,   record.label_count,
                               record.bucket_count, record.kind,
                               record.flags};
        for (uint32_t i = 0; i < record.max_series; ++i) {
            segment->metric_of[geometry_of[m].first_series + i] = static_cast<uint16_t>(m);
            if (!is_histogram) continue;
            histogram->buckets =
                reinterpret_cast<uint64_t*>(base + geometry_of[m].hot_buckets + i * geometry_of[m].hot_buckets_step);
            histogram->zero_bound = rside_histogram_bound(record.bucket_first - 1, record.histogram_scale);
            histogram->first = record.bucket_first;
            histogram->count = record.bucket_count;
            histogram->scale = record.histogram_scale;
            ++histogram;
        }
    }
    return segment;
}

void segment_free(rside_segment* segment) { munmap(segment, segment->private_bytes); }

void segment_take(rside_segment* segment, uint32_t flags) {
    rside_header* header = segment->hot.header;
    segment->flags = flags;
    uint64_t now = realtime_ns();
    // Relaxed: the agent may be looking at them by now, and each means something alone.
    rside_store_u64_(&header->attached_ns, now);
    uint32_t mode = segment->hot.tick_ns ? RSIDE_CLOCK_TICK : RSIDE_CLOCK_COARSE;
    __atomic_store_n(&header->clock_mode, mode, __ATOMIC_RELAXED);
    rside_store_u64_(&header->tick_ns, now);
    if (!flags) return;  // with flags 0 not even getpid is called
    __atomic_store_n(&header->writer_pid, static_cast<uint32_t>(getpid()), __ATOMIC_RELAXED);
}

int segment_lock(int fd, short type) {
    struct flock whole = {};
    whole.l_type = type;
    whole.l_whence = SEEK_SET;
    return fcntl(fd, F_OFD_SETLK, &whole) < 0 ? -errno : 0;
}

}  // namespace ringside::writer

using namespace ringside::writer;

extern "C" uint64_t rside_coarse_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return static_cast<uint64_t>(now.tv_sec) * RSIDE_NS_PER_S + static_cast<uint64_t>(now.tv_nsec);
}

extern "C" void rside_options_init(rside_options* options) {
    *options = rside_options{};
    options->clock = RSIDE_CLOCK_COARSE;
    options->flags = RSIDE_DEFAULT_FLAGS;
    options->owner = static_cast<uid_t>(-1);
    options->group = static_cast<gid_t>(-1);
}

extern "C" void rside_segment_mark_closed(rside_segment* segment, int code, const char* text) {
    if (!segment) return;
    rside_header* header = segment->hot.header;
    // Relaxed: it only elects one of several threads; nothing of the others' is read.
    if (__atomic_exchange_n(&segment->closing, 1u, __ATOMIC_RELAXED)) return;
    header->closed_ns = segment->hot.tick_ns ? rside_load_u64_(segment->hot.tick_ns) : realtime_ns();
    header->close_code = code;
    size_t size = length(text);
    if (size >= RSIDE_CLOSE_TEXT_BYTES) size = RSIDE_CLOSE_TEXT_BYTES - 1;
    while (size > 0 && !is_utf8(text, size)) --size;  // cut between characters
    if (size) __builtin_memcpy(header->close_text, text, size);
    // P11: code, text and time are visible before the state that declares them.
    __atomic_store_n(&header->state, static_cast<uint32_t>(RSIDE_STATE_CLOSED), __ATOMIC_RELEASE);
}

extern "C" void rside_segment_close(rside_segment* segment, int code, const char* text) {
    if (!segment) return;
    rside_segment_mark_closed(segment, code, text);
    if (segment->flags & RSIDE_FORK_GUARD) fork_guard_remove(segment);
    munmap(segment->base, segment->bytes);
    segment_free(segment);
}

extern "C" const char* rside_segment_path(const rside_segment* segment) { return segment ? segment->path : ""; }

extern "C" const char* rside_segment_vm_id(const rside_segment* segment) {
    return segment ? segment->hot.header->vm_id : "";
}

extern "C" uint64_t rside_segment_bytes(const rside_segment* segment) { return segment ? segment->bytes : 0; }
