#include "tests/golden/segment_dump.h"

#include <bit>
#include <cstdio>
#include <cstring>

#include "agent/segment/open.h"
#include "tests/support/plain_segment.h"

namespace ringside::golden {
namespace {

constexpr std::uint64_t kReadLaterNs = 60'000'000'000;  // this long after the last tick

std::string number(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.17g", value);
    return text;
}
std::string number(std::uint64_t value) { return std::to_string(value); }

template <typename Values>
std::string list(const Values& values) {
    std::string out;
    for (auto value : values) out += (out.empty() ? "" : ",") + number(std::uint64_t{value});
    return "[" + out + "]";
}

std::string summary(const plain::Summary& of) {
    return "count=" + number(of.count) + " sum=" + number(of.sum) + " min=" + number(of.min) +
           " max=" + number(of.max) + " last=" + number(of.last);
}

std::string labels(const std::vector<std::string>& names, const std::vector<std::string>& values) {
    std::string out;
    for (std::size_t i = 0; i < names.size(); ++i) out += (i ? "," : "") + names[i] + "=" + values[i];
    return "{" + out + "}";
}

std::string slot_line(const plain::Slot& slot, std::uint8_t kind) {
    std::string out = "    window " + number(std::uint64_t{slot.window}) + ": ";
    if (kind == plain::kCounter) return out + number(slot.value) + "\n";
    if (kind == plain::kCounterF64) return out + number(std::bit_cast<double>(slot.value)) + "\n";
    out += summary(slot.summary);
    if (kind == plain::kHistogram) out += " buckets=" + list(slot.buckets);
    return out + "\n";
}

std::string dump_series(const plain::Segment& segment, const plain::Series& series) {
    const plain::Metric& metric = segment.metrics[series.metric];
    std::string out = "series " + number(std::uint64_t{series.index}) + " " + metric.name +
                      labels(metric.labels, series.values) + " created " + number(series.created_ns) + "\n";
    out += "  open " + number(series.open_ns) + (series.turning ? " turning" : "") + (series.stale ? " stale" : "") +
           (series.half_done ? " half done" : "") + " ";
    if (metric.kind == plain::kCounter || metric.kind == plain::kCounterF64)
        out += number(series.value) + " raw " + number(series.raw);
    else
        out += summary(series.hot);
    if (metric.kind == plain::kLevel) out += " since " + number(series.since_ns);
    if (metric.kind == plain::kHistogram) out += " buckets=" + list(series.hot_buckets);
    out += "\n";
    for (const plain::Summary& bank : series.banks[series.bank]) out += "  bank " + summary(bank) + "\n";
    for (std::size_t t = 0; t < series.rings.size(); ++t) {
        if (!series.rings[t].empty()) out += "  tier " + number(std::uint64_t{t}) + "\n";
        for (const plain::Slot& slot : series.rings[t]) {
            if (slot.window) out += slot_line(slot, metric.kind);
        }
    }
    return out;
}

std::string dump_file(const plain::Segment& segment) {
    std::string out = segment.text;
    out += "state " + number(std::uint64_t{segment.state}) + " close " + std::to_string(segment.close_code) + " '" +
           segment.close_text + "' at " + number(segment.closed_ns) + " attached " + number(segment.attached_ns) +
           " tick " + (segment.state ? number(segment.tick_ns) : "0") + "\n";
    out += "steps_back " + number(segment.clock_steps_back) + " rebases " + number(segment.rebases) + " from " +
           number(segment.rebase_from_ns) + " to " + number(segment.rebase_to_ns) + " windows " +
           number(segment.rebased_windows) + " rejected " + number(segment.rejected_samples) + " refused " +
           number(segment.refused_series) + "\n";
    for (const plain::Tier& tier : segment.tiers) {
        out += "tier " + number(std::uint64_t{tier.resolution_s}) + "s x " + number(std::uint64_t{tier.slots}) +
               " columns " + number(std::uint64_t{tier.columns}) + "\n";
    }
    for (const plain::Metric& metric : segment.metrics) {
        out += "metric " + metric.name + " kind " + std::to_string(metric.kind) + " flags " +
               std::to_string(metric.flags) + " series " + number(std::uint64_t{metric.max_series}) + " unit '" +
               metric.unit + "' help '" + metric.help + "' scale " + std::to_string(metric.scale) + " first " +
               std::to_string(metric.bucket_first) + " buckets " + number(std::uint64_t{metric.bucket_count}) + "\n";
    }
    for (const plain::Series& series : segment.series) out += dump_series(segment, series);
    return out;
}

std::string point_line(const agent::SeriesData& data, std::size_t i, agent::Kind kind, std::size_t stride) {
    std::string out = "    " + number(data.end_ns[i]) + ":";
    if (data.flags[i] & agent::kPointOpen) out += " open";
    if (data.flags[i] & agent::kPointCarried) out += " carried";
    if (data.flags[i] & agent::kPointPartial) out += " partial";
    if (!data.value.empty()) {
        out += " value=" + (kind == agent::Kind::kCounterF64 ? number(std::bit_cast<double>(data.value[i]))
                                                             : number(data.value[i]));
    }
    if (!data.count.empty()) out += " count=" + number(data.count[i]);
    if (!data.sum.empty()) out += " sum=" + number(data.sum[i]);
    if (!data.min.empty()) out += " min=" + number(data.min[i]);
    if (!data.max.empty()) out += " max=" + number(data.max[i]);
    if (!data.last.empty()) out += " last=" + number(data.last[i]);
    if (!data.buckets.empty()) {
        auto row = data.buckets.begin() + static_cast<std::ptrdiff_t>(i * stride);
        out += " buckets=" + list(std::vector<std::uint64_t>(row, row + static_cast<std::ptrdiff_t>(stride)));
    }
    return out + "\n";
}

std::string dump_answers(const agent::LiveSegment& segment) {
    agent::VmInfo vm = segment.vm();
    std::string out = "vm " + agent::vm_key(vm) + " " + agent::vm_state_name(vm.state) + " " +
                      agent::exit_cause_name(vm.exit_cause) + " ended " + number(vm.ended_ns) + " last write " +
                      number(vm.last_write_ns) + "\n";
    auto schema = segment.schema();
    auto all = segment.series();
    if (!all) return out + "series: " + all.error().message() + "\n";
    for (const agent::SeriesInfo& series : *all) {
        const agent::MetricInfo& metric = schema->metrics[series.metric];
        out += "series " + metric.name + labels(metric.label_names, series.label_values) + "\n";
        for (std::uint32_t t = 0; t < schema->tiers.size(); ++t) {
            out += "  tier " + number(std::uint64_t{t}) + "\n";
            agent::ReadRequest request;
            request.tier = t;
            auto data = segment.read(series.index, request);
            if (!data) {
                out += "    " + data.error().message() + "\n";
                continue;
            }
            for (std::size_t i = 0; i < data->size(); ++i) {
                out += point_line(*data, i, metric.kind, std::size_t{metric.bucket_count} + 1);
            }
        }
    }
    return out;
}

}  // namespace

std::string dump(const std::vector<std::uint8_t>& bytes) {
    std::string error;
    plain::Segment file = plain::decode(bytes, &error);
    if (!error.empty()) return "not a segment: " + error + "\n";
    std::string out = "== in the file ==\n" + dump_file(file) + "== as the agent reads it ==\n";
    std::vector<std::byte> image(bytes.size());
    std::memcpy(image.data(), bytes.data(), bytes.size());
    agent::OpenOptions options;
    options.now = [&] { return file.tick_ns + kReadLaterNs; };
    auto layouts = agent::make_layout_cache();
    agent::Opened opened = agent::open_segment_image(std::move(image), nullptr, *layouts, options);
    if (opened.verdict != agent::OpenVerdict::kAccepted) return out + "refused\n";
    if (file.state != 0) (void)opened.segment->settle();
    return out + dump_answers(*opened.segment);
}

}  // namespace ringside::golden
