#include "agent/upstream/rule_file.h"

#include <xxhash.h>

#include <algorithm>

#include "agent/base/bytes.h"
#include "agent/base/crc32c.h"

namespace ringside::agent {
namespace {

constexpr std::string_view kMagic = "RSIDRULE";
constexpr std::uint32_t kVersion = 2;
constexpr std::size_t kTextMax = 64 * 1024;
constexpr std::uint32_t kCountMax = 1u << 24;

void put(ByteWriter& out, const std::vector<std::string>& texts) {
    out.u32(static_cast<std::uint32_t>(texts.size()));
    for (const std::string& text : texts) out.text(text);
}

// A number of things of at least a byte each; 0 and failed where they cannot be there.
std::uint32_t count_of(ByteReader& in) {
    const std::uint32_t count = in.u32();
    if (count <= kCountMax && count <= in.remaining()) return count;
    in.fail();
    return 0;
}

std::vector<std::string> texts(ByteReader& in) {
    std::vector<std::string> all(count_of(in));
    for (std::string& text : all) text = in.text(kTextMax);
    return all;
}

void put(ByteWriter& out, const std::vector<std::uint64_t>& values) {
    out.u32(static_cast<std::uint32_t>(values.size()));
    out.u64s(values);
}

std::vector<std::uint64_t> numbers(ByteReader& in) { return in.u64s(in.u32()); }

void put(ByteWriter& out, const std::vector<double>& values) {
    out.u32(static_cast<std::uint32_t>(values.size()));
    out.f64s(values);
}

std::vector<double> doubles(ByteReader& in) { return in.f64s(in.u32()); }

void put(ByteWriter& out, const RuleTotal& total) {
    out.u64(total.value);
    out.u64(total.count);
    out.f64(total.sum);
    put(out, total.buckets);
}

RuleTotal total(ByteReader& in) {
    RuleTotal total;
    total.value = in.u64();
    total.count = in.u64();
    total.sum = in.f64();
    total.buckets = numbers(in);
    return total;
}

void put(ByteWriter& out, const std::optional<MetricInfo>& metric) {
    out.u8(metric ? static_cast<std::uint8_t>(metric->kind) : 0);
    if (!metric) return;
    out.text(metric->name);
    out.text(metric->unit);
    out.text(metric->help);
    put(out, metric->label_names);
    out.u32(metric->max_series);
    out.i8(metric->histogram_scale);
    out.i32(metric->bucket_first);
    out.u32(metric->bucket_count);
}

std::optional<MetricInfo> metric(ByteReader& in) {
    const std::uint8_t kind = in.u8();
    if (kind == 0) return std::nullopt;
    MetricInfo metric;
    metric.kind = static_cast<Kind>(kind);
    metric.name = in.text(kTextMax);
    metric.unit = in.text(kTextMax);
    metric.help = in.text(kTextMax);
    metric.label_names = texts(in);
    metric.max_series = in.u32();
    metric.histogram_scale = in.i8();
    metric.bucket_first = in.i32();
    metric.bucket_count = in.u32();
    return metric;
}

void put(ByteWriter& out, const RuleSeries& series) {
    out.u32(series.rule);
    put(out, series.values);
    out.u64(series.created_ns);
    out.u64(series.touched_ns);
    put(out, series.total);
    put(out, series.data.end_ns);
    put(out, series.data.value);
    put(out, series.data.count);
    put(out, series.data.sum);
    put(out, series.data.last);
    put(out, series.data.buckets);
}

RuleSeries series(ByteReader& in) {
    RuleSeries series;
    series.rule = in.u32();
    series.values = texts(in);
    series.created_ns = in.u64();
    series.touched_ns = in.u64();
    series.total = total(in);
    series.data.end_ns = numbers(in);
    series.data.value = numbers(in);
    series.data.count = numbers(in);
    series.data.sum = doubles(in);
    series.data.last = doubles(in);
    series.data.buckets = numbers(in);
    series.data.flags.resize(series.data.end_ns.size());
    return series;
}

void put(ByteWriter& out, const RuleMember& member) {
    out.u64(member.included_ns);
    out.u8(member.done ? 1 : 0);
    out.u32(static_cast<std::uint32_t>(member.totals.size()));
    for (const auto& [index, total] : member.totals) {
        out.u32(index);
        put(out, total);
    }
}

RuleMember member(ByteReader& in) {
    RuleMember member;
    member.included_ns = in.u64();
    member.done = in.u8() != 0;
    for (std::uint32_t left = count_of(in); left > 0; --left) {
        const std::uint32_t index = in.u32();
        member.totals[index] = total(in);
    }
    return member;
}

}  // namespace

std::uint64_t rules_hash(const std::vector<Rule>& rules, std::uint32_t resolution_s) {
    ByteWriter out;
    out.u32(resolution_s);
    for (const Rule& rule : rules) {
        out.text(rule.name);
        out.u8(static_cast<std::uint8_t>(rule.operation));
        put(out, rule.by);
        for (const Pattern& pattern : rule.metrics) out.text(pattern.text());
    }
    return XXH3_64bits(out.bytes().data(), out.size());
}

std::string encode_rule_state(const RuleState& state, std::uint64_t hash) {
    ByteWriter out;
    out.u64(hash);
    out.raw({reinterpret_cast<const char*>(state.epoch.data()), state.epoch.size()});
    out.u64(state.began_ns);
    out.u64(state.computed_ns);
    out.u32(static_cast<std::uint32_t>(state.metrics.size()));
    for (const auto& one : state.metrics) put(out, one);
    out.u32(static_cast<std::uint32_t>(state.series.size()));
    for (const RuleSeries& one : state.series) put(out, one);
    out.u32(static_cast<std::uint32_t>(state.members.size()));
    for (const auto& [key, one] : state.members) {
        out.text(key);
        put(out, one);
    }
    out.u32(static_cast<std::uint32_t>(state.founded.size()));
    for (const auto& [vm_id, count] : state.founded) {
        out.text(vm_id);
        out.u32(count);
    }
    ByteWriter header;
    header.raw(kMagic);
    header.u32(kVersion);
    header.u32(crc32c(out.bytes()));
    std::string file = out.take();
    file.insert(0, header.bytes());  // in place: there is enough of it
    return file;
}

std::optional<RuleState> decode_rule_state(std::string_view bytes, std::uint64_t hash) {
    ByteReader file(bytes);
    if (file.raw(kMagic.size()) != kMagic || file.u32() != kVersion) return std::nullopt;
    const std::uint32_t sum = file.u32();
    const std::string_view body = file.raw(file.remaining());
    ByteReader in(body);
    if (file.failed() || crc32c(body) != sum || in.u64() != hash) return std::nullopt;
    RuleState state;
    const std::string_view epoch = in.raw(state.epoch.size());
    std::copy(epoch.begin(), epoch.end(), state.epoch.begin());
    state.began_ns = in.u64();
    state.computed_ns = in.u64();
    for (std::uint32_t left = count_of(in); left > 0; --left) state.metrics.push_back(metric(in));
    for (std::uint32_t left = count_of(in); left > 0; --left) state.series.push_back(series(in));
    for (std::uint32_t left = count_of(in); left > 0; --left) {
        std::string key = in.text(kTextMax);
        state.members[std::move(key)] = member(in);
    }
    for (std::uint32_t left = count_of(in); left > 0; --left) {
        std::string vm_id = in.text(kTextMax);
        state.founded[std::move(vm_id)] = in.u32();
    }
    const bool whole = std::all_of(state.series.begin(), state.series.end(), [&](const RuleSeries& one) {
        return one.rule < state.metrics.size() && state.metrics[one.rule];
    });
    if (!in.finished() || !whole) return std::nullopt;
    return state;
}

}  // namespace ringside::agent
