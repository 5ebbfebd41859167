// fleet_bench: what a fleet TSDB pays for the rollups of 10,000 VMs with 100 series each, and what it would pay for the
// same series at one second. ./dev bench fleet prints it for people (bench/README.md).
#include <benchmark/benchmark.h>

#include <chrono>
#include <memory>
#include <string>

#include "agent/base/clock.h"
#include "agent/upstream/upstream.h"
#include "bench/fleet/fleet.h"
#include "bench/size/prometheus_process.h"
#include "bench/writer/scratch.h"

namespace ringside::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint32_t kVms = 10'000;
constexpr std::uint32_t kSeries = 100;
// Windows of each VM that are pushed and measured, after one that makes the series.
constexpr std::uint64_t kRollupWindows = 3;
constexpr std::uint64_t kSecondWindows = 5;

constexpr const char* kCompare =
    "receiver_cpu_per_fleet_second_at_1s/receiver_cpu_per_fleet_second_of_rollups "
    "sender_cpu_per_fleet_second_at_1s/sender_cpu_per_fleet_second_of_rollups "
    "receiver_bytes_at_1s/receiver_bytes_of_rollups";

std::uint64_t own_cpu_ns() { return agent::clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

// The last window of the fleet has just become due, and no later one ever does.
class StandingClock : public agent::Clock {
  public:
    StandingClock(const FleetSize& size, const agent::UpstreamOptions& options) {
        const std::chrono::nanoseconds wait = options.grace + agent::send_offset(options);
        now_ns_ = size.begin_ns + size.windows * size.resolution_s * kSecond + static_cast<std::uint64_t>(wait.count());
    }
    std::uint64_t now_ns() override { return now_ns_; }

  private:
    std::uint64_t now_ns_;
};

// Pushes all that is due and ends; the number of samples that the receiver took.
std::uint64_t push(const std::string& url, const std::string& state, const FleetSize& size) {
    Fleet fleet(size);
    agent::UpstreamOptions options;
    options.url = url;
    options.instance = "bench";
    options.state_directory = state;
    options.grace = agent::kGraceMin;
    agent::UpstreamEvents events;
    events.log = [](bool warning, const std::string& text) {
        if (warning) fail("the upstream says: " + text);
    };
    StandingClock clock(size, options);
    auto upstream = agent::Upstream::create(options, fleet, events, clock);
    if (!upstream.ok()) fail(upstream.error().message());
    (*upstream)->start();
    if (!(*upstream)->flush(std::chrono::minutes(30))) fail("not all was pushed");
    (*upstream)->stop();
    return (*upstream)->stats().samples_sent;
}

void measure(benchmark::State& state, const std::string& name, std::uint32_t resolution_s, std::uint64_t windows) {
    const std::string folder = scratch_folder(name);
    const PrometheusProcess receiver(folder, "global: {scrape_interval: 1h}\n");
    FleetSize size{kVms, kSeries, resolution_s, 0, 1};
    const std::uint64_t step_ns = resolution_s * kSecond;
    size.begin_ns = (agent::realtime_ns() / step_ns - windows - 2) * step_ns;  // All windows are over.
    push(receiver.write_url(), folder + "/state", size);  // The series are made by the first window, once and for all.
    size.windows += windows;
    for (auto _ : state) {
        const std::uint64_t cpu_ns = receiver.cpu_ns(), sender_ns = own_cpu_ns();
        const auto begin = std::chrono::steady_clock::now();
        const std::uint64_t samples = push(receiver.write_url(), folder + "/state", size);
        const std::chrono::duration<double, std::nano> wall = std::chrono::steady_clock::now() - begin;
        if (samples != windows * kVms * kSeries) fail("pushed " + std::to_string(samples) + " samples");
        const double fleet_seconds = static_cast<double>(windows * resolution_s);
        const auto receiver_ns = static_cast<double>(receiver.cpu_ns() - cpu_ns);
        const auto own_ns = static_cast<double>(own_cpu_ns() - sender_ns);
        const auto count = static_cast<double>(samples);
        state.counters["case:push_per_sample_" + name] = wall.count() / count;
        state.counters["case:receiver_cpu_per_sample_" + name] = receiver_ns / count;
        state.counters["case:receiver_cpu_per_fleet_second_" + name] = receiver_ns / fleet_seconds;
        state.counters["case:sender_cpu_per_fleet_second_" + name] = own_ns / fleet_seconds;
        state.counters["bytes:receiver_bytes_" + name] = static_cast<double>(receiver.anonymous_bytes());
        state.SetIterationTime(wall.count() / 1e9);
    }
}

int run(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    const Scratch scratch;
    benchmark::AddCustomContext("compare", kCompare);
    const auto add = [](const char* name, std::uint32_t resolution_s, std::uint64_t windows) {
        auto one = [=](benchmark::State& state) { measure(state, name, resolution_s, windows); };
        benchmark::RegisterBenchmark((std::string("push_") + name).c_str(), one)->Iterations(1)->UseManualTime();
    };
    add("of_rollups", 300, kRollupWindows);
    add("at_1s", 1, kSecondWindows);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}

}  // namespace
}  // namespace ringside::bench

int main(int argc, char** argv) { return ringside::bench::run(argc, argv); }
