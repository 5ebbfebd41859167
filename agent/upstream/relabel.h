// Rules of an operator over the labels of what is pushed, with the actions and meanings of Prometheus' relabel_config.
// They see a series as it would leave, its own name and the agent's labels included.
//
// What tells VMs and buckets apart stays: `component`, `instance`, `le` and `vm_id` cannot be dropped, mapped or
// replaced, since two series that became one would be refused or, worse, mixed by the receiver. Whoever wants fewer
// series aggregates them.
#pragma once

#include <string>
#include <vector>

#include "agent/base/labels.h"
#include "agent/base/result.h"
#include "agent/upstream/pattern.h"

namespace ringside::agent {

enum class RelabelAction {
    kKeep,       // series that match go on, others do not leave
    kDrop,       // the other way round
    kReplace,    // a match sets `target_label`; "" takes it away
    kLabelMap,   // each label whose name matches is copied to the name that the replacement gives
    kLabelDrop,  // labels whose names match go
    kLabelKeep,  // labels whose names do not match go, but for the name and what must stay
};
// kInvalid: no such action.
Result<RelabelAction> parse_relabel_action(const std::string& text);

struct RelabelRule {
    RelabelAction action = RelabelAction::kReplace;
    std::vector<std::string> source_labels;  // keep, drop, replace: their values, joined by the separator, are matched
    std::string separator = ";";
    std::string regex = "(.*)";
    std::string target_label;
    std::string replacement = "$1";
};

enum class Relabeled {
    kLeaves,
    kDropped,  // by a rule
    kBadName,  // what the rules made of its name is no name of a metric
};

// Rules in their order. A value; safe for concurrent use.
class Relabeling {
  public:
    Relabeling() = default;  // no rules
    // kInvalid with the number of the rule, what is wrong and what to write.
    static Result<Relabeling> make(const std::vector<RelabelRule>& rules);

    bool empty() const { return rules_.empty(); }
    std::vector<RelabelRule> rules() const;
    // `labels`, with __name__, become what the series leaves with, if it does.
    Relabeled apply(LabelSet& labels) const;

  private:
    struct Rule {
        RelabelRule rule;
        Pattern regex;
    };
    std::vector<Rule> rules_;
};

}  // namespace ringside::agent
