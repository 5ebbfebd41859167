#include "tests/support/plain_segment.h"

#include <algorithm>
#include <cstring>
#include <fstream>

namespace ringside::plain {
namespace {

constexpr std::uint64_t kPage = 4096;

std::uint64_t up(std::uint64_t at, std::uint64_t unit) { return at + (unit - at % unit) % unit; }

class Bytes {
  public:
    explicit Bytes(const std::vector<std::uint8_t>& bytes) : bytes_(bytes) {}

    template <typename Number>
    Number get(std::uint64_t at) const {
        Number number{};
        if (at + sizeof number > bytes_.size()) {
            over_ = true;
            return number;
        }
        std::memcpy(&number, bytes_.data() + at, sizeof number);
        return number;
    }
    std::uint32_t u32(std::uint64_t at) const { return get<std::uint32_t>(at); }
    std::uint64_t u64(std::uint64_t at) const { return get<std::uint64_t>(at); }
    double f64(std::uint64_t at) const { return get<double>(at); }
    // Up to the NUL, or `max` bytes.
    std::string text(std::uint64_t at, std::uint64_t max) const {
        std::string out;
        for (std::uint64_t i = 0; i < max; ++i) {
            char c = get<char>(at + i);
            if (c == '\0') break;
            out.push_back(c);
        }
        return out;
    }
    bool over() const { return over_; }
    std::uint64_t size() const { return bytes_.size(); }
    const std::uint8_t* data() const { return bytes_.data(); }

  private:
    const std::vector<std::uint8_t>& bytes_;
    mutable bool over_ = false;
};

// Bit by bit, after the definition of CRC-32C.
std::uint32_t crc32c(std::uint32_t crc, const std::uint8_t* at, std::uint64_t size) {
    crc = ~crc;
    for (std::uint64_t i = 0; i < size; ++i) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82F63B78u : 0u);
    }
    return ~crc;
}

std::uint32_t columns_of(std::uint8_t kind, std::uint32_t columns) {
    switch (kind) {
        case kCounter:
        case kCounterF64: return columns & kValue;
        case kGauge:
        case kLevel: return columns & (kCount | kSum | kMin | kMax | kLast);
        case kHistogram: return columns & (kCount | kSum | kBuckets);
        default: return 0;
    }
}

std::uint64_t slot_bytes(const Metric& metric, const Tier& tier) {
    std::uint32_t kept = columns_of(metric.kind, tier.columns);
    if (kept == 0) return 0;
    std::uint64_t bytes = 4;
    for (std::uint32_t column : {kCount, kSum, kMin, kMax, kLast, kValue}) {
        if (kept & column) bytes += 8;
    }
    if (kept & kBuckets) bytes += 4 * (std::uint64_t{1} + metric.bucket_count);
    return bytes;
}

Slot decode_slot(const Bytes& in, std::uint64_t at, const Metric& metric, const Tier& tier) {
    Slot slot;
    slot.window = in.u32(at);
    at += 4;
    std::uint32_t kept = columns_of(metric.kind, tier.columns);
    auto next_u64 = [&](std::uint32_t column) -> std::uint64_t {
        if (!(kept & column)) return 0;
        at += 8;
        return in.u64(at - 8);
    };
    auto next_f64 = [&](std::uint32_t column) {
        std::uint64_t bits = next_u64(column);
        double value;
        std::memcpy(&value, &bits, sizeof value);
        return value;
    };
    slot.summary.count = next_u64(kCount);
    slot.summary.sum = next_f64(kSum);
    slot.summary.min = next_f64(kMin);
    slot.summary.max = next_f64(kMax);
    slot.summary.last = next_f64(kLast);
    slot.value = next_u64(kValue);
    if (kept & kBuckets) {
        for (std::uint32_t i = 0; i <= metric.bucket_count; ++i, at += 4) slot.buckets.push_back(in.u32(at));
    }
    return slot;
}

void decode_header(const Bytes& in, Segment* out) {
    out->text = in.text(0, 512);
    out->segment_bytes = in.u64(528);
    out->schema_hash = in.u64(536);
    for (std::uint64_t i = 0; i < 16; ++i) {
        out->epoch[i] = in.get<std::uint8_t>(544 + i);
        out->boot_id[i] = in.get<std::uint8_t>(560 + i);
    }
    out->created_ns = in.u64(576);
    out->created_boottime_ns = in.u64(584);
    out->vm_id = in.text(592, 64);
    out->component = in.text(656, 32);
    out->series_capacity = in.u32(752);
    out->state = in.u32(1024);
    out->close_code = in.get<std::int32_t>(1028);
    out->attached_ns = in.u64(1032);
    out->closed_ns = in.u64(1040);
    out->writer_pid = in.u32(1048);
    out->clock_mode = in.u32(1052);
    out->series_count = in.u32(1056);
    out->arena_used = in.u32(1060);
    out->close_text = in.text(1088, 128);
    out->tick_ns = in.u64(1216);
    out->clock_steps_back = in.u64(1280);
    out->rebases = in.u64(1288);
    out->rebase_from_ns = in.u64(1296);
    out->rebase_to_ns = in.u64(1304);
    out->rebased_windows = in.u64(1312);
    out->rejected_samples = in.u64(1320);
    out->refused_series = in.u64(1328);
}

// Returns the schema block's length.
std::uint64_t decode_schema(const Bytes& in, Segment* out) {
    std::uint64_t at = kPage;
    out->schema_name = in.text(at, 128);
    out->schema_version = in.u32(at + 128);
    std::uint32_t tier_count = in.u32(at + 132);
    std::uint32_t metric_count = in.u32(at + 136);
    out->label_arena_bytes = in.u32(at + 140);
    std::uint32_t strings_bytes = in.u32(at + 144);
    std::uint64_t tiers_at = at + 160;
    std::uint64_t metrics_at = tiers_at + 16 * std::uint64_t{tier_count};
    std::uint64_t strings_at = metrics_at + 48 * std::uint64_t{metric_count};
    for (std::uint32_t t = 0; t < tier_count; ++t) {
        std::uint64_t record = tiers_at + 16 * std::uint64_t{t};
        out->tiers.push_back({in.u32(record), in.u32(record + 4), in.u32(record + 8)});
    }
    for (std::uint32_t m = 0; m < metric_count; ++m) {
        std::uint64_t record = metrics_at + 48 * std::uint64_t{m};
        Metric metric;
        metric.name = in.text(strings_at + in.u32(record), 4096);
        metric.unit = in.text(strings_at + in.u32(record + 4), 4096);
        metric.help = in.text(strings_at + in.u32(record + 8), 4096);
        std::uint64_t label = strings_at + in.u32(record + 12);
        for (std::uint32_t i = 0; i < in.u32(record + 16); ++i) {
            metric.labels.push_back(in.text(label, 4096));
            label += metric.labels.back().size() + 1;
        }
        metric.max_series = in.u32(record + 20);
        metric.kind = in.get<std::uint8_t>(record + 24);
        metric.flags = in.get<std::uint8_t>(record + 25);
        metric.scale = in.get<std::int8_t>(record + 26);
        metric.bucket_first = in.get<std::int32_t>(record + 28);
        metric.bucket_count = in.u32(record + 32);
        out->metrics.push_back(metric);
    }
    return strings_at + strings_bytes - kPage;
}

Summary decode_summary(const Bytes& in, std::uint64_t at) {
    return {in.u64(at), in.f64(at + 8), in.f64(at + 16), in.f64(at + 24), in.f64(at + 32)};
}

void add_last(Summary* to) {
    to->min = std::min(to->min, to->last);
    to->max = std::max(to->max, to->last);
}

// `origin`: where that of a gauge or level is.
void decode_cell(const Bytes& in, std::uint64_t at, std::uint64_t origin, std::uint8_t kind, Series* out) {
    out->seq = in.u64(at);
    std::uint64_t open = in.u64(at + 8);
    out->open_ns = open - open % 512;
    out->bank = open % 2;
    out->stale = open / 2 % 2 != 0;
    out->turning = open / 4 % 2 != 0;
    switch (kind) {
        case kCounter:
        case kCounterF64:
            out->value = in.u64(at + 16);
            out->raw = in.u64(at + 24);
            break;
        case kHistogram:
            out->half_done = out->seq % 2 != 0;
            out->hot.count = out->seq / 2;
            out->hot.sum = in.f64(at + 24 + out->seq / 2 % 2 * 8);
            break;
        case kGauge:
            out->hot.count = out->seq - in.u64(origin);
            out->hot.sum = in.f64(at + 16 + out->seq % 2 * 8);
            out->hot.last = in.f64(at + 32 + out->seq % 2 * 8);
            out->hot.min = in.f64(at + 48);
            out->hot.max = in.f64(at + 56);
            if (out->hot.count > 0) add_last(&out->hot);
            break;
        case kLevel: {
            out->half_done = out->seq % 2 != 0;
            std::uint64_t valid = in.u64(at + 16) % 2;
            out->since_ns = in.u64(at + 16) - valid;
            out->hot.count = out->since_ns - in.u64(origin + valid * 8);
            out->hot.sum = in.f64(at + 24 + valid * 8) / 1e9;
            out->hot.last = in.f64(at + 40);
            out->hot.min = in.f64(at + 48);
            out->hot.max = in.f64(at + 56);
            if (out->hot.min <= out->hot.max) add_last(&out->hot);
            break;
        }
        default: out->since_ns = in.u64(at + 16); out->hot = {0, 0, in.f64(at + 48), in.f64(at + 56), in.f64(at + 40)};
    }
}

// A record that was killed in its bucket, as the word at 16 tells it.
void undo_bucket(const Bytes& in, std::uint64_t at, Series* out) {
    std::uint64_t pending = in.u64(at + 16);
    std::uint64_t bucket = (pending >> 32) % 0x8000'0000u;
    if (!out->half_done || pending >> 63 == out->seq / 2 % 2 || bucket >= out->hot_buckets.size()) return;
    std::uint64_t& value = out->hot_buckets[bucket];
    if (value % 0x1'0000'0000u == (pending + 1) % 0x1'0000'0000u) --value;
}

// Where the parts lie, in the order of the file.
struct Places {
    std::uint64_t directory, arena, cells, accumulators, buckets, rings, end;
};

class Decoder {
  public:
    Decoder(const Bytes& in, Segment* out, std::uint64_t schema_bytes) : in_(in), out_(out) {
        std::uint64_t series = 0;
        for (const Metric& metric : out->metrics) {
            first_.push_back(series);
            series += metric.max_series;
        }
        at_.directory = up(kPage + schema_bytes, 64);
        at_.arena = at_.directory + 32 * series;
        at_.cells = up(at_.arena + out->label_arena_bytes, 64);
        at_.accumulators = at_.cells + 64 * series;
        std::uint64_t at = at_.accumulators;
        for (const Metric& metric : out->metrics) {
            accumulators_.push_back(at);
            at += accumulator_step(metric) * metric.max_series;
        }
        at_.buckets = at;
        for (const Metric& metric : out->metrics) {
            buckets_.push_back(at);
            at += bucket_step(metric) * metric.max_series;
        }
        at_.rings = at;
        for (const Tier& tier : out->tiers) {
            rings_.emplace_back();
            for (const Metric& metric : out->metrics) {
                rings_.back().push_back(at);
                at += up(slot_bytes(metric, tier) * tier.slots, 64) * metric.max_series;
            }
        }
        at_.end = up(at, kPage);
        if (at_.end % (512 * kPage) == 0) at_.end += kPage;
    }

    const Places& places() const { return at_; }

    void decode_series() {
        for (std::uint32_t m = 0; m < out_->metrics.size(); ++m) {
            for (std::uint32_t i = 0; i < out_->metrics[m].max_series; ++i) decode_one(m, i);
        }
    }

  private:
    std::uint64_t accumulator_step(const Metric& metric) const {
        if (metric.kind != kGauge && metric.kind != kLevel) return 0;
        return up(16 + 2 * 40 * (out_->tiers.size() - 1), 64);
    }
    static std::uint64_t bucket_step(const Metric& metric) {
        return metric.kind == kHistogram ? up(8 * (std::uint64_t{1} + metric.bucket_count), 64) : 0;
    }

    void decode_one(std::uint32_t m, std::uint32_t i) {
        const Metric& metric = out_->metrics[m];
        std::uint64_t record = at_.directory + 32 * (first_[m] + i);
        if (in_.u32(record) == 0) return;
        Series series;
        series.index = static_cast<std::uint32_t>(first_[m] + i);
        series.metric = in_.u32(record + 4);
        series.created_ns = in_.u64(record + 8);
        std::uint64_t label = at_.arena + in_.u32(record + 16);
        for (std::size_t l = 0; l < metric.labels.size(); ++l) {
            series.values.push_back(in_.text(label, 256));
            label += series.values.back().size() + 1;
        }
        std::uint64_t cell = at_.cells + 64 * (first_[m] + i);
        std::uint64_t origin = accumulators_[m] + accumulator_step(metric) * i;
        decode_cell(in_, cell, origin, metric.kind, &series);
        if (accumulator_step(metric)) {
            std::uint64_t at = origin + 16;
            for (auto& bank : series.banks) {
                for (std::size_t t = 1; t < out_->tiers.size(); ++t, at += 40) bank.push_back(decode_summary(in_, at));
            }
        }
        if (metric.kind == kHistogram) {
            std::uint64_t at = buckets_[m] + bucket_step(metric) * i;
            for (std::uint32_t b = 0; b <= metric.bucket_count; ++b) series.hot_buckets.push_back(in_.u64(at + 8 * b));
            undo_bucket(in_, cell, &series);
        }
        for (std::size_t t = 0; t < out_->tiers.size(); ++t) {
            const Tier& tier = out_->tiers[t];
            std::uint64_t bytes = slot_bytes(metric, tier);
            std::uint64_t at = rings_[t][m] + up(bytes * tier.slots, 64) * i;
            series.rings.emplace_back();
            if (bytes == 0) continue;
            for (std::uint32_t s = 0; s < tier.slots; ++s) {
                series.rings.back().push_back(decode_slot(in_, at + bytes * s, metric, tier));
            }
        }
        out_->series.push_back(std::move(series));
    }

    const Bytes& in_;
    Segment* out_;
    Places at_ = {};
    std::vector<std::uint64_t> first_, accumulators_, buckets_;
    std::vector<std::vector<std::uint64_t>> rings_;
};

std::string contradiction(const Bytes& in, const Places& at, std::uint64_t schema_bytes, std::uint64_t series) {
    const struct {
        const char* what;
        std::uint64_t found, wanted;
    } facts[] = {
        {"magic", in.u64(512), 0x45444953474e4952},
        {"format version", in.u32(520), 1},
        {"header bytes", in.u32(524), kPage},
        {"segment bytes", in.u64(528), in.size()},
        {"size by the schema", at.end, in.size()},
        {"schema offset", in.u64(688), kPage},
        {"schema bytes", in.u64(696), schema_bytes},
        {"directory offset", in.u64(704), at.directory},
        {"arena offset", in.u64(712), at.arena},
        {"cells offset", in.u64(720), at.cells},
        {"accumulators offset", in.u64(728), at.accumulators},
        {"hot buckets offset", in.u64(736), at.buckets},
        {"rings offset", in.u64(744), at.rings},
        {"series capacity", in.u32(752), series},
        {"checksum", in.u32(1020), crc32c(crc32c(0, in.data(), 1020), in.data() + kPage, schema_bytes)},
    };
    for (const auto& fact : facts) {
        if (fact.found == fact.wanted) continue;
        return std::string(fact.what) + " is " + std::to_string(fact.found) + ", not " + std::to_string(fact.wanted);
    }
    return "";
}

}  // namespace

const Series* Segment::find(const std::string& metric, const std::vector<std::string>& values) const {
    for (const Series& one : series) {
        if (metrics[one.metric].name == metric && one.values == values) return &one;
    }
    return nullptr;
}

Segment decode(const std::vector<std::uint8_t>& bytes, std::string* error) {
    error->clear();
    Bytes in(bytes);
    Segment out;
    if (bytes.size() < 2 * kPage) {
        *error = "shorter than two pages";
        return {};
    }
    decode_header(in, &out);
    std::uint64_t schema_bytes = decode_schema(in, &out);
    if (in.over() || kPage + schema_bytes > bytes.size()) {
        *error = "the schema ends behind the file";
        return {};
    }
    std::uint64_t series = 0;
    for (const Metric& metric : out.metrics) series += metric.max_series;
    Decoder decoder(in, &out, schema_bytes);
    *error = contradiction(in, decoder.places(), schema_bytes, series);
    if (!error->empty()) return {};
    decoder.decode_series();
    if (in.over()) *error = "something ends behind the file";
    return error->empty() ? out : Segment{};
}

std::vector<std::uint8_t> read_bytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    std::vector<std::uint8_t> bytes(file ? static_cast<std::size_t>(file.tellg()) : 0);
    file.seekg(0);
    file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return bytes;
}

Segment decode_file(const std::string& path, std::string* error) { return decode(read_bytes(path), error); }

}  // namespace ringside::plain
