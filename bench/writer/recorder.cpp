#include "bench/writer/recorder.h"

#include <time.h>

#include <algorithm>
#include <random>
#include <span>
#include <string>

#include "bench/writer/scratch.h"

namespace ringside::bench {
namespace {

rside_metric metric(const char* name, rside_kind kind) {
    rside_metric made{};
    made.name = name;
    made.kind = static_cast<uint8_t>(kind);
    made.max_series = 1;
    return made;
}

Segment create(const std::string& vm_id, std::span<const rside_metric> metrics, rside_clock clock) {
    rside_schema schema{};
    schema.name = "bench";
    schema.version = 1;
    schema.tiers = rside_default_tiers;
    schema.tier_count = 3;
    schema.metrics = metrics.data();
    schema.metric_count = static_cast<uint32_t>(metrics.size());

    const std::string folder = scratch_folder(vm_id);
    rside_options options;
    rside_options_init(&options);
    options.vm_id = vm_id.c_str();
    options.directory = folder.c_str();
    options.schema = &schema;
    options.clock = clock;
    Segment segment = Segment::create(options);
    if (!segment) fail(segment.error().text);
    segment.tick(now_ns());
    return segment;
}

const char* suffix(rside_clock clock) { return clock == RSIDE_CLOCK_TICK ? "tick" : "clock"; }

Recorder make_recorder(rside_clock clock) {
    rside_metric metrics[] = {
        metric("calls_total", RSIDE_COUNTER), metric("shared_calls_total", RSIDE_COUNTER), metric("depth", RSIDE_GAUGE),
        metric("level", RSIDE_LEVEL),         metric("latency_seconds", RSIDE_HISTOGRAM),
    };
    metrics[1].flags = RSIDE_METRIC_SHARED;
    // Eight buckets per factor of two from 1 us to 10 s, each within 9 % of the next: 187 of them.
    metrics[4].histogram_scale = 3;
    metrics[4].histogram_lowest = 1e-6;
    metrics[4].histogram_highest = 10.0;

    Recorder made;
    made.segment = create(std::string("one-") + suffix(clock), metrics, clock);
    made.counter = made.segment.counter("calls_total");
    made.shared = made.segment.shared_counter("shared_calls_total");
    made.gauge = made.segment.gauge("depth");
    made.level = made.segment.level("level");
    made.histogram = made.segment.histogram("latency_seconds");
    // An empty handle records nothing, very fast.
    if (!made.counter || !made.shared || !made.gauge || !made.level || !made.histogram) fail(made.segment.error().text);
    return made;
}

Gauges make_gauges(const std::string& vm_id, std::size_t count, std::size_t rounds, rside_clock clock) {
    static const char* const labels[] = {"n"};
    rside_metric depth = metric("depth", RSIDE_GAUGE);
    depth.labels = labels;
    depth.label_count = 1;
    depth.max_series = static_cast<uint32_t>(count);

    Gauges made;
    made.segment = create(vm_id, {&depth, 1}, clock);
    std::vector<Gauge> gauges;
    for (std::size_t i = 0; i < count; ++i) {
        gauges.push_back(made.segment.gauge("depth", {std::to_string(i).c_str()}));
        if (!gauges.back()) fail(made.segment.error().text);
    }
    std::mt19937_64 random(1);
    for (std::size_t round = 0; round < rounds; ++round) {
        std::shuffle(gauges.begin(), gauges.end(), random);
        made.in_random_order.insert(made.in_random_order.end(), gauges.begin(), gauges.end());
    }
    return made;
}

}  // namespace

const Recorder& recorder(rside_clock clock) {
    if (clock == RSIDE_CLOCK_TICK) {
        static const Recorder tick = make_recorder(RSIDE_CLOCK_TICK);
        return tick;
    }
    static const Recorder coarse = make_recorder(RSIDE_CLOCK_COARSE);
    return coarse;
}

const Gauges& many_gauges(rside_clock clock) {
    if (clock == RSIDE_CLOCK_TICK) {
        static const Gauges tick = make_gauges("many-tick", kManyGauges, 1, RSIDE_CLOCK_TICK);
        return tick;
    }
    static const Gauges coarse = make_gauges("many-clock", kManyGauges, 1, RSIDE_CLOCK_COARSE);
    return coarse;
}

const Gauges& some_gauges() {
    static const Gauges some = make_gauges("some-tick", kSomeGauges, kSomeRounds, RSIDE_CLOCK_TICK);
    return some;
}

const Gauges& turning_gauges() {
    static const Gauges turning = make_gauges("turning-tick", kSomeGauges, kSomeRounds, RSIDE_CLOCK_TICK);
    return turning;
}

std::uint64_t now_ns() {
    timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * RSIDE_NS_PER_S + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace ringside::bench
