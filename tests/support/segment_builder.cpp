#include "tests/support/segment_builder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

namespace ringside::agent::test {

namespace {

std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) { return (value + unit - 1) / unit * unit; }

std::uint32_t kept_of(std::uint8_t kind, std::uint32_t columns) {
    switch (kind) {
        case kCounter:
        case kCounterF64: return columns & 32;
        case kGauge:
        case kLevel: return columns & 31;
        case kHistogram: return columns & (1 | 2 | 64);
        default: return 0;
    }
}

// Bit by bit from the definition of the polynomial, so that it shares no table with anybody.
std::uint32_t crc32c(std::uint32_t crc, const std::byte* bytes, std::size_t size) {
    crc = ~crc;
    for (std::size_t i = 0; i < size; ++i) {
        crc ^= static_cast<std::uint32_t>(bytes[i]);
        for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
    }
    return ~crc;
}

std::uint64_t fnv1a(const std::byte* bytes, std::size_t size) {
    std::uint64_t hash = 14695981039346656037u;
    for (std::size_t i = 0; i < size; ++i) hash = (hash ^ static_cast<std::uint64_t>(bytes[i])) * 1099511628211u;
    return hash;
}

}  // namespace

SegmentBuilder SegmentBuilder::example() {
    SegmentBuilder builder;
    builder.metrics = {
        {"requests_total", kCounter, 4, {"path"}, 0, "", "Requests by path."},
        {"energy_joules_total", kCounterF64, 1, {}, 0, "joules", ""},
        {"latency_seconds", kGauge, 2, {"queue"}, 0, "seconds", ""},
        {"memory_bytes", kLevel, 2, {"pool"}, 0, "bytes", "Memory held."},
        {"io_seconds", kHistogram, 2, {"disk"}, 0, "seconds", "", 0, -1, 4},
        {"build_info", kInfo, 1, {"version"}, 0, "", ""},
    };
    builder.lay_out();
    return builder;
}

SegmentBuilder& SegmentBuilder::lay_out() {
    std::string strings;
    auto text = [&](const std::string& value) {
        auto offset = static_cast<std::uint32_t>(strings.size());
        strings += value;
        strings += '\0';
        return offset;
    };
    struct Offsets {
        std::uint32_t name, unit, help, labels;
    };
    std::vector<Offsets> offsets;
    for (const MetricSpec& metric : metrics) {
        Offsets of{text(metric.name), text(metric.unit), text(metric.help), 0};
        of.labels = static_cast<std::uint32_t>(strings.size());
        for (const std::string& label : metric.labels) text(label);
        offsets.push_back(of);
    }
    strings.resize(round_up(strings.size(), 8));

    at = At{};
    at.tiers = at.schema + 160;
    at.metrics = at.tiers + 16 * tiers.size();
    at.strings = at.metrics + 48 * metrics.size();
    at.strings_bytes = strings.size();
    at.schema_bytes = at.strings + strings.size() - at.schema;
    at.metric.resize(metrics.size());
    for (std::size_t m = 0; m < metrics.size(); ++m) {
        at.metric[m].first_series = at.capacity;
        at.capacity += metrics[m].max_series;
    }
    at.directory = round_up(at.schema + at.schema_bytes, 64);
    at.arena = at.directory + at.capacity * 32;
    at.cells = round_up(at.arena + arena_bytes, 64);
    std::uint64_t end = at.accumulators = at.cells + at.capacity * 64;
    for (std::size_t m = 0; m < metrics.size(); ++m) {
        bool gauge = metrics[m].kind == kGauge || metrics[m].kind == kLevel;
        at.metric[m].accumulators = end;
        at.metric[m].accumulators_step = gauge ? round_up(16 + 2 * (tiers.size() - 1) * 40, 64) : 0;
        end += at.metric[m].accumulators_step * metrics[m].max_series;
    }
    at.hot_buckets = end;
    for (std::size_t m = 0; m < metrics.size(); ++m) {
        at.metric[m].hot_buckets = end;
        at.metric[m].hot_buckets_step =
            metrics[m].kind == kHistogram ? round_up((metrics[m].bucket_count + std::uint64_t{1}) * 8, 64) : 0;
        end += at.metric[m].hot_buckets_step * metrics[m].max_series;
    }
    at.rings = end;
    for (const TierSpec& tier : tiers) {
        for (std::size_t m = 0; m < metrics.size(); ++m) {
            std::uint32_t kept = kept_of(metrics[m].kind, tier.columns);
            std::uint32_t words = 0;
            if (kept != 0) {
                words = 1 + 2 * static_cast<std::uint32_t>(std::popcount(kept & 63));
                if ((kept & 64) != 0) words += 1 + metrics[m].bucket_count;
            }
            at.metric[m].slot_words.push_back(words);
            at.metric[m].ring.push_back(end);
            at.metric[m].ring_step.push_back(round_up(std::uint64_t{words} * 4 * tier.slots, 64));
            end += at.metric[m].ring_step.back() * metrics[m].max_series;
        }
    }
    at.bytes = round_up(end, 4096);
    if (at.bytes % (2 << 20) == 0) at.bytes += 4096;
    bytes.assign(at.bytes, std::byte{0});
    arena_used_ = 0;

    std::memcpy(bytes.data(), "RINGSIDE SEGMENT v1\n", 20);
    std::memcpy(bytes.data() + 512, "RINGSIDE", 8);
    poke<std::uint32_t>(520, 1);
    poke<std::uint32_t>(524, 4096);
    poke<std::uint64_t>(528, at.bytes);
    std::memcpy(bytes.data() + 544, epoch.data(), 16);
    poke<std::uint64_t>(576, created_ns);
    std::memcpy(bytes.data() + 592, vm_id.data(), std::min<std::size_t>(vm_id.size(), 64));
    std::memcpy(bytes.data() + 656, component.data(), std::min<std::size_t>(component.size(), 32));
    poke<std::uint64_t>(688, at.schema);
    poke<std::uint64_t>(696, at.schema_bytes);
    poke<std::uint64_t>(704, at.directory);
    poke<std::uint64_t>(712, at.arena);
    poke<std::uint64_t>(720, at.cells);
    poke<std::uint64_t>(728, at.accumulators);
    poke<std::uint64_t>(736, at.hot_buckets);
    poke<std::uint64_t>(744, at.rings);
    poke<std::uint32_t>(752, at.capacity);

    std::memcpy(bytes.data() + at.schema, schema_name.data(), std::min<std::size_t>(schema_name.size(), 128));
    poke<std::uint32_t>(at.schema + 128, schema_version);
    poke<std::uint32_t>(at.schema + 132, static_cast<std::uint32_t>(tiers.size()));
    poke<std::uint32_t>(at.schema + 136, static_cast<std::uint32_t>(metrics.size()));
    poke<std::uint32_t>(at.schema + 140, arena_bytes);
    poke<std::uint32_t>(at.schema + 144, static_cast<std::uint32_t>(strings.size()));
    for (std::size_t t = 0; t < tiers.size(); ++t) {
        poke<std::uint32_t>(at.tiers + t * 16, tiers[t].resolution_s);
        poke<std::uint32_t>(at.tiers + t * 16 + 4, tiers[t].slots);
        poke<std::uint32_t>(at.tiers + t * 16 + 8, tiers[t].columns);
    }
    for (std::size_t m = 0; m < metrics.size(); ++m) {
        std::uint64_t record = at.metrics + m * 48;
        poke<std::uint32_t>(record, offsets[m].name);
        poke<std::uint32_t>(record + 4, offsets[m].unit);
        poke<std::uint32_t>(record + 8, offsets[m].help);
        poke<std::uint32_t>(record + 12, offsets[m].labels);
        poke<std::uint32_t>(record + 16, static_cast<std::uint32_t>(metrics[m].labels.size()));
        poke<std::uint32_t>(record + 20, metrics[m].max_series);
        poke<std::uint8_t>(record + 24, metrics[m].kind);
        poke<std::uint8_t>(record + 25, metrics[m].flags);
        poke<std::int8_t>(record + 26, metrics[m].scale);
        poke<std::int32_t>(record + 28, metrics[m].bucket_first);
        poke<std::uint32_t>(record + 32, metrics[m].bucket_count);
    }
    std::memcpy(bytes.data() + at.strings, strings.data(), strings.size());
    set_state(1);
    poke<std::uint64_t>(1032, created_ns);
    poke<std::uint64_t>(1216, created_ns);
    seal();
    return *this;
}

void SegmentBuilder::seal() {
    poke<std::uint64_t>(536, keep_hash != 0 ? keep_hash : fnv1a(bytes.data() + at.schema, at.schema_bytes));
    std::uint32_t checksum = crc32c(0, bytes.data(), 1020);
    poke<std::uint32_t>(1020, crc32c(checksum, bytes.data() + at.schema, at.schema_bytes));
}

std::uint32_t SegmentBuilder::metric_of(std::uint32_t index) const {
    for (std::uint32_t m = 0; m < metrics.size(); ++m) {
        if (index < at.metric[m].first_series + metrics[m].max_series) return m;
    }
    ADD_FAILURE() << "no metric owns series " << index;
    return 0;
}

std::uint32_t SegmentBuilder::add(const std::string& metric, const std::vector<std::string>& labels,
                                  std::uint64_t created) {
    std::uint32_t m = 0;
    while (m + 1 < metrics.size() && metrics[m].name != metric) ++m;
    EXPECT_EQ(metrics[m].name, metric);
    std::uint32_t index = at.metric[m].first_series;
    while (peek<std::uint32_t>(record_at(index)) != 0) ++index;
    EXPECT_LT(index, at.metric[m].first_series + metrics[m].max_series);
    std::string values;
    for (const std::string& label : labels) values += label + '\0';
    std::memcpy(bytes.data() + at.arena + arena_used_, values.data(), values.size());
    std::uint64_t record = record_at(index);
    poke<std::uint32_t>(record, 1);
    poke<std::uint32_t>(record + 4, m);
    poke<std::uint64_t>(record + 8, created == 0 ? created_ns : created);
    poke<std::uint32_t>(record + 16, arena_used_);
    poke<std::uint32_t>(record + 20, static_cast<std::uint32_t>(values.size()));
    arena_used_ += static_cast<std::uint32_t>(values.size());
    poke<std::uint32_t>(1056, peek<std::uint32_t>(1056) + 1);
    poke<std::uint32_t>(1060, arena_used_);
    return index;
}

std::uint64_t SegmentBuilder::slot_at(std::uint32_t index, std::uint32_t tier, std::uint64_t window) const {
    const MetricAt& metric = at.metric[metric_of(index)];
    return metric.ring[tier] + metric.ring_step[tier] * step_of(index) +
           window % tiers[tier].slots * metric.slot_words[tier] * 4;
}

std::uint64_t SegmentBuilder::origin_at(std::uint32_t index) const {
    const MetricAt& metric = at.metric[metric_of(index)];
    return metric.accumulators + metric.accumulators_step * step_of(index);
}

void SegmentBuilder::set_gauge(std::uint32_t index, const Window& hot) {
    constexpr std::uint64_t kEarlier = 1000;  // records of windows that are closed
    poke(origin_at(index), kEarlier);
    set_seq(index, kEarlier + hot.count);
    std::uint64_t valid = (kEarlier + hot.count) % 2;
    poke(cell_at(index) + 16 + valid * 8, hot.sum);
    poke(cell_at(index) + 32 + valid * 8, hot.last);
    poke(cell_at(index) + 48, hot.min);
    poke(cell_at(index) + 56, hot.max);
}

void SegmentBuilder::set_level(std::uint32_t index, const Window& hot, std::uint64_t since_ns) {
    poke(origin_at(index), since_ns - hot.count);
    poke(cell_at(index) + 16, since_ns);
    poke(cell_at(index) + 24, hot.sum * 1e9);
    poke(cell_at(index) + 40, hot.last);
    poke(cell_at(index) + 48, hot.min);
    poke(cell_at(index) + 56, hot.max);
}

void SegmentBuilder::set_histogram(std::uint32_t index, std::uint64_t count, double sum,
                                   const std::vector<std::uint64_t>& buckets) {
    set_seq(index, 2 * count);
    poke(cell_at(index) + 24 + count % 2 * 8, sum);
    const MetricAt& metric = at.metric[metric_of(index)];
    std::uint64_t offset = metric.hot_buckets + metric.hot_buckets_step * step_of(index);
    std::memcpy(bytes.data() + offset, buckets.data(), buckets.size() * 8);
}

void SegmentBuilder::set_accumulator(std::uint32_t index, std::uint32_t tier, std::uint32_t bank,
                                     const Window& window) {
    std::uint64_t offset = origin_at(index) + 16 + (bank * (tiers.size() - 1) + tier - 1) * 40;
    poke(offset, window.count);
    poke(offset + 8, window.sum);
    poke(offset + 16, window.min);
    poke(offset + 24, window.max);
    poke(offset + 32, window.last);
}

void SegmentBuilder::put_words(std::uint64_t& offset, std::uint32_t kept, std::uint32_t column, std::uint64_t value) {
    if ((kept & column) == 0) return;
    poke(offset, static_cast<std::uint32_t>(value));
    poke(offset + 4, static_cast<std::uint32_t>(value >> 32));
    offset += 8;
}

void SegmentBuilder::counter_slot(std::uint32_t index, std::uint32_t tier, std::uint64_t window, std::uint64_t value) {
    std::uint64_t offset = slot_at(index, tier, window);
    poke(offset, static_cast<std::uint32_t>(window));
    offset += 4;
    put_words(offset, kept_of(kCounter, tiers[tier].columns), 32, value);
}

void SegmentBuilder::gauge_slot(std::uint32_t index, std::uint32_t tier, std::uint64_t window, const Window& values) {
    std::uint64_t offset = slot_at(index, tier, window);
    std::uint32_t kept = kept_of(kGauge, tiers[tier].columns);
    poke(offset, static_cast<std::uint32_t>(window));
    offset += 4;
    put_words(offset, kept, 1, values.count);
    put_words(offset, kept, 2, std::bit_cast<std::uint64_t>(values.sum));
    put_words(offset, kept, 4, std::bit_cast<std::uint64_t>(values.min));
    put_words(offset, kept, 8, std::bit_cast<std::uint64_t>(values.max));
    put_words(offset, kept, 16, std::bit_cast<std::uint64_t>(values.last));
}

void SegmentBuilder::histogram_slot(std::uint32_t index, std::uint32_t tier, std::uint64_t window, std::uint64_t count,
                                    double sum, const std::vector<std::uint32_t>& buckets) {
    std::uint64_t offset = slot_at(index, tier, window);
    std::uint32_t kept = kept_of(kHistogram, tiers[tier].columns);
    poke(offset, static_cast<std::uint32_t>(window));
    offset += 4;
    put_words(offset, kept, 1, count);
    put_words(offset, kept, 2, std::bit_cast<std::uint64_t>(sum));
    if ((kept & 64) == 0) return;
    std::memcpy(bytes.data() + offset, buckets.data(), buckets.size() * 4);
}

void SegmentBuilder::close(std::uint64_t closed_ns, std::int32_t code, const std::string& text) {
    poke(1028, code);
    poke(1040, closed_ns);
    std::memcpy(bytes.data() + 1088, text.data(), std::min<std::size_t>(text.size(), 128));
    set_state(2);
}

std::string SegmentBuilder::file_name() const {
    static const char digits[] = "0123456789abcdef";
    std::string name = vm_id + ".";
    for (std::uint8_t byte : epoch) {
        name += digits[byte >> 4];
        name += digits[byte & 15];
    }
    if (!component.empty()) name += "." + component;
    return name + ".seg";
}

std::string SegmentBuilder::write(const std::string& folder) const { return write_as(folder + "/" + file_name()); }

std::string SegmentBuilder::write_as(const std::string& path) const {
    int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    EXPECT_GE(fd, 0) << path << ": " << std::strerror(errno);
    EXPECT_EQ(::posix_fallocate(fd, 0, static_cast<off_t>(bytes.size())), 0);
    EXPECT_EQ(::pwrite(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    ::close(fd);
    return path;
}

}  // namespace ringside::agent::test
