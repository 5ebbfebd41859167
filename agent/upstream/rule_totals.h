// What recording rules have added up, window by window. No files and no clock: what is computed from the same sources in
// the same order is the same.
//
//  G1  Windows are computed in order, each once, and never change afterwards.
//  G2  What a VM counted is in exactly one window: `RuleState` holds for each series the total that has been taken in, beside
//      the sums. What comes late (a VM that could not be read, an end that was noticed later) is in the next window.
//  G3  A sum of counters or histograms never falls: a VM that ends leaves what it has counted.
//  G4  What VMs had counted before the rules began is not counted: their totals then are the zero to count from.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "agent/base/model.h"
#include "agent/upstream/rule.h"
#include "agent/upstream/source.h"

namespace ringside::agent {

inline constexpr std::size_t kRuleSeriesMax = 10'000;  // that the rules of one upstream make
// And the numbers in their windows: 32 MiB, in memory and in the state file. Some 180 histograms of 80 buckets.
inline constexpr std::size_t kRuleNumbersMax = std::size_t{4} << 20;
inline constexpr std::uint32_t kRuleWindowsMax = 288;  // kept of each, as a ring of a day

// A cumulative series at one instant.
struct RuleTotal {
    std::uint64_t value = 0;  // of a counter, as in SeriesData
    std::uint64_t count = 0;  // of a histogram
    double sum = 0;
    std::vector<std::uint64_t> buckets;
    bool operator==(const RuleTotal&) const = default;
};

// One series that a rule makes.
struct RuleSeries {
    std::uint32_t rule = 0;
    std::vector<std::string> values;  // of the labels in Rule::by
    std::uint64_t created_ns = 0;     // begin of its first window
    RuleTotal total;
    SeriesData data;  // the newest kRuleWindowsMax windows
};

// What has been taken in of one VM epoch.
struct RuleMember {
    std::uint64_t included_ns = 0;
    bool done = false;                          // to its end
    std::map<std::uint32_t, RuleTotal> totals;  // by index of the VM's series
};

struct RuleState {
    Epoch epoch{};
    std::uint64_t began_ns = 0;     // a window's end
    std::uint64_t computed_ns = 0;  // the newest window's end
    // By rule: what its series are, from the first metric that it took.
    std::vector<std::optional<MetricInfo>> metrics;
    std::vector<RuleSeries> series;  // only ever more
    // By key of the VM; kept for kRuleWindowsMax windows when it is not listed any more, should it come back.
    std::map<std::string, RuleMember> members;
};

struct RuleStats {
    std::uint64_t windows = 0;
    std::uint64_t late_vms = 0;  // parts of VMs that were taken into a later window than their own
    // Of VMs, each window: the operation is not for their kind, a coarser histogram than the first, over the two limits.
    std::uint64_t series_left_out = 0;
    std::uint64_t write_failures = 0;
};

class RuleTotals {
  public:
    // `state.metrics` has an entry for each of `rules`.
    RuleTotals(std::vector<Rule> rules, std::uint32_t resolution_s, RuleState state);

    // Takes in the window that ends at `end_ns`, a later one than all before.
    void compute(std::uint64_t end_ns, const std::vector<UpstreamSource>& vms);

    const RuleState& state() const { return state_; }
    const RuleStats& stats() const { return stats_; }
    std::uint64_t resolution_ns() const { return resolution_ns_; }
    // Keys of the VMs that have been taken in to their ends.
    std::unordered_set<std::string> done() const;
    // The series as those of a VM without a name, up to the newest window; null before the first one.
    std::shared_ptr<const SeriesSource> source() const;

  private:
    struct Reading {
        SeriesInfo series;
        SeriesData data;
    };
    // A gauge's value in the window at hand.
    using Values = std::map<std::size_t, double>;  // by index of state_.series

    void take_vm(const UpstreamSource& vm, std::uint64_t end_ns, Values& values);
    std::optional<std::vector<Reading>> read(const SeriesSource& source, const std::vector<SeriesInfo>& series,
                                             const RuleMember& member, std::uint64_t end_ns, bool final) const;
    std::optional<std::size_t> place(std::uint32_t rule, const MetricInfo& metric, std::vector<std::string> values,
                                     std::uint64_t end_ns);
    void take_increase(const MetricInfo& metric, const Reading& reading, const RuleTotal& before, RuleSeries& into);
    void take_gauge(RuleOperation operation, const SeriesData& data, std::uint64_t end_ns, std::size_t to,
                    Values& values) const;
    void close_window(std::uint64_t end_ns, const Values& values);

    std::vector<Rule> rules_;
    std::uint64_t resolution_ns_;
    RuleState state_;
    RuleStats stats_;
    std::map<std::pair<std::uint32_t, std::vector<std::string>>, std::size_t> places_;
    std::size_t numbers_ = 0;  // of all series, with full windows
};

}  // namespace ringside::agent
