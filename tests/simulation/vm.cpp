#include "tests/simulation/vm.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "agent/base/clock.h"
#include "libwriter/src/segment.h"
#include "tests/simulation/simulated_time.h"

namespace ringside::simulation {
namespace {

const char* const kLabels[] = {"n"};
const rside_tier kTiers[] = {{1, 60, 0}, {kFineResolutionS, 60, 0}, {kPushedResolutionS, kPushedSlots, 0}};
const rside_metric kMetrics[] = {
    {"sim_requests_total", RSIDE_COUNTER, 0, "", "Requests.", kLabels, 1, 2, 0, 0, 0},
    {"sim_depth", RSIDE_GAUGE, 0, "", "Depth of a queue.", nullptr, 0, 1, 0, 0, 0},
    {"sim_memory_bytes", RSIDE_LEVEL, 0, "", "Memory.", nullptr, 0, 1, 0, 0, 0},
    {"sim_io_seconds", RSIDE_HISTOGRAM, 0, "", "Time of an operation.", nullptr, 0, 1, 0, 0.5, 4},
};
const rside_schema kSchema = {"simulation", 1, kTiers, 3, kMetrics, 4, 0};

[[noreturn]] void fail(const char* what, const rside_error& error) {
    std::fprintf(stderr, "simulation: cannot %s: %s\n", what, error.text);
    std::abort();
}

rside_counter register_counter(rside_segment* segment, const char* n) {
    rside_error error{};
    const char* const values[] = {n};
    rside_counter counter = rside_counter_register(segment, "sim_requests_total", values, 1, &error);
    if (!counter.series.cell) fail("register a counter", error);
    return counter;
}

}  // namespace

std::unique_ptr<SimulatedVm> SimulatedVm::create(const std::string& folder, const std::string& vm_id,
                                                 std::uint64_t seed) {
    rside_options options;
    rside_options_init(&options);
    options.vm_id = vm_id.c_str();
    options.directory = folder.c_str();
    options.schema = &kSchema;
    options.flags = 0;  // thousands of lives in one process: neither locks nor fork guards
    const bool ticks = seed % 4 == 0;
    if (ticks) options.clock = RSIDE_CLOCK_TICK;
    rside_error error{};
    rside_segment* segment = nullptr;
    if (rside_segment_create(&options, &segment, &error) < 0) fail("create a segment", error);
    return std::unique_ptr<SimulatedVm>(new SimulatedVm(segment, vm_id, seed, ticks));
}

SimulatedVm::SimulatedVm(rside_segment* segment, std::string vm_id, std::uint64_t seed, bool ticks)
    : segment_(segment),
      vm_id_(std::move(vm_id)),
      path_(rside_segment_path(segment)),
      random_(seed),
      created_ns_(agent::realtime_ns()),
      ticks_(ticks) {
    tick();
    const std::size_t name = path_.rfind('/') + 1;
    key_ = path_.substr(name, path_.rfind(".seg") - name);
    rside_error error{};
    counter_ = register_counter(segment_, "0");
    tally_.registered(SeriesOf::kCounter, created_ns_);
    gauge_ = rside_gauge_register(segment_, "sim_depth", nullptr, 0, &error);
    tally_.registered(SeriesOf::kGauge, created_ns_);
    level_ = rside_level_register(segment_, "sim_memory_bytes", nullptr, 0, &error);
    tally_.registered(SeriesOf::kLevel, created_ns_);
    histogram_ = rside_histogram_register(segment_, "sim_io_seconds", nullptr, 0, &error);
    tally_.registered(SeriesOf::kHistogram, created_ns_);
    if (!gauge_.series.cell || !level_.series.cell || !histogram_.series.cell) fail("register a series", error);
    record();
}

SimulatedVm::~SimulatedVm() { kill(); }

void SimulatedVm::tick() {
    tick_ns_ = agent::realtime_ns();
    if (ticks_) rside_tick(segment_, tick_ns_);
}

void SimulatedVm::record() {
    const std::uint64_t draw = random_();
    const bool registers = !late_.series.cell && (draw >> 16) % 4 == 0;
    if (!ticks_ || registers || (draw >> 60) % 8 != 0)
        tick();  // else its loop stands: records have the time of the last tick
    const std::uint64_t now_ns = tick_ns_;
    rside_counter_add(counter_, draw % 1000);
    tally_.count(SeriesOf::kCounter, now_ns, draw % 1000);
    if ((draw >> 16) % 4 == 0) {
        if (registers) {
            late_ = register_counter(segment_, "1");
            tally_.registered(SeriesOf::kLateCounter, now_ns);
        }
        rside_counter_add(late_, 1);
        tally_.count(SeriesOf::kLateCounter, now_ns, 1);
    }
    if ((draw >> 24) % 2 == 0) {
        const double value = static_cast<double>((draw >> 32) % 4096) / 8;
        rside_gauge_record(gauge_, value);
        tally_.gauge(now_ns, value);
    }
    // A level that is set for the first time in the very instant in which a window begins looks, once the ring has lapped,
    // like one that was set before (agent/segment/levels.cpp): to the nanosecond, so it is left out here.
    if ((draw >> 25) % 8 == 0 && (tally_.has_level() || now_ns % kSecond != 0)) {
        const auto value = static_cast<double>((draw >> 44) % 4096);
        rside_level_set(level_, value);
        tally_.level(now_ns, value);
    }
    if ((draw >> 26) % 2 == 0) {
        const std::size_t which = (draw >> 56) % kObservations.size();
        rside_histogram_record(histogram_, kObservations[which]);
        tally_.observe(now_ns, which);
    }
}

void SimulatedVm::close(int code) {
    tick();
    gone_ns_ = tick_ns_;
    closed_ = true;
    close_code_ = code;
    rside_segment_close(std::exchange(segment_, nullptr), code, code == 0 ? "" : "as planned by the seed");
}

// What the kernel does when the process ends, and nothing that the library would do before.
void SimulatedVm::kill() {
    if (!segment_) return;
    tick();
    gone_ns_ = tick_ns_;
    ::munmap(segment_->base, segment_->bytes);
    writer::segment_free(std::exchange(segment_, nullptr));
}

}  // namespace ringside::simulation
