// What recording rules have added up, window by window. No files and no clock: what is computed from the same sources in
// the same order is the same.
//
//  G1  Windows are computed in order, each once, and never change afterwards.
//  G2  What a VM counted is in exactly one window: `RuleState` holds for each series the total that has been taken in, beside
//      the sums. What comes late (a VM that could not be read, an end that was noticed later) is in the next window.
//  G3  A sum of counters or histograms never falls: a VM that ends leaves what it has counted. It begins anew when the form
//      of the rule changes, and ends when no VM has had part in it for kRuleWindowsMax windows.
//  G4  What VMs had counted before the rules began is not counted: their totals then are the zero to count from. The same
//      holds for one that was away for longer than its member is kept. Where the ring does not reach as far, the zero is the
//      oldest total that it holds: rather a count too few than one twice.
#pragma once

#include <cstdint>
#include <functional>
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
#include "agent/upstream/rule_value.h"
#include "agent/upstream/source.h"

namespace ringside::agent {

// Numbers in the windows of one upstream's rules, some 7,000 counters or gauges, or 170 histograms of 80 buckets; and as many
// in what of the VMs' series is in them, some 460,000 counters. Each is 32 MiB, which the state takes once, the windows that
// are handed out again, and the bytes of the file while it is written.
inline constexpr std::size_t kRuleNumbersMax = std::size_t{4} << 20;
inline constexpr std::uint32_t kRuleWindowsMax = 288;   // kept of each, as a ring of a day
inline constexpr std::uint32_t kRuleSeriesPerVm = 512;  // that one VM may found in as many windows

// One series that a rule makes.
struct RuleSeries {
    std::uint32_t rule = 0;
    std::vector<std::string> values;  // of the labels in Rule::by
    std::uint64_t created_ns = 0;     // begin of its first window
    std::uint64_t touched_ns = 0;     // end of the newest window that a VM had part in
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
    // By rule: what its series are, see FormVotes.
    std::vector<std::optional<MetricInfo>> metrics;
    std::vector<RuleSeries> series;  // without those that no VM has had part in for kRuleWindowsMax windows
    // By key of the VM; kept for kRuleWindowsMax windows when it is not listed any more, should it come back.
    std::map<std::string, RuleMember> members;
    std::map<std::string, std::uint32_t> founded;  // by vm_id: series of rules, see kRuleSeriesPerVm
};

struct RuleStats {
    std::uint64_t windows = 0;
    std::uint64_t late_vms = 0;  // parts of VMs that were taken into a later window than their own
    // Of VMs, each window: of another kind or a coarser histogram, over a limit, without the columns, no numbers.
    std::uint64_t series_left_out = 0;
    std::uint64_t unread_vms = 0;  // of VMs, each window: they could not be read, and are taken in later
    std::uint64_t write_failures = 0;
};

class RuleTotals {
  public:
    // `state.metrics` has an entry for each of `rules`.
    RuleTotals(std::vector<Rule> rules, std::uint32_t resolution_s, RuleState state);

    // Takes in the window that ends at `end_ns`, a later one than all before. `now_ns`: no VM can have ended later, unless
    // the clock has been set back since.
    void compute(std::uint64_t end_ns, std::uint64_t now_ns, const std::vector<UpstreamSource>& vms);

    const RuleState& state() const { return state_; }
    const RuleStats& stats() const { return stats_; }
    std::uint64_t resolution_ns() const { return resolution_ns_; }
    std::uint64_t held_ns() const { return kRuleWindowsMax * resolution_ns_; }  // for how long windows are kept
    // Keys of the VMs that have been taken in to their ends.
    std::unordered_set<std::string> done() const;
    // The series as those of a VM without a name, up to the newest window; null before the first one.
    std::shared_ptr<const SeriesSource> source() const;

  private:
    struct Reading {
        SeriesInfo series;
        SeriesData data;
    };
    // One VM in the window at hand, with its times as far as they can be believed.
    struct Candidate {
        const UpstreamSource* source;
        VmInfo info;
        std::shared_ptr<const SchemaInfo> schema;
        std::vector<std::vector<std::uint32_t>> rules_of;  // by metric
        std::uint64_t begun_ns = 0;                        // 0: long ago
        std::uint64_t ended_ns = 0;                        // 0: it lives
        bool final = false;                                // this is its last window
        RuleMember* member = nullptr;
        std::uint64_t zero_ns = 0;  // where its increase begins
    };
    // A gauge's value in the window at hand.
    using Values = std::map<std::size_t, double>;  // by index of state_.series

    std::optional<Candidate> candidate(const UpstreamSource& vm, std::uint64_t end_ns, std::uint64_t now_ns);
    void choose_forms(const std::vector<Candidate>& candidates);
    void forget_totals(RuleMember& member);
    void forget_series(const std::function<bool(const RuleSeries&)>& which);
    void index_series();  // after others than the last have come or gone
    void take_vm(Candidate& vm, std::uint64_t end_ns, Values& values);
    void take_series(Candidate& vm, const Reading& reading, const std::map<std::string, std::string>& facts,
                     std::uint64_t end_ns, Values& values);
    std::optional<std::vector<Reading>> read(const Candidate& vm, std::uint64_t end_ns,
                                             const std::vector<SeriesInfo>& series) const;
    RuleTotal zero_of(const Candidate& vm, const Reading& reading) const;
    std::optional<std::size_t> place(std::uint32_t rule, const MetricInfo& metric, std::vector<std::string> values,
                                     std::uint64_t end_ns, const std::string& vm_id);
    bool take_increase(const MetricInfo& metric, const RuleTotal& now, const RuleTotal& before, std::uint64_t end_ns,
                       RuleSeries& into) const;
    bool take_gauge(RuleOperation operation, const SeriesData& data, std::uint64_t end_ns, std::size_t to,
                    Values& values) const;
    void close_window(std::uint64_t end_ns, const Values& values);

    std::vector<Rule> rules_;
    std::uint64_t resolution_ns_;
    RuleState state_;
    RuleStats stats_;
    std::map<std::pair<std::uint32_t, std::vector<std::string>>, std::size_t> places_;
    std::size_t numbers_ = 0;         // of all series, with full windows
    std::size_t member_numbers_ = 0;  // of the totals of all members
};

}  // namespace ringside::agent
