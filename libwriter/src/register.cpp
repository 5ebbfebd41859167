// Registering series: not hot, but without a system call, so that it works behind a seccomp filter.
#include <errno.h>

#include "segment.h"
#include "text.h"

namespace ringside::writer {
namespace {

// The directory and the arena of one segment, as its only writer sees them.
class Directory {
  public:
    explicit Directory(rside_segment* segment)
        : segment_(segment),
          header_(segment->hot.header),
          view_(block_view(segment->base + RSIDE_HEADER_BYTES)),
          records_(reinterpret_cast<rside_series_record*>(segment->base + header_->directory_offset)),
          arena_(reinterpret_cast<char*>(segment->base + header_->arena_offset)) {}

    int find_metric(const char* name, uint8_t kind, bool shared, uint32_t* out, rside_error* error) const {
        for (uint32_t m = 0; m < segment_->metric_count; ++m) {
            if (!same(view_.strings + view_.metrics[m].name, name)) continue;
            bool metric_shared = segment_->metrics[m].flags & RSIDE_METRIC_SHARED;
            if (segment_->metrics[m].kind != kind || metric_shared != shared) {
                ErrorText(error, -EINVAL) << "metric " << name << " is of another kind in the schema";
                return -EINVAL;
            }
            *out = m;
            return 0;
        }
        ErrorText(error, -ENOENT) << "no metric " << name << " in schema " << view_.head->name;
        return -ENOENT;
    }

    int check_values(uint32_t metric, const char* const* values, size_t count, rside_error* error) const {
        const char* name = view_.strings + view_.metrics[metric].name;
        if (count != segment_->metrics[metric].label_count || (count && !values)) {
            ErrorText(error, -EINVAL) << "metric " << name << " has " << uint64_t{segment_->metrics[metric].label_count}
                                      << " labels, " << uint64_t{count} << " values were given";
            return -EINVAL;
        }
        for (size_t i = 0; i < count; ++i) {
            size_t size = length(values[i]);
            if (!values[i] || size > RSIDE_MAX_LABEL_VALUE_BYTES || !is_utf8(values[i], size)) {
                ErrorText(error, -EINVAL)
                    << "metric " << name << ": label value " << uint64_t{i} << " must be UTF-8 of at most "
                    << uint64_t{RSIDE_MAX_LABEL_VALUE_BYTES} << " bytes";
                return -EINVAL;
            }
        }
        return 0;
    }

    // Where the index has the series with these values, or the free place where it belongs.
    uint32_t* find(uint32_t metric, const char* const* values, size_t count) const {
        uint64_t hash = rside_hash(&metric, sizeof metric);
        // With the final NULs, so that "a", "bc" differs from "ab", "c".
        for (size_t i = 0; i < count; ++i) hash = rside_hash_more(hash, values[i], length(values[i]) + 1);
        for (uint64_t at = hash ^ hash >> 32;; ++at) {
            uint32_t* place = &segment_->series_index[at & segment_->index_mask];
            if (*place == 0) return place;
            uint32_t entry = *place - 1;
            if (segment_->metric_of[entry] == metric && matches(records_[entry], values, count)) return place;
        }
    }

    bool add(uint32_t entry, uint32_t metric, const char* const* values, size_t count, uint64_t now) {
        uint64_t bytes = 0;
        for (size_t i = 0; i < count; ++i) bytes += length(values[i]) + 1;
        if (bytes > view_.head->label_arena_bytes - header_->arena_used) return false;
        rside_series_record* record = &records_[entry];
        record->labels = header_->arena_used;
        record->labels_bytes = static_cast<uint32_t>(bytes);
        for (size_t i = 0; i < count; ++i) {
            size_t size = length(values[i]) + 1;
            __builtin_memcpy(arena_ + header_->arena_used, values[i], size);
            header_->arena_used += static_cast<uint32_t>(size);
        }
        record->metric = metric;
        record->created_ns = now;
        return true;
    }

    // P10: labels and the first state of the cell are visible before the entry that declares them.
    void publish(uint32_t entry) {
        __atomic_store_n(&records_[entry].state, 1u, __ATOMIC_RELEASE);
        // Relaxed: a figure for people.
        __atomic_fetch_add(&header_->series_count, 1u, __ATOMIC_RELAXED);
    }

  private:
    bool matches(const rside_series_record& record, const char* const* values, size_t count) const {
        const char* at = arena_ + record.labels;
        for (size_t i = 0; i < count; ++i) {
            if (!same(at, values[i])) return false;
            at += length(at) + 1;
        }
        return true;
    }

    rside_segment* segment_;
    rside_header* header_;
    BlockView view_;
    rside_series_record* records_;
    char* arena_;
};

// Kinds that mean something before their first record (a counter is 0) have an open window from the start.
void init_cell(const rside_segment& segment, rside_cell* cell, uint8_t kind, uint64_t now) {
    if (is_endless(now)) now = kTimeEndNs - 1;
    uint64_t begin = now - now % segment.tiers[0].resolution_ns;
    if (rside_is_counter(kind) || kind == RSIDE_HISTOGRAM) rside_store_u64_(&cell->open, begin);
    if (kind != RSIDE_INFO) return;
    cell->u.level.last = 1.0;
    cell->u.level.min = 1.0;
    cell->u.level.max = 1.0;
    cell->u.level.since_ns = now & ~uint64_t{1};
    rside_store_u64_(&cell->open, begin);
}

// The directory entry of the series, or a negative errno.
int64_t register_locked(rside_segment* segment, const char* metric_name, uint8_t kind, bool shared,
                        const char* const* values, size_t count, rside_error* error) {
    Directory directory(segment);
    uint32_t metric = 0;
    if (int code = directory.find_metric(metric_name, kind, shared, &metric, error)) return code;
    if (int code = directory.check_values(metric, values, count, error)) return code;
    uint32_t* place = directory.find(metric, values, count);
    if (*place) {
        if (shared) return *place - 1;
        ErrorText(error, -EEXIST) << "metric " << metric_name << ": this series is registered already, keep its handle";
        return -EEXIST;
    }
    Metric& kept = segment->metrics[metric];
    if (kept.registered == kept.max_series) {
        ErrorText(error, -ENOSPC) << "metric " << metric_name << ": all " << uint64_t{kept.max_series}
                                  << " series are registered, raise max_series in the schema";
        return -ENOSPC;
    }
    uint32_t entry = kept.at.first_series + kept.registered;
    uint64_t now = rside_now_(segment);
    if (!directory.add(entry, metric, values, count, now)) {
        ErrorText(error, -ENOSPC) << "metric " << metric_name
                                  << ": no room for the label values, raise label_arena_bytes in the schema";
        return -ENOSPC;
    }
    init_cell(*segment, &segment->cells[entry], kind, now);
    directory.publish(entry);
    *place = entry + 1;
    ++kept.registered;
    return entry;
}

int64_t register_series(rside_segment* segment, const char* metric, uint8_t kind, bool shared,
                        const char* const* values, size_t count, rside_error* error) {
    if (!segment || !metric) {
        ErrorText(error, -EINVAL) << (segment ? "no metric name given" : "no segment: set-up failed before");
        return -EINVAL;
    }
    int64_t entry = -EAGAIN;
    if (spin_lock(&segment->register_lock)) {
        entry = register_locked(segment, metric, kind, shared, values, count, error);
        spin_unlock(&segment->register_lock);
    } else {
        ErrorText(error, -EAGAIN) << "metric " << metric
                                  << ": another thread is registering and gets no time to finish, try again";
    }
    // Relaxed: a figure for people.
    if (entry < 0) __atomic_fetch_add(&segment->hot.header->refused_series, UINT64_C(1), __ATOMIC_RELAXED);
    return entry;
}

rside_series handle_of(rside_segment* segment, int64_t entry) {
    return entry < 0 ? rside_series{} : rside_series{&segment->cells[entry], segment};
}

}  // namespace
}  // namespace ringside::writer

using namespace ringside::writer;

#define RSIDE_DEFINE_REGISTER(type, kind, shared)                                                          \
    extern "C" type type##_register(rside_segment* segment, const char* metric, const char* const* values, \
                                    size_t count, rside_error* error) {                                    \
        return {handle_of(segment, register_series(segment, metric, kind, shared, values, count, error))}; \
    }

RSIDE_DEFINE_REGISTER(rside_counter, RSIDE_COUNTER, false)
RSIDE_DEFINE_REGISTER(rside_shared_counter, RSIDE_COUNTER, true)
RSIDE_DEFINE_REGISTER(rside_counter_f64, RSIDE_COUNTER_F64, false)
RSIDE_DEFINE_REGISTER(rside_gauge, RSIDE_GAUGE, false)
RSIDE_DEFINE_REGISTER(rside_level, RSIDE_LEVEL, false)

extern "C" rside_histogram rside_histogram_register(rside_segment* segment, const char* metric,
                                                    const char* const* values, size_t count, rside_error* error) {
    int64_t entry = register_series(segment, metric, RSIDE_HISTOGRAM, false, values, count, error);
    if (entry < 0) return {};
    const Metric& kept = segment->metrics[segment->metric_of[entry]];
    return {handle_of(segment, entry), &kept.histograms[entry - kept.at.first_series]};
}

extern "C" int rside_info_register(rside_segment* segment, const char* metric, const char* const* values, size_t count,
                                   rside_error* error) {
    int64_t entry = register_series(segment, metric, RSIDE_INFO, false, values, count, error);
    return entry < 0 ? static_cast<int>(entry) : 0;
}
