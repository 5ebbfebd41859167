// drain_bench: many VMs end within a moment; how long it takes until all are in the archive and their segments are gone, and
// how much memory the agent ever had. The agent is the real one, in a process of its own, on the disk of TMPDIR.
#include <benchmark/benchmark.h>
#include <ringside/ringside.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/writer/scratch.h"
#include "libwriter/toml/schema_toml.h"
#include "tests/support/agent_program.h"

namespace ringside::bench {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto kPatience = 120s;
constexpr std::uint64_t kSeconds = 60;  // of records in each segment

// A process that has the segments of so many VMs, each of whose series has recorded for some seconds.
class Vms {
  public:
    Vms(const std::string& directory, const rside_schema* schema, int count) {
        int ends[2];
        if (::pipe(ends) != 0) fail("no pipe");
        pid_ = ::fork();
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            rlimit limit{};
            ::getrlimit(RLIMIT_NOFILE, &limit);
            limit.rlim_cur = limit.rlim_max;
            ::setrlimit(RLIMIT_NOFILE, &limit);
            for (int i = 0; i < count; ++i) make(directory, schema, "vm-" + std::to_string(i));
            (void)!::write(ends[1], "r", 1);
            for (;;) ::pause();
        }
        ::close(ends[1]);
        char ready = 0;
        if (::read(ends[0], &ready, 1) != 1) fail("no segments could be made");
        ::close(ends[0]);
    }
    ~Vms() { kill(); }
    Vms(const Vms&) = delete;
    Vms& operator=(const Vms&) = delete;

    void kill() {
        if (pid_ > 0) ::kill(pid_, SIGKILL);
        if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }

  private:
    static void make(const std::string& directory, const rside_schema* schema, const std::string& id) {
        rside_options options;
        rside_options_init(&options);
        options.vm_id = id.c_str();
        options.directory = directory.c_str();
        options.schema = schema;
        options.clock = RSIDE_CLOCK_TICK;
        rside_segment* segment = nullptr;
        rside_error error;
        if (rside_segment_create(&options, &segment, &error) < 0) fail(error.text);
        const std::uint64_t now_ns =
            static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
        rside_tick(segment, now_ns - kSeconds * 1'000'000'000u);
        std::vector<Recorder> recorders;
        for (std::uint32_t m = 0; m < schema->metric_count; ++m) {
            for (std::uint32_t i = 0; i < schema->metrics[m].max_series; ++i) {
                recorders.push_back(recorder_of(segment, schema->metrics[m], std::to_string(i)));
            }
        }
        for (std::uint64_t second = kSeconds; second > 0; --second) {
            rside_tick(segment, now_ns - second * 1'000'000'000u);
            for (const Recorder& record : recorders) record(second);
        }
    }

    using Recorder = std::function<void(std::uint64_t)>;
    // Of one series, all of whose labels have the same value.
    static Recorder recorder_of(rside_segment* segment, const rside_metric& metric, const std::string& label) {
        const std::vector<const char*> labels(metric.label_count, label.c_str());
        const auto registered = [&](auto registrar) {
            return registrar(segment, metric.name, labels.data(), metric.label_count, nullptr);
        };
        if (metric.kind == RSIDE_COUNTER && (metric.flags & RSIDE_METRIC_SHARED)) {
            return [handle = registered(rside_shared_counter_register)](std::uint64_t n) {
                rside_shared_counter_add(handle, n);
            };
        }
        switch (metric.kind) {
            case RSIDE_COUNTER:
                return [handle = registered(rside_counter_register)](std::uint64_t n) { rside_counter_add(handle, n); };
            case RSIDE_COUNTER_F64:
                return [handle = registered(rside_counter_f64_register)](std::uint64_t n) {
                    rside_counter_f64_add(handle, static_cast<double>(n) / 3);
                };
            case RSIDE_GAUGE:
                return [handle = registered(rside_gauge_register)](std::uint64_t n) {
                    rside_gauge_record(handle, static_cast<double>(n % 7));
                };
            case RSIDE_LEVEL:
                return [handle = registered(rside_level_register)](std::uint64_t n) {
                    rside_level_set(handle, static_cast<double>(n / 10));
                };
            case RSIDE_HISTOGRAM:
                return [handle = registered(rside_histogram_register)](std::uint64_t n) {
                    rside_histogram_record(handle, static_cast<double>(n) / 1000);
                };
            default: return [](std::uint64_t) {};
        }
    }

    pid_t pid_ = -1;
};

// The storm comes when the agent has had time to take all segments in: 15 of its sweeps.
void storm(benchmark::State& state, const rside_schema* schema, int count) {
    const std::string memory = scratch_folder("drain");
    const std::string disk = std::filesystem::temp_directory_path() / ("ringside-bench." + std::to_string(::getpid()));
    for (auto _ : state) {
        std::filesystem::create_directories(disk);
        AgentProgram agent(RINGSIDE_AGENT, memory, disk, {"--scan-interval", "200ms", "--host-segments", "5000"});
        Vms vms(agent.segments(), schema, count);
        std::this_thread::sleep_for(3s);
        const auto begin = steady_clock::now();
        vms.kill();
        while (agent.segments_left() > 0) {
            if (steady_clock::now() - begin > kPatience) fail("the agent does not drain, see " + disk + "/agent.log");
            std::this_thread::sleep_for(2ms);
        }
        state.SetIterationTime(std::chrono::duration<double>(steady_clock::now() - begin).count());
        if (agent.archived() != static_cast<std::size_t>(count)) fail("not every VM is in the archive");
        const std::string peak = "bytes:storm_" + std::to_string(count) + "_agent_peak";
        state.counters[peak] = static_cast<double>(agent.memory_kib("VmHWM") * 1024);
        agent.stop(SIGTERM);
        std::filesystem::remove_all(disk);
    }
}

int run(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    const Scratch scratch;
    SchemaResult lean = schema_by_name_or_path("lean");
    if (!lean.ok()) fail(lean.error());
    const OwnedSchema schema = std::move(lean).value();
    for (int count : {100, 1000}) {
        auto storm_of = [&schema, count](benchmark::State& state) { storm(state, schema.get(), count); };
        benchmark::RegisterBenchmark(("storm_" + std::to_string(count)).c_str(), storm_of)
            ->Iterations(1)
            ->Repetitions(5)
            ->UseManualTime()
            ->Unit(benchmark::kMillisecond);
    }
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}

}  // namespace
}  // namespace ringside::bench

int main(int argc, char** argv) { return ringside::bench::run(argc, argv); }
