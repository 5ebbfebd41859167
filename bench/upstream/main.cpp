// upstream_bench: what an upstream delivers when its receiver is back after six hours, and how long fresh windows wait
// meanwhile. 200 VMs of 100 series with real segments; six hours pass in simulated time; the receiver is in this process
// and takes everything at once, so the figures are the agent's own: reading, rolling up, encoding, compressing, cursors.
// The time that counts is the CPU time of the thread.
#include <benchmark/benchmark.h>
#include <ringside/ringside.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "agent/segment/open.h"
#include "agent/upstream/cursor_store.h"
#include "agent/upstream/delivery.h"
#include "agent/upstream/pusher.h"
#include "agent/upstream/remote_write_encoder.h"
#include "agent/upstream/vm_tracker.h"
#include "tests/simulation/simulated_time.h"
#include "tests/support/temporary_folder.h"

namespace ringside::bench {
namespace {

using agent::VmTracker;
using simulation::kHour;
using simulation::kMs;
using simulation::kSecond;
using simulation::SimulatedTime;

constexpr std::size_t kVms = 200;
// Born shortly before the receiver is back: their windows are fresh while the backlog of the others is sent.
constexpr std::size_t kFreshVms = 20;
constexpr std::uint64_t kStepNs = 300 * kSecond;
constexpr std::uint64_t kOutageNs = 6 * kHour;
// What a request to a receiver nearby takes, in simulated time: the clock goes on while the backlog is sent.
constexpr std::uint64_t kRequestNs = 10 * kMs;

const char* const kLabels[] = {"n"};
const rside_tier kTiers[] = {{1, 60, 0}, {10, 60, 0}, {300, 288, 0}};
const rside_metric kMetrics[] = {
    {"bench_requests_total", RSIDE_COUNTER, 0, "", "", kLabels, 1, 60, 0, 0, 0},
    {"bench_depth", RSIDE_GAUGE, 0, "", "", kLabels, 1, 30, 0, 0, 0},
    {"bench_memory_bytes", RSIDE_LEVEL, 0, "", "", kLabels, 1, 10, 0, 0, 0},
};
const rside_schema kSchema = {"bench", 1, kTiers, 3, kMetrics, 3, 0};

[[noreturn]] void fail(const std::string& text) {
    std::fprintf(stderr, "upstream_bench: %s\n", text.c_str());
    std::exit(1);
}

double cpu_seconds() {
    timespec now{};
    ::syscall(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

class Vm {
  public:
    Vm(const std::string& folder, const std::string& vm_id) {
        rside_options options;
        rside_options_init(&options);
        options.vm_id = vm_id.c_str();
        options.directory = folder.c_str();
        options.schema = &kSchema;
        options.flags = 0;
        rside_error error{};
        if (rside_segment_create(&options, &segment_, &error) < 0) fail(error.text);
        for (int n = 0; n < 60; ++n) {
            const std::string text = std::to_string(n);
            const char* const value[] = {text.c_str()};
            counters_.push_back(rside_counter_register(segment_, "bench_requests_total", value, 1, &error));
            if (n < 30) gauges_.push_back(rside_gauge_register(segment_, "bench_depth", value, 1, &error));
            if (n < 10) levels_.push_back(rside_level_register(segment_, "bench_memory_bytes", value, 1, &error));
        }
        if (!counters_.back().series.cell || !gauges_.back().series.cell || !levels_.back().series.cell) {
            fail(error.text);
        }
    }
    Vm(const Vm&) = delete;
    Vm& operator=(const Vm&) = delete;
    ~Vm() { rside_segment_close(segment_, 0, ""); }

    void record(std::uint64_t n) {
        for (const rside_counter& counter : counters_) rside_counter_add(counter, 1 + n % 7);
        for (const rside_gauge& gauge : gauges_) rside_gauge_record(gauge, static_cast<double>(n % 31));
        for (const rside_level& level : levels_) rside_level_set(level, static_cast<double>(n % 17));
    }
    const char* path() const { return rside_segment_path(segment_); }

  private:
    rside_segment* segment_ = nullptr;
    std::vector<rside_counter> counters_;
    std::vector<rside_gauge> gauges_;
    std::vector<rside_level> levels_;
};

class Sources : public agent::SourceProvider {
  public:
    void add(const Vm& vm) {
        agent::Opened opened = agent::open_segment_path(vm.path(), *layouts_, {});
        if (!opened.segment) fail(std::string(vm.path()) + ": " + opened.refusal.message());
        static_cast<void>(opened.segment->probe());
        all_.push_back({agent::vm_key(opened.segment->vm()), opened.segment});
    }
    std::vector<agent::UpstreamSource> sources() override { return all_; }

  private:
    const std::shared_ptr<agent::LayoutCache> layouts_ = agent::make_layout_cache();
    std::vector<agent::UpstreamSource> all_;
};

// Encodes as a request would be, and takes it.
class Receiver : public agent::Sender {
  public:
    explicit Receiver(SimulatedTime& time) : time_(time) {}

    agent::Reply send(std::span<const agent::WireSample> samples, std::uint32_t, std::uint64_t) override {
        agent::Reply reply;
        reply.body_bytes = agent::encode_write_request(samples).size();
        reply.verdict = agent::Verdict::kAccepted;
        bytes += reply.body_bytes;
        count += samples.size();
        ++requests;
        time_.advance_to(time_.monotonic_ns() + kRequestNs);
        return reply;
    }
    void abort() override {}

    std::uint64_t count = 0, bytes = 0, requests = 0;

  private:
    SimulatedTime& time_;
};

struct Figures {
    double samples = 0, windows = 0, fresh_windows = 0, bytes = 0, cpu_s = 0;
    double fresh_lag_s = 0;  // the longest time from when a fresh window may be sent until it has been
};

class Host {
  public:
    Host() : folder_("/dev/shm") {
        for (std::size_t i = 0; i < kVms; ++i) give_birth("vm-" + std::to_string(i));
        time_.advance_to(time_.monotonic_ns() + 10 * kSecond);
        record();
    }

    Figures measure() {
        agent::UpstreamOptions options;
        options.url = "http://bench.invalid/";
        options.instance = "host";
        agent::UpstreamEvents events;
        Figures figures;
        events.pushed = [&](const std::string& key, std::uint64_t end_ns, std::size_t) {
            figures.windows += 1;
            if (!key.starts_with("fresh-")) return;
            figures.fresh_windows += 1;
            const std::uint64_t due_ns = end_ns + grace_ns(options);
            const std::uint64_t now_ns = time_.realtime_ns();
            figures.fresh_lag_s = std::max(figures.fresh_lag_s, static_cast<double>(now_ns - due_ns) / 1e9);
        };
        auto store = agent::CursorStore::open(agent::FileSystem::real(), state_ / "bench.cursors", 10'000);
        if (!store) fail(store.error().message());
        Receiver receiver(time_);
        agent::StatsBoard stats;
        agent::Pacer pacer(agent::Clock::real());
        VmTracker tracker(options, sources_, *store, stats, events);
        agent::Delivery delivery(
            options, receiver, pacer, stats, [](bool, const std::string&) {}, [] {}, 1);
        agent::Pusher pusher(options, tracker, *store, delivery, pacer, stats, events);

        // One window each before the receiver goes away, so that the cursors stand.
        go_to_next_window(16 * kSecond);
        while (pusher.round().more) {
        }
        const std::uint64_t back_ns = time_.realtime_ns() + kOutageNs;
        while (time_.realtime_ns() + kStepNs < back_ns) {
            time_.advance_to(time_.monotonic_ns() + kStepNs);
            record();
        }
        for (std::size_t i = 0; i < kFreshVms; ++i) give_birth("fresh-" + std::to_string(i));
        record();
        // It is back 10 s before the next fresh windows may be sent.
        go_to_next_window(grace_ns(options) - 10 * kSecond);
        record();
        receiver.count = receiver.bytes = 0;
        figures = {};
        const double begin_s = cpu_seconds();
        while (pusher.round().more || figures.windows == 0) {
        }
        figures.cpu_s = cpu_seconds() - begin_s;
        figures.samples = static_cast<double>(receiver.count);
        figures.bytes = static_cast<double>(receiver.bytes);
        if (stats.snapshot().backlog_windows != 0) fail("a backlog is left");
        if (figures.fresh_windows != kFreshVms) fail("no fresh windows came while the backlog was sent");
        return figures;
    }

  private:
    static std::uint64_t grace_ns(const agent::UpstreamOptions& options) {
        return static_cast<std::uint64_t>(options.grace.count()) * kMs;
    }
    void give_birth(const std::string& vm_id) {
        vms_.push_back(std::make_unique<Vm>(folder_.path(), vm_id));
        sources_.add(*vms_.back());
    }
    void record() {
        ++records_;
        for (const auto& vm : vms_) vm->record(records_);
    }
    void go_to_next_window(std::uint64_t past_end_ns) {
        const std::uint64_t now_ns = time_.realtime_ns();
        const std::uint64_t at_ns = (now_ns / kStepNs + 1) * kStepNs + past_end_ns;
        time_.advance_to(time_.monotonic_ns() + at_ns - now_ns);
    }

    SimulatedTime time_{1};
    agent::TemporaryFolder folder_;
    agent::TemporaryFolder state_{"/dev/shm"};
    std::vector<std::unique_ptr<Vm>> vms_;
    Sources sources_;
    std::uint64_t records_ = 0;
};

void catch_up(benchmark::State& state) {
    Figures figures;
    for (auto _ : state) {
        figures = Host().measure();
        state.SetIterationTime(figures.cpu_s / figures.samples);
    }
    state.counters["case:catch_up_window"] = figures.cpu_s / figures.windows * 1e9;
    state.counters["case:fresh_lag_simulated"] = figures.fresh_lag_s * 1e9;
    state.counters["samples_per_second"] = figures.samples / figures.cpu_s;
    state.counters["windows_per_second"] = figures.windows / figures.cpu_s;
    state.counters["samples"] = figures.samples;
    state.counters["windows"] = figures.windows;
    state.counters["bytes_per_sample"] = figures.bytes / figures.samples;
    state.counters["fresh_lag_s"] = figures.fresh_lag_s;
}

}  // namespace
}  // namespace ringside::bench

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RegisterBenchmark("catch_up_sample", ringside::bench::catch_up)->Iterations(1)->UseManualTime();
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
