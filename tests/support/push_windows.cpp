// Pushes windows that it reads as JSON from its standard input to a remote-write receiver, by the agent's own upstream,
// and says what the upstream counted. For tests that make up VMs and know what a receiver should hold.
//
//   push_windows URL|UPSTREAMS_FILE STATE_DIRECTORY FLUSH_SECONDS < vms.json
//
// Of an upstreams file (a path that ends in .toml) the first upstream is taken.
//
// {"vms": [{"vm_id", "component", "epoch": 0..255, "state": "running"|"drained", "created_ns", "ended_ns", "resolution_s",
//   "metrics": [{"name", "kind", "help", "unit", "labels": [], "scale", "first", "buckets",
//     "series": [{"labels": [], "created_ns", "points": [{"end_ns", "flags", "count", "sum", "min", "max", "last", "value",
//       "buckets": []}]}]}]}]}

#include <chrono>
#include <cstdio>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "agent/upstream/upstream.h"
#include "agent/upstreams_file.h"
#include "tests/support/memory_source.h"

namespace ringside::agent {
namespace {

using Json = nlohmann::json;

Kind kind_of(const std::string& name) {
    for (int number = 1; number <= 6; ++number) {
        if (name == kind_name(static_cast<Kind>(number))) return static_cast<Kind>(number);
    }
    std::fprintf(stderr, "no kind %s\n", name.c_str());
    std::exit(2);
}

SeriesData data_of(const Json& points) {
    SeriesData data;
    for (const Json& point : points) {
        data.end_ns.push_back(point.at("end_ns"));
        data.flags.push_back(point.value("flags", std::uint8_t{0}));
        if (point.contains("count")) data.count.push_back(point["count"]);
        if (point.contains("sum")) data.sum.push_back(point["sum"]);
        if (point.contains("min")) data.min.push_back(point["min"]);
        if (point.contains("max")) data.max.push_back(point["max"]);
        if (point.contains("last")) data.last.push_back(point["last"]);
        if (point.contains("value")) data.value.push_back(point["value"]);
        for (const Json& bucket : point.value("buckets", Json::array())) data.buckets.push_back(bucket);
    }
    return data;
}

std::shared_ptr<MemorySource> source_of(const Json& vm) {
    auto source = std::make_shared<MemorySource>();
    source->info.vm_id = vm.at("vm_id");
    source->info.component = vm.value("component", "");
    source->info.epoch.fill(vm.at("epoch"));
    source->info.state = vm.at("state") == "drained" ? VmState::kDrained : VmState::kRunning;
    if (source->info.state == VmState::kDrained) source->info.exit_cause = ExitCause::kKilled;
    source->info.created_ns = vm.at("created_ns");
    source->info.ended_ns = vm.value("ended_ns", std::uint64_t{0});
    source->layout->name = "given";
    source->layout->tiers = {{vm.at("resolution_s"), 1000, kColumnsAll}};
    for (const Json& metric : vm.at("metrics")) {
        MetricInfo info;
        info.name = metric.at("name");
        info.kind = kind_of(metric.at("kind"));
        info.help = metric.value("help", "");
        info.unit = metric.value("unit", "");
        for (const Json& label : metric.value("labels", Json::array())) info.label_names.push_back(label);
        info.max_series = 100;
        info.histogram_scale = metric.value("scale", std::int8_t{0});
        info.bucket_first = metric.value("first", 0);
        info.bucket_count = metric.value("buckets", 0u);
        source->layout->metrics.push_back(info);
        for (const Json& series : metric.at("series")) {
            SeriesInfo one;
            one.index = static_cast<std::uint32_t>(source->list.size());
            one.metric = static_cast<std::uint32_t>(source->layout->metrics.size() - 1);
            for (const Json& label : series.value("labels", Json::array())) one.label_values.push_back(label);
            one.created_ns = series.value("created_ns", source->info.created_ns);
            source->runs[{one.index, 0}] = data_of(series.value("points", Json::array()));
            source->list.push_back(one);
        }
    }
    source->info.series_count = static_cast<std::uint32_t>(source->list.size());
    return source;
}

class Given : public SourceProvider {
  public:
    explicit Given(const Json& vms) {
        for (const Json& vm : vms) {
            std::shared_ptr<MemorySource> source = source_of(vm);
            sources_.push_back({vm_key(source->info), source});
        }
    }
    std::vector<UpstreamSource> sources() override { return sources_; }

  private:
    std::vector<UpstreamSource> sources_;
};

UpstreamOptions options_of(const std::string& receiver, const std::string& state_directory) {
    UpstreamOptions options;
    options.instance = "test-host";
    options.state_directory = state_directory;
    options.url = receiver;
    if (!receiver.ends_with(".toml")) return options;
    auto upstreams = read_upstreams_file(receiver, options);
    if (!upstreams.ok() || upstreams->empty()) {
        std::fprintf(stderr, "%s\n", upstreams.ok() ? "no upstream" : upstreams.error().message().c_str());
        std::exit(2);
    }
    return upstreams->front();
}

int run(const std::string& receiver, const std::string& state_directory, int flush_s) {
    Given given(Json::parse(std::cin).at("vms"));
    const UpstreamOptions options = options_of(receiver, state_directory);
    UpstreamEvents events;
    events.log = [](bool, const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); };
    Result<std::unique_ptr<Upstream>> upstream = Upstream::create(options, given, events);
    if (!upstream.ok()) {
        std::fprintf(stderr, "%s\n", upstream.error().message().c_str());
        return 2;
    }
    (*upstream)->start();
    // A flush ends with the first failure; here it is the receiver's absence that is tried.
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(flush_s);
    bool flushed = false;
    while (!flushed && std::chrono::steady_clock::now() < until) {
        flushed = (*upstream)->flush(std::chrono::seconds(flush_s));
        if (!flushed) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    (*upstream)->stop();
    const UpstreamStats stats = (*upstream)->stats();
    const Json said = {{"flushed", flushed},
                       {"samples_sent", stats.samples_sent},
                       {"windows_sent", stats.windows_sent},
                       {"retries", stats.retries},
                       {"requests", stats.requests},
                       {"samples_refused", stats.samples_refused},
                       {"windows_dropped", stats.windows_dropped},
                       {"series_left_out", stats.series_left_out}};
    std::printf("%s\n", said.dump().c_str());
    return 0;
}

}  // namespace
}  // namespace ringside::agent

int main(int count, char** arguments) {
    if (count != 4) {
        std::fprintf(stderr, "usage: push_windows URL|UPSTREAMS_FILE STATE_DIRECTORY FLUSH_SECONDS < vms.json\n");
        return 2;
    }
    return ringside::agent::run(arguments[1], arguments[2], std::stoi(arguments[3]));
}
