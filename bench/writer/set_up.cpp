// What a VMM pays before its first record, with the standard schema `vmm` (2.5 MiB): creating a segment, attaching to one that its
// launcher has laid out, and registering a series.
#include <benchmark/benchmark.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "bench/writer/cases.h"
#include "bench/writer/scratch.h"
#include "libwriter/toml/schema_toml.h"
#include "ringside/ringside.hpp"

namespace ringside::bench {
namespace {

using Clock = std::chrono::steady_clock;

const OwnedSchema& vmm_schema() {
    static const OwnedSchema schema = [] {
        SchemaResult result = schema_by_name_or_path("vmm");
        if (!result) fail(result.error());
        return std::move(result).value();
    }();
    return schema;
}

class Options {
  public:
    Options() : folder_(scratch_folder("set-up")) {
        rside_options_init(&options_);
        options_.vm_id = "vm-1";
        options_.directory = folder_.c_str();
        options_.schema = vmm_schema().get();
    }
    const rside_options& get() const { return options_; }

  private:
    std::string folder_;
    rside_options options_;
};

// Runs `set_up`, which gives a segment, once an iteration, and times it alone. The file goes each time.
template <typename SetUp, typename Prepare>
void time_set_up(benchmark::State& state, Prepare prepare, SetUp set_up) {
    const Options options;
    for (auto _ : state) {
        const std::string prepared = prepare(options.get());
        const auto begin = Clock::now();
        Segment segment = set_up(options.get(), prepared);
        state.SetIterationTime(std::chrono::duration<double>(Clock::now() - begin).count());
        if (!segment) fail(segment.error().text);
        const std::string path = segment.path();
        segment.close();
        std::filesystem::remove(path);
    }
}

void create(benchmark::State& state) {
    time_set_up(
        state, [](const rside_options&) { return std::string(); },
        [](const rside_options& options, const std::string&) { return Segment::create(options); });
}

void attach(benchmark::State& state) {
    const auto provision = [](const rside_options& options) {
        char path[512];
        rside_error error;
        if (rside_segment_provision(&options, path, sizeof path, &error) < 0) fail(error.text);
        return std::string(path);
    };
    time_set_up(state, provision, [](const rside_options&, const std::string& path) {
        return Segment::attach(path.c_str(), vmm_schema().get());
    });
}

// All series of a schema of counters, one after the other, divided by their number.
void register_series(benchmark::State& state) {
    constexpr std::uint32_t kSeries = 1000;
    static const char* const labels[] = {"n"};
    rside_metric metric = {};
    metric.name = "calls_total";
    metric.kind = RSIDE_COUNTER;
    metric.labels = labels;
    metric.label_count = 1;
    metric.max_series = kSeries;
    const rside_tier tier = {1, 2, RSIDE_COLUMNS_ALL};
    const rside_schema schema = {"register", 1, &tier, 1, &metric, 1, 0};
    const Options defaults;
    rside_options options = defaults.get();
    options.schema = &schema;
    for (auto _ : state) {
        Segment segment = Segment::create(options);
        if (!segment) fail(segment.error().text);
        const auto begin = Clock::now();
        for (std::uint32_t i = 0; i < kSeries; ++i) {
            if (!segment.counter("calls_total", {std::to_string(i).c_str()})) fail(segment.error().text);
        }
        state.SetIterationTime(std::chrono::duration<double>(Clock::now() - begin).count() / kSeries);
        const std::string path = segment.path();
        segment.close();
        std::filesystem::remove(path);
    }
}

}  // namespace

void add_set_up() {
    constexpr int kIterations = 50;
    for (benchmark::internal::Benchmark* each :
         {benchmark::RegisterBenchmark("create", create), benchmark::RegisterBenchmark("attach", attach),
          benchmark::RegisterBenchmark("register", register_series)}) {
        each->UseManualTime()->Iterations(kIterations);
    }
}

}  // namespace ringside::bench
