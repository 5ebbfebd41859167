// query_bench: what a question to the agent costs beside Prometheus and VictoriaMetrics, which have the same samples of 1,000
// VMs with 100 counters and a histogram each; what the agent takes of the machine; and both as VMs grow.
// ./dev bench query prints it for people (bench/README.md).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "bench/query/answer.h"
#include "bench/query/hosts.h"
#include "bench/writer/core.h"
#include "bench/writer/scratch.h"

namespace ringside::bench {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr std::uint32_t kVms = 1000;  // beside the peers
constexpr std::uint32_t kGrowth[] = {10, 100, 1000, 2000};
constexpr int kRounds = 7;  // of questions in a row
constexpr auto kIdleTime = 30s;

struct Question {
    const char* name;
    const char* ours;
    const char* peers;
    std::uint64_t range_s, step_s;  // 0: at one time
    int in_a_row, in_turn;          // how often: of each round, and rounds of one
    // How far the peers may be from the agent, relative to the value. VictoriaMetrics' rate() begins at the sample before
    // the range instead of extrapolating. The classic histogram of the peers is interpolated along a line and the agent's along
    // a power of two, so that both are in the same bucket, whose bounds are sqrt(2) apart.
    double prometheus_apart, victoria_metrics_apart;
};

const double kBucket = 1 - std::sqrt(0.5);
constexpr double kExact = 1e-9, kRates = 0.05;
const char* const kQuantile = "histogram_quantile(0.99, sum by (le) (rate(h_bucket[30s])))";
const Question kQuestions[] = {
    {"topk_sum_rate_100k", "topk(10, sum by (vm_id) (rate(m[30s])))", nullptr, 0, 0, 5, 7, kExact, kRates},
    {"sum_rate_1k", "sum(rate(m{s=\"42\"}[30s]))", nullptr, 0, 0, 25, 101, kExact, kRates},
    {"one_series_range_300", "m{vm_id=\"vm-7\",s=\"42\"}", nullptr, 299, 1, 101, 501, kExact, kExact},
    {"one_series_instant", "rate(m{vm_id=\"vm-7\",s=\"42\"}[30s])", nullptr, 0, 0, 101, 501, kExact, kRates},
    {"hist_p99_1k", "histogram_quantile(0.99, sum(rate(h[30s])))", kQuantile, 300, 10, 5, 7, kBucket, kBucket},
};

std::unique_ptr<Hosts> hosts;

std::string path_of(const Question& question, std::size_t side) {
    const std::string expression = side == kOurs || !question.peers ? question.ours : question.peers;
    return question.step_s ? hosts->range(side, expression, question.range_s, question.step_s)
                           : hosts->instant(side, expression);
}

// The median of so many times one after the other.
double ask_ms(const std::string& path, std::size_t side, int times) {
    std::vector<double> all_ms;
    for (int i = 0; i < times; ++i) {
        const auto begin = steady_clock::now();
        hosts->client(side).get(path);
        all_ms.push_back(std::chrono::duration<double, std::milli>(steady_clock::now() - begin).count());
    }
    const auto middle = all_ms.begin() + times / 2;
    std::nth_element(all_ms.begin(), middle, all_ms.end());
    return *middle;
}

// Asks everybody once: what they say must be the same.
void compare(const Question& question) {
    const Answer ours = parse_answer(hosts->client(kOurs).get(path_of(question, kOurs)));
    for (std::size_t side = kPrometheus; side < hosts->sides(); ++side) {
        const double apart = difference(ours, parse_answer(hosts->client(side).get(path_of(question, side))));
        const double allowed = side == kPrometheus ? question.prometheus_apart : question.victoria_metrics_apart;
        const std::string text = std::string(question.name) + ": " + kSideNames[side] + " differs by " +
                                 std::to_string(apart * 100) + " %, allowed are " + std::to_string(allowed * 100);
        if (!(apart <= allowed)) fail(text);
        say(text);
    }
}

// One round: each side so many times, one side after the other.
void ask(benchmark::State& state, const Question& question, int times) {
    std::string paths[kSides];
    for (std::size_t side = 0; side < hosts->sides(); ++side) paths[side] = path_of(question, side);
    for (auto _ : state) {
        for (std::size_t side = 0; side < hosts->sides(); ++side) {
            const double ms = ask_ms(paths[side], side, times);
            state.counters[std::string("ms:") + kSideNames[side]] = ms;
        }
    }
}

void memory(benchmark::State& state) {
    for (auto _ : state) {
        for (std::size_t side = 0; side < hosts->sides(); ++side) {
            const auto bytes = static_cast<double>(hosts->process(side).private_bytes());
            state.counters[std::string("MB:") + kSideNames[side]] = bytes / 1e6;
        }
    }
}

void idle(benchmark::State& state) {
    say("nobody asks for " + std::to_string(kIdleTime.count()) + " s");
    for (auto _ : state) {
        const auto cores = hosts->idle_cores(kIdleTime);
        for (std::size_t side = 0; side < hosts->sides(); ++side) {
            state.counters[std::string("cores:") + kSideNames[side]] = cores[side];
        }
    }
}

// Hosts with so many VMs and with or without peers; those of the case before where they are the same.
void be(std::uint32_t vms, Hosts::Peers peers) {
    if (hosts && hosts->vms() == vms && hosts->peers() == peers) return;
    hosts.reset();
    hosts = std::make_unique<Hosts>(vms, peers);
    for (const Question& question : kQuestions) compare(question);
}

// `suffix` is part of the names of the cases, which report.py sorts into tables by it.
void add_cases(const std::string& suffix, std::uint32_t vms, Hosts::Peers peers) {
    const auto add = [&](const std::string& name, int rounds, auto measure) {
        const auto run = [=](benchmark::State& state) {
            be(vms, peers);
            measure(state);
        };
        benchmark::RegisterBenchmark((name + suffix).c_str(), run)->Iterations(1)->Repetitions(rounds);
    };
    for (const Question& question : kQuestions) {
        add(question.name, kRounds, [&](benchmark::State& state) { ask(state, question, question.in_a_row); });
    }
    if (peers == Hosts::Peers::kFilled) {
        for (const Question& question : kQuestions) {
            add(std::string(question.name) + "_in_turn", question.in_turn,
                [&](benchmark::State& state) { ask(state, question, 1); });
        }
    }
    add("agent_private_mb", 1, memory);
    if (peers == Hosts::Peers::kFilled) add("agent_idle_cores", 1, idle);
}

int run(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    const Scratch scratch;
    std::string sides;
    for (const char* name : kSideNames) sides += std::string(sides.empty() ? "" : " ") + name;
    benchmark::AddCustomContext("cpu_model", cpu_model());
    benchmark::AddCustomContext("sides", sides);
    add_cases("", kVms, Hosts::Peers::kFilled);
    for (std::uint32_t vms : kGrowth) add_cases("/vms:" + std::to_string(vms), vms, Hosts::Peers::kNone);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    hosts.reset();
    return 0;
}

}  // namespace
}  // namespace ringside::bench

int main(int argc, char** argv) { return ringside::bench::run(argc, argv); }
