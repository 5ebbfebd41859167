#include "agent/upstream/rule.h"

#include <algorithm>
#include <set>
#include <utility>

#include "agent/base/labels.h"

namespace ringside::agent {

Result<RuleOperation> parse_rule_operation(const std::string& text) {
    constexpr std::pair<const char*, RuleOperation> kOperations[] = {{"sum", RuleOperation::kSum},
                                                                     {"min", RuleOperation::kMin},
                                                                     {"max", RuleOperation::kMax},
                                                                     {"count", RuleOperation::kCount},
                                                                     {"merge", RuleOperation::kMerge}};
    for (auto [name, operation] : kOperations) {
        if (text == name) return operation;
    }
    return error(Code::kInvalid, "'" + text + "' is no operation; use sum, min, max, count or merge");
}

std::uint32_t kinds_of(RuleOperation operation) {
    const std::uint32_t counters = kind_bit(Kind::kCounter) | kind_bit(Kind::kCounterF64);
    const std::uint32_t gauges = kind_bit(Kind::kGauge) | kind_bit(Kind::kLevel);
    switch (operation) {
        case RuleOperation::kSum: return counters | gauges;
        case RuleOperation::kMin:
        case RuleOperation::kMax: return gauges;
        case RuleOperation::kCount: return counters | gauges | kind_bit(Kind::kHistogram) | kind_bit(Kind::kInfo);
        case RuleOperation::kMerge: return kind_bit(Kind::kHistogram);
    }
    return 0;
}

bool Rule::takes(const MetricInfo& metric) const {
    return (kinds_of(operation) & kind_bit(metric.kind)) != 0 &&
           std::any_of(metrics.begin(), metrics.end(),
                       [&](const Pattern& pattern) { return pattern.matches(metric.name); });
}

Result<void> check_rules(const std::vector<Rule>& rules) {
    std::set<std::string> names;
    for (const Rule& rule : rules) {
        const std::string which = "the rule '" + rule.name + "' ";
        if (!is_metric_name(rule.name)) return error(Code::kInvalid, which + "needs the name of a metric");
        if (!names.insert(rule.name).second) return error(Code::kInvalid, which + "stands twice; names differ");
        if (rule.metrics.empty()) return error(Code::kInvalid, which + "takes nothing; give it metrics");
        for (const std::string& label : rule.by) {
            if (is_label_name(label) && label != "le" && label != kNameLabel) continue;
            return error(Code::kInvalid, which + "cannot be by '" + label + "'; name labels of series or of VMs");
        }
    }
    return {};
}

}  // namespace ringside::agent
