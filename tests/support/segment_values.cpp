// Prints what a segment holds, as one JSON object, for tests that are not written in C++:
//
//     {"vm_id": "host-1", "component": "host", "state": "exited", "cause": "closed", "close_text": "stopped by SIGTERM",
//      "series": [{"metric": "node_load1", "labels": {}, "kind": "gauge", "end_ns": 1700000001000000000, "value": 0.5}]}
//
// `value` is that of the newest window of the first tier in which something was recorded: a counter's total, what a gauge
// recorded last, 1 for an info series. A series in which nothing was recorded has neither value nor end_ns.
#include <bit>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>

#include "agent/segment/open.h"

namespace ringside::agent {
namespace {

using Json = nlohmann::json;

// The newest point that is not merely carried over from an older window.
bool newest_record(const SeriesData& data, std::size_t& out) {
    for (std::size_t i = data.size(); i > 0; --i) {
        if (data.flags[i - 1] & kPointCarried) continue;
        out = i - 1;
        return true;
    }
    return false;
}

Json value_of(Kind kind, const SeriesData& data, std::size_t at) {
    switch (kind) {
        case Kind::kCounter: return data.value[at];
        case Kind::kCounterF64: return std::bit_cast<double>(data.value[at]);
        case Kind::kGauge:
        case Kind::kLevel: return data.last[at];
        case Kind::kHistogram: return data.count[at];
        case Kind::kInfo: break;
    }
    return 1;
}

int fail(const std::string& why) {
    (void)std::fprintf(stderr, "%s\n", why.c_str());
    return 1;
}

int print(const char* path) {
    const auto layouts = make_layout_cache();
    const Opened opened = open_segment_path(path, *layouts, {});
    if (opened.verdict != OpenVerdict::kAccepted) return fail(opened.refusal.message());
    LiveSegment& segment = *opened.segment;
    if (segment.probe().life == Life::kDead) {
        if (const auto settled = segment.settle(); !settled.ok()) return fail(settled.error().message());
    }
    const VmInfo vm = segment.vm();
    Json out = {{"vm_id", vm.vm_id},
                {"component", vm.component},
                {"state", vm_state_name(vm.state)},
                {"cause", exit_cause_name(vm.exit_cause)},
                {"close_text", vm.close_text},
                {"series", Json::array()}};
    const auto schema = segment.schema();
    const auto series = segment.series();
    if (!series.ok()) return fail(series.error().message());
    for (const SeriesInfo& one : series.value()) {
        const MetricInfo& metric = schema->metrics[one.metric];
        Json entry = {{"metric", metric.name}, {"kind", kind_name(metric.kind)}, {"labels", Json::object()}};
        for (std::size_t i = 0; i < one.label_values.size(); ++i) {
            entry["labels"][metric.label_names[i]] = one.label_values[i];
        }
        const auto data = segment.read(one.index, {});
        if (!data.ok()) return fail(metric.name + ": " + data.error().message());
        std::size_t at = 0;
        if (metric.kind == Kind::kInfo) {
            entry["value"] = 1;
        } else if (newest_record(data.value(), at)) {
            entry["value"] = value_of(metric.kind, data.value(), at);
            entry["end_ns"] = data.value().end_ns[at];
        }
        out["series"].push_back(std::move(entry));
    }
    (void)std::puts(out.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    return 0;
}

}  // namespace
}  // namespace ringside::agent

int main(int argc, char** argv) {
    if (argc != 2) {
        (void)std::fprintf(stderr, "usage: segment_values PATH\n");
        return 2;
    }
    try {
        return ringside::agent::print(argv[1]);
    } catch (const std::exception& error) {  // nlohmann's
        return ringside::agent::fail(error.what());
    }
}
