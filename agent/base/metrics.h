// The agent's own metrics: counters and gauges that any folder bumps, and their text for a scraper.
//
// Invariants:
//  M1  A family (one name) has one type and one help text; within it, each set of label values stands once.
//  M2  A counter or gauge lives as long as its registry and never moves, so a reference to it may be kept.
//  M3  What text() gives passes `promtool check metrics`: names, help and labels are checked when a family is made.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringside::agent {

// Only goes up. Any thread, wait-free.
class MetricCounter {
  public:
    // Relaxed: each value stands alone, no reader infers one from another.
    void add(std::uint64_t delta = 1) { value_.fetch_add(delta, std::memory_order_relaxed); }
    std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

// Any thread, wait-free. The newest set() wins.
class MetricGauge {
  public:
    // Relaxed, as above.
    void set(double value) { value_.store(value, std::memory_order_relaxed); }
    double value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<double> value_{0};
};

enum class MetricType { kCounter, kGauge };

using MetricLabels = std::vector<std::pair<std::string, std::string>>;  // name, value

// One value of a family that is asked for only when somebody scrapes.
struct MetricSample {
    MetricLabels labels;
    double value = 0;
};

// All metrics of one agent. Any thread. Names are `ringside_<noun>[_<unit>]`; a counter's ends in `_total`, nobody else's
// does. A name or label against the rules, a second type or help text for a name, or label values that stand already
// as a callback are mistakes of the programmer and end the process.
class Metrics {
  public:
    // Makes the metric, or gives the one that was made with the same name and labels.
    MetricCounter& counter(std::string_view name, std::string_view help, const MetricLabels& labels = {});
    MetricGauge& gauge(std::string_view name, std::string_view help, const MetricLabels& labels = {});

    // A whole family from a callback, called once a scrape from the thread that scrapes, one at a time. It may take
    // locks, but must not use this registry. It must stay callable as long as the registry lives.
    void collect(MetricType type, std::string_view name, std::string_view help,
                 std::function<std::vector<MetricSample>()> callback);

    // Everything in the Prometheus text format, version 0.0.4, families by name.
    std::string text() const;

  private:
    struct Family {
        MetricType type = MetricType::kCounter;
        std::string help;
        std::map<std::string, std::unique_ptr<MetricCounter>> counters;  // by the labels' text
        std::map<std::string, std::unique_ptr<MetricGauge>> gauges;
        std::function<std::vector<MetricSample>()> callback;
    };

    Family& family(MetricType type, std::string_view name, std::string_view help);

    mutable std::mutex mutex_;  // guards all below, and the calls of callbacks
    std::map<std::string, Family, std::less<>> families_;
};

}  // namespace ringside::agent
