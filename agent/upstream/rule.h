// Recording rules: aggregates over all VMs of the host that are made before anything leaves, without a query language.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/model.h"
#include "agent/base/result.h"
#include "agent/upstream/pattern.h"

namespace ringside::agent {

enum class RuleOperation {
    kSum,  // counters: a total that grows by every VM's increase; gauges and levels: of the last values at a window's end
    kMin,    // gauges and levels: of the least values of the window
    kMax,    // the same of the greatest ones
    kCount,  // series of VMs that lived at a window's end, of any kind
    kMerge,  // histograms, bucket by bucket; finer ones by the buckets of the first that is met
};
// "sum", "min", "max", "count", "merge"; kInvalid with these.
Result<RuleOperation> parse_rule_operation(const std::string& text);

// The kinds of metrics that it is for, as bits.
std::uint32_t kinds_of(RuleOperation operation);

struct Rule {
    std::string name;  // of the series that it makes
    std::vector<Pattern> metrics;
    // Labels to tell apart, sorted: of the series, of its VM (vm_id, component), or of the VM's info series.
    std::vector<std::string> by;
    RuleOperation operation = RuleOperation::kSum;

    bool takes(const MetricInfo& metric) const;  // by name and kind
};

// kInvalid with what is wrong with a name, label or pattern, or a name that stands twice.
Result<void> check_rules(const std::vector<Rule>& rules);

}  // namespace ringside::agent
