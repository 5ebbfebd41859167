// prometheus-cpp: values in the process' own memory, safe for many threads, read by a scrape. No history.
#include <benchmark/benchmark.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <cstddef>

#include "bench/writer/cases.h"
#include "bench/writer/time_calls.h"

namespace ringside::bench {
namespace {

// The metrics of one registry, made as its users make them.
struct Metrics {
    prometheus::Registry registry;
    prometheus::Counter& counter = prometheus::BuildCounter().Name("calls_total").Register(registry).Add({});
    prometheus::Gauge& gauge = prometheus::BuildGauge().Name("depth").Register(registry).Add({});
    // 11 buckets, as many as its clients have by default, around the samples. Ours has 187.
    prometheus::Histogram& histogram =
        prometheus::BuildHistogram()
            .Name("latency_seconds")
            .Register(registry)
            .Add({}, prometheus::Histogram::BucketBoundaries{50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3,
                                                             25e-3, 50e-3, 100e-3});
};

Metrics& metrics() {
    static Metrics made;
    return made;
}

void counter(benchmark::State& state) {
    prometheus::Counter& into = metrics().counter;
    time_calls(state, [&](std::size_t) { into.Increment(); });
}

void gauge(benchmark::State& state) {
    prometheus::Gauge& into = metrics().gauge;
    const double* const values = samples().data();
    time_calls(state, [&, values](std::size_t i) { into.Set(values[i]); });
}

void histogram(benchmark::State& state) {
    prometheus::Histogram& into = metrics().histogram;
    const double* const values = samples().data();
    time_calls(state, [&, values](std::size_t i) { into.Observe(values[i]); });
}

}  // namespace

void add_prometheus() {
    benchmark::RegisterBenchmark("promcpp_counter", counter);
    benchmark::RegisterBenchmark("promcpp_gauge", gauge);
    benchmark::RegisterBenchmark("promcpp_histogram", histogram);
}

}  // namespace ringside::bench
