// Rules of schemas, and their form in a segment.
#include "schema_block.h"

#include <errno.h>
#include <sys/mman.h>

#include "text.h"

extern "C" const rside_tier rside_default_tiers[3] = {
    {1, 300, RSIDE_COLUMNS_ALL},    // five minutes at 1 s
    {10, 360, RSIDE_COLUMNS_ALL},   // an hour at 10 s
    {300, 288, RSIDE_COLUMNS_ALL},  // a day at 5 min
};

namespace ringside::writer {
namespace {

// Labels that the agent sets, or that have a meaning of their own in Prometheus.
constexpr const char* kReservedLabels[] = {"vm_id", "instance", "job", "component", "epoch", "le", "quantile"};

int check_tiers(const rside_schema& schema, rside_error* error) {
    if (!schema.tiers || schema.tier_count == 0 || schema.tier_count > RSIDE_MAX_TIERS) {
        ErrorText(error, -EINVAL) << "a schema has 1 to " << uint64_t{RSIDE_MAX_TIERS} << " tiers, this one has "
                                  << uint64_t{schema.tier_count};
        return -EINVAL;
    }
    for (uint32_t t = 0; t < schema.tier_count; ++t) {
        const rside_tier& tier = schema.tiers[t];
        if (tier.resolution_s == 0 || tier.resolution_s > RSIDE_MAX_RESOLUTION_S) {
            ErrorText(error, -EINVAL) << "tier " << uint64_t{t} << ": the resolution must be 1 to "
                                      << uint64_t{RSIDE_MAX_RESOLUTION_S} << " s, not " << uint64_t{tier.resolution_s};
            return -EINVAL;
        }
        if (tier.slots < 2 || tier.slots > RSIDE_MAX_SLOTS) {
            ErrorText(error, -EINVAL) << "tier " << uint64_t{t} << ": a ring has 2 to " << uint64_t{RSIDE_MAX_SLOTS}
                                      << " slots, not " << uint64_t{tier.slots};
            return -EINVAL;
        }
        if (tier.columns & ~RSIDE_COLUMNS_ALL) {
            ErrorText(error, -EINVAL) << "tier " << uint64_t{t} << ": unknown column bits "
                                      << uint64_t{tier.columns & ~RSIDE_COLUMNS_ALL};
            return -EINVAL;
        }
        if (t == 0) continue;
        uint32_t finer = schema.tiers[t - 1].resolution_s;
        if (tier.resolution_s <= finer || tier.resolution_s % finer != 0) {
            ErrorText(error, -EINVAL) << "tier " << uint64_t{t} << ": " << uint64_t{tier.resolution_s}
                                      << " s is not a larger whole multiple of the " << uint64_t{finer}
                                      << " s of the tier before";
            return -EINVAL;
        }
    }
    return 0;
}

bool is_reserved_label(const char* label) {
    if (label[0] == '_' && label[1] == '_') return true;
    for (const char* reserved : kReservedLabels) {
        if (same(label, reserved)) return true;
    }
    return false;
}

int check_labels(const rside_metric& metric, rside_error* error) {
    if (metric.label_count > RSIDE_MAX_LABELS || (metric.label_count && !metric.labels)) {
        ErrorText(error, -EINVAL) << "metric " << metric.name << ": a metric has at most " << uint64_t{RSIDE_MAX_LABELS}
                                  << " labels, this one has " << uint64_t{metric.label_count};
        return -EINVAL;
    }
    for (uint32_t i = 0; i < metric.label_count; ++i) {
        const char* label = metric.labels[i];
        if (!is_identifier(label, RSIDE_MAX_NAME_BYTES - 1)) {
            ErrorText(error, -EINVAL) << "metric " << metric.name << ": label name '" << label
                                      << "' must match [a-zA-Z_][a-zA-Z0-9_]*";
            return -EINVAL;
        }
        if (is_reserved_label(label)) {
            ErrorText(error, -EINVAL) << "metric " << metric.name << ": label name '" << label
                                      << "' is reserved, choose another";
            return -EINVAL;
        }
        for (uint32_t j = 0; j < i; ++j) {
            if (same(label, metric.labels[j])) {
                ErrorText(error, -EINVAL) << "metric " << metric.name << ": label '" << label << "' is there twice";
                return -EINVAL;
            }
        }
    }
    return 0;
}

int check_histogram(const rside_metric& metric, rside_error* error) {
    if (metric.histogram_scale < RSIDE_HISTOGRAM_SCALE_MIN || metric.histogram_scale > RSIDE_HISTOGRAM_SCALE_MAX) {
        ErrorText(error, -EINVAL) << "metric " << metric.name << ": the histogram scale must be -4 to 8";
        return -EINVAL;
    }
    double low = metric.histogram_lowest;
    double high = metric.histogram_highest;
    if (!(low > 0.0 && low <= high && high <= 1.7976931348623157e308)) {
        ErrorText(error, -EINVAL) << "metric " << metric.name
                                  << ": a histogram needs 0 < lowest <= highest, both finite";
        return -EINVAL;
    }
    int64_t buckets = int64_t{rside_histogram_index(high, metric.histogram_scale)} -
                      rside_histogram_index(low, metric.histogram_scale) + 1;
    if (buckets > int64_t{RSIDE_MAX_BUCKETS}) {
        ErrorText(error, -E2BIG) << "metric " << metric.name << ": " << static_cast<uint64_t>(buckets)
                                 << " buckets are over the limit of " << uint64_t{RSIDE_MAX_BUCKETS}
                                 << ", lower the scale or narrow the range";
        return -E2BIG;
    }
    return 0;
}

int check_metric(const rside_schema& schema, uint32_t index, rside_error* error) {
    const rside_metric& metric = schema.metrics[index];
    if (!is_identifier(metric.name, RSIDE_MAX_NAME_BYTES - 1)) {
        ErrorText(error, -EINVAL) << "metric name '" << metric.name
                                  << "' must match [a-zA-Z_][a-zA-Z0-9_]* and have at most "
                                  << uint64_t{RSIDE_MAX_NAME_BYTES - 1} << " bytes";
        return -EINVAL;
    }
    if (metric.kind < RSIDE_COUNTER || metric.kind > RSIDE_INFO) {
        ErrorText(error, -EINVAL) << "metric " << metric.name << ": unknown kind " << uint64_t{metric.kind};
        return -EINVAL;
    }
    if ((metric.flags & ~RSIDE_METRIC_SHARED) ||
        ((metric.flags & RSIDE_METRIC_SHARED) && metric.kind != RSIDE_COUNTER)) {
        ErrorText(error, -EINVAL) << "metric " << metric.name
                                  << ": only u64 counters can be shared, give each thread a series of its own";
        return -EINVAL;
    }
    if (metric.max_series == 0 || metric.max_series > RSIDE_MAX_SERIES) {
        ErrorText(error, -EINVAL) << "metric " << metric.name << ": max_series must be 1 to "
                                  << uint64_t{RSIDE_MAX_SERIES} << ", not " << uint64_t{metric.max_series};
        return -EINVAL;
    }
    if (length(metric.unit) > RSIDE_MAX_UNIT_BYTES || length(metric.help) > RSIDE_MAX_HELP_BYTES ||
        !is_utf8(metric.unit, length(metric.unit)) || !is_utf8(metric.help, length(metric.help))) {
        ErrorText(error, -EINVAL) << "metric " << metric.name << ": unit (at most " << uint64_t{RSIDE_MAX_UNIT_BYTES}
                                  << " bytes) and help (at most " << uint64_t{RSIDE_MAX_HELP_BYTES}
                                  << ") must be UTF-8";
        return -EINVAL;
    }
    for (uint32_t other = 0; other < index; ++other) {
        if (!same(metric.name, schema.metrics[other].name)) continue;
        bool other_kind = metric.kind != schema.metrics[other].kind;
        ErrorText(error, -EINVAL) << "metric " << metric.name << " is there twice"
                                  << (other_kind ? ", with different kinds" : "");
        return -EINVAL;
    }
    if (int code = check_labels(metric, error)) return code;
    return metric.kind == RSIDE_HISTOGRAM ? check_histogram(metric, error) : 0;
}

uint32_t arena_bytes(const rside_schema& schema) {
    if (schema.label_arena_bytes) return schema.label_arena_bytes;
    uint64_t bytes = 0;
    for (uint32_t m = 0; m < schema.metric_count; ++m) {
        if (schema.metrics[m].label_count) bytes += uint64_t{64} * schema.metrics[m].max_series;
    }
    return static_cast<uint32_t>(rside_round_up(bytes, RSIDE_CACHE_LINE));
}

uint64_t metric_string_bytes(const rside_metric& metric) {
    uint64_t bytes = length(metric.name) + length(metric.unit) + length(metric.help) + 3;
    for (uint32_t i = 0; i < metric.label_count; ++i) bytes += length(metric.labels[i]) + 1;
    return bytes;
}

uint64_t string_bytes(const rside_schema& schema) {
    uint64_t bytes = 0;
    for (uint32_t m = 0; m < schema.metric_count; ++m) bytes += metric_string_bytes(schema.metrics[m]);
    return rside_round_up(bytes, 8);
}

// Where the bytes of a schema block go, one after the other.
class ToMemory {
  public:
    explicit ToMemory(uint8_t* at) : at_(at) {}
    void put(const void* bytes, size_t size) {
        __builtin_memcpy(at_, bytes, size);
        at_ += size;
    }

  private:
    uint8_t* at_;
};

class ToHash {
  public:
    void put(const void* bytes, size_t size) { hash_ = rside_hash_more(hash_, bytes, size); }
    uint64_t hash() const { return hash_; }

  private:
    uint64_t hash_ = RSIDE_HASH_START;
};

template <typename Sink>
void emit_text(const char* text, Sink& sink) {
    sink.put(text ? text : "", length(text) + 1);
}

rside_metric_record record_of(const rside_metric& metric, uint32_t strings_at) {
    rside_metric_record record = {};
    record.name = strings_at;
    record.unit = record.name + static_cast<uint32_t>(length(metric.name)) + 1;
    record.help = record.unit + static_cast<uint32_t>(length(metric.unit)) + 1;
    if (metric.label_count) record.labels = record.help + static_cast<uint32_t>(length(metric.help)) + 1;
    record.label_count = metric.label_count;
    record.max_series = metric.max_series;
    record.kind = metric.kind;
    record.flags = metric.flags;
    if (metric.kind != RSIDE_HISTOGRAM) return record;
    record.histogram_scale = metric.histogram_scale;
    record.bucket_first = rside_histogram_index(metric.histogram_lowest, metric.histogram_scale);
    record.bucket_count = rside_histogram_buckets(&metric);
    return record;
}

// The block in the order of the file, without memory of its own: attach hashes a schema behind a seccomp filter.
template <typename Sink>
void emit(const rside_schema& schema, Sink& sink) {
    rside_schema_block head = {};
    __builtin_memcpy(head.name, schema.name, length(schema.name));
    head.version = schema.version;
    head.tier_count = schema.tier_count;
    head.metric_count = schema.metric_count;
    head.label_arena_bytes = arena_bytes(schema);
    head.strings_bytes = static_cast<uint32_t>(string_bytes(schema));
    sink.put(&head, sizeof head);
    for (uint32_t t = 0; t < schema.tier_count; ++t) {
        const rside_tier& tier = schema.tiers[t];
        rside_tier_record record = {tier.resolution_s, tier.slots, tier.columns ? tier.columns : RSIDE_COLUMNS_ALL, 0};
        sink.put(&record, sizeof record);
    }
    uint64_t strings = 0;
    for (uint32_t m = 0; m < schema.metric_count; ++m) {
        rside_metric_record record = record_of(schema.metrics[m], static_cast<uint32_t>(strings));
        sink.put(&record, sizeof record);
        strings += metric_string_bytes(schema.metrics[m]);
    }
    for (uint32_t m = 0; m < schema.metric_count; ++m) {
        const rside_metric& metric = schema.metrics[m];
        emit_text(metric.name, sink);
        emit_text(metric.unit, sink);
        emit_text(metric.help, sink);
        for (uint32_t i = 0; i < metric.label_count; ++i) emit_text(metric.labels[i], sink);
    }
    static const char zeros[8] = {};
    sink.put(zeros, head.strings_bytes - strings);
}

}  // namespace

uint64_t schema_block_bytes(const rside_schema& schema) {
    rside_schema_block head = {};
    head.tier_count = schema.tier_count;
    head.metric_count = schema.metric_count;
    head.strings_bytes = static_cast<uint32_t>(string_bytes(schema));
    return rside_schema_block_bytes(&head);
}

void schema_block_write(const rside_schema& schema, uint8_t* out) {
    ToMemory memory(out);
    emit(schema, memory);
}

Scratch::Scratch(const rside_schema& schema) : bytes_(schema_block_bytes(schema)) {
    void* at = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return;
    data_ = static_cast<uint8_t*>(at);
    schema_block_write(schema, data_);
}

Scratch::~Scratch() {
    if (data_) munmap(data_, bytes_);
}

int Scratch::geometry(rside_geometry* out, rside_error* error) const {
    if (!data_) {
        ErrorText(error, -ENOMEM) << "no memory to lay out the schema";
        return -ENOMEM;
    }
    BlockView view = block_view(data_);
    if (rside_geometry_compute(view.head, view.tiers, view.metrics, out, nullptr) == 0) return 0;
    ErrorText(error, -E2BIG) << "schema " << view.head->name << ": over the limit of " << uint64_t{RSIDE_MAX_SERIES}
                             << " series or " << uint64_t{RSIDE_MAX_SEGMENT_BYTES}
                             << " bytes a segment, lower max_series, slots or buckets";
    return -E2BIG;
}

}  // namespace ringside::writer

using namespace ringside::writer;

extern "C" int rside_schema_check(const rside_schema* schema, rside_error* error) {
    if (!schema) {
        ErrorText(error, -EINVAL) << "no schema given";
        return -EINVAL;
    }
    if (!is_identifier(schema->name, RSIDE_MAX_NAME_BYTES - 1)) {
        ErrorText(error, -EINVAL) << "schema name '" << schema->name << "' must match [a-zA-Z_][a-zA-Z0-9_]*";
        return -EINVAL;
    }
    if (int code = check_tiers(*schema, error)) return code;
    if (!schema->metrics || schema->metric_count == 0 || schema->metric_count > RSIDE_MAX_METRICS) {
        ErrorText(error, -EINVAL) << "schema " << schema->name << ": a schema has 1 to " << uint64_t{RSIDE_MAX_METRICS}
                                  << " metrics, this one has " << uint64_t{schema->metric_count};
        return -EINVAL;
    }
    if (schema->label_arena_bytes > RSIDE_MAX_ARENA_BYTES) {
        ErrorText(error, -E2BIG) << "schema " << schema->name << ": label_arena_bytes is over the limit of "
                                 << uint64_t{RSIDE_MAX_ARENA_BYTES};
        return -E2BIG;
    }
    uint64_t series = 0;
    for (uint32_t m = 0; m < schema->metric_count; ++m) {
        if (int code = check_metric(*schema, m, error)) return code;
        series += schema->metrics[m].max_series;
    }
    if (series > RSIDE_MAX_SERIES || string_bytes(*schema) > RSIDE_MAX_STRINGS_BYTES) {
        ErrorText(error, -E2BIG) << "schema " << schema->name << ": " << series << " series, the limit is "
                                 << uint64_t{RSIDE_MAX_SERIES} << " series and " << uint64_t{RSIDE_MAX_STRINGS_BYTES}
                                 << " bytes of names and help";
        return -E2BIG;
    }
    return 0;
}

extern "C" uint64_t rside_schema_size(const rside_schema* schema, rside_error* error) {
    if (rside_schema_check(schema, error) < 0) return 0;
    Scratch scratch(*schema);
    rside_geometry geometry;
    return scratch.geometry(&geometry, error) < 0 ? 0 : geometry.segment_bytes;
}

extern "C" uint64_t rside_schema_hash(const rside_schema* schema) {
    if (rside_schema_check(schema, nullptr) < 0) return 0;
    ToHash hash;
    emit(*schema, hash);
    return hash.hash();
}

extern "C" int32_t rside_histogram_index(double value, int scale) { return rside_histogram_index_(value, scale); }

extern "C" double rside_histogram_bound(int32_t index, int scale) {
    // index x 2^-scale = exponent + fraction/256, both exact. Scales below 0 have whole exponents only.
    int64_t at_scale_8 = int64_t{index} * (int64_t{1} << (8 - scale));
    int64_t exponent = at_scale_8 >> 8;
    uint64_t fraction = static_cast<uint64_t>(at_scale_8 & 255);
    if (exponent > 1023) return __builtin_inf();
    if (exponent < -1074) return 0.0;
    double bound = rside_bits_f64_(UINT64_C(1023) << 52 | rside_histogram_bounds[fraction]);  // 1 <= bound < 2
    // Two exact multiplications by powers of two; only the last can round, into the subnormals.
    if (exponent >= -1022) return bound * rside_bits_f64_(static_cast<uint64_t>(exponent + 1023) << 52);
    return bound * rside_bits_f64_(static_cast<uint64_t>(exponent + 1023 + 64) << 52) * 0x1p-64;
}
