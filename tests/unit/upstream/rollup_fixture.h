// One VM by hand, and its rollup as text. Windows are of 300 s; times are told from kBase, which is the end of one.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/upstream/rollup.h"

namespace ringside::agent {

inline constexpr std::uint64_t kSecond = 1'000'000'000;
inline constexpr std::uint64_t kMs = 1'000'000;
inline constexpr std::uint64_t kBase = 1'700'000'100 * kSecond;  // 5,666,667 windows of 300 s
static_assert(kBase % (300 * kSecond) == 0);
inline constexpr std::int64_t kBaseMs = 1'700'000'100'000;

// End of the n-th window after kBase.
constexpr std::uint64_t window(std::uint64_t n) { return kBase + n * 300 * kSecond; }
constexpr std::int64_t window_ms(std::int64_t n) { return kBaseMs + n * 300'000; }

struct Vm {
    VmInfo info;
    LabelSet agent = {{"instance", "host-1"}, {"job", "ringside"}, {"vm_id", "vm-1"}};
    std::shared_ptr<SchemaInfo> schema = std::make_shared<SchemaInfo>();
    std::vector<SeriesWindows> series;
    RollupRange range;
    RollupChoice choice;

    Vm() {
        series.reserve(16);  // add() hands out references
        info.vm_id = "vm-1";
        info.created_ns = kBase + 10 * kSecond;
        schema->tiers = {{1, 300, kColumnsAll}, {300, 288, kColumnsAll}};
        range.after_ns = kBase;
        range.until_ns = window(1);
    }

    // One series of a new metric, registered at the VM's start.
    SeriesWindows& add(std::string name, Kind kind, std::vector<std::string> label_names = {},
                       std::vector<std::string> label_values = {}) {
        MetricInfo metric;
        metric.name = std::move(name);
        metric.kind = kind;
        metric.label_names = std::move(label_names);
        metric.max_series = 8;
        schema->metrics.push_back(std::move(metric));
        auto index = static_cast<std::uint32_t>(series.size());
        auto last = static_cast<std::uint32_t>(schema->metrics.size() - 1);
        series.push_back({{index, last, std::move(label_values), info.created_ns}, {}});
        return series.back();
    }
    void end(std::uint64_t ended_ns) {
        info.state = VmState::kDrained;
        info.ended_ns = ended_ns;
        info.exit_cause = ExitCause::kKilled;
        info.exit_signal = 9;
        range.final = true;
    }
    RollupPlan plan() const { return RollupPlan(schema, choice); }
    VmRollup roll() const { return roll_up(plan(), info, agent, series, range); }
};

inline void put_value(SeriesWindows& to, std::uint64_t end_ns, std::uint64_t value, std::uint8_t flags = 0) {
    to.data.end_ns.push_back(end_ns);
    to.data.flags.push_back(flags);
    to.data.value.push_back(value);
}

struct Gauge {
    std::uint64_t count;
    double sum, min, max, last;
};
inline void put_gauge(SeriesWindows& to, std::uint64_t end_ns, Gauge gauge, std::uint8_t flags = 0) {
    to.data.end_ns.push_back(end_ns);
    to.data.flags.push_back(flags);
    to.data.count.push_back(gauge.count);
    to.data.sum.push_back(gauge.sum);
    to.data.min.push_back(gauge.min);
    to.data.max.push_back(gauge.max);
    to.data.last.push_back(gauge.last);
}

// "{count 5, sum 2.5, 1 to 0.5, from bucket 3: 1 0 3}" of a native histogram, "1 to 0.5" being its zero bucket.
inline std::string histogram_text(const NativeHistogram& histogram) {
    char text[128];
    std::snprintf(text, sizeof text,
                  "{count %llu, sum %g, %llu to %g, from bucket %d:", static_cast<unsigned long long>(histogram.count),
                  histogram.sum, static_cast<unsigned long long>(histogram.zero_count), histogram.zero_threshold,
                  histogram.first_bucket);
    std::string all = text;
    for (std::uint64_t count : histogram.buckets) all += " " + std::to_string(count);
    return all + "}";
}

// What the end's step says last of a VM that end() has ended.
inline std::string killed_at(std::int64_t ms) {
    return " ringside_vm_exit{cause=\"killed\",signal=\"9\"}=1@" + std::to_string(ms);
}

// "kind@end: name{labels without the agent's}=value@ms ..." a step, times from kBaseMs.
inline std::vector<std::string> text(const VmRollup& rollup) {
    std::vector<std::string> all;
    for (const RollupStep& step : rollup.steps) {
        const char* kinds[] = {"zeros", "window", "end"};
        std::string line = kinds[static_cast<int>(step.kind)];
        std::int64_t newest = INT64_MIN;
        for (const RollupPoint& point : step.points) {
            newest = std::max(newest, point.timestamp_ms);
            LabelSet labels = rollup.series[point.series].labels;
            std::erase_if(labels, [](const Label& label) {
                return label.name == "instance" || label.name == "job" || label.name == "vm_id";
            });
            bool stale = std::bit_cast<std::uint64_t>(point.value) == kStaleBits;
            char value[64];
            std::snprintf(value, sizeof value, "=%.17g@%lld", stale ? 0.0 : point.value,
                          static_cast<long long>(point.timestamp_ms - kBaseMs));
            if (point.histogram != kNoHistogram) {
                line += " " + label_text(labels) + "=" + histogram_text(rollup.histograms.at(point.histogram)) +
                        std::string(value + 2);
                continue;
            }
            line += " " + label_text(labels) + (stale ? "=stale" + std::string(value + 2) : value);
        }
        EXPECT_EQ(step.timestamp_ms, newest);
        all.push_back(std::move(line));
    }
    return all;
}

}  // namespace ringside::agent
