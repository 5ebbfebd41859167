#include "agent/upstream/relabel.h"

#include <algorithm>
#include <utility>

namespace ringside::agent {
namespace {

constexpr std::pair<const char*, RelabelAction> kActions[] = {
    {"keep", RelabelAction::kKeep},           {"drop", RelabelAction::kDrop},
    {"replace", RelabelAction::kReplace},     {"labelmap", RelabelAction::kLabelMap},
    {"labeldrop", RelabelAction::kLabelDrop}, {"labelkeep", RelabelAction::kLabelKeep},
};

bool must_stay(std::string_view label) {
    return label == "component" || label == "instance" || label == "le" || label == "vm_id";
}

bool reads_values(RelabelAction action) {
    return action == RelabelAction::kKeep || action == RelabelAction::kDrop || action == RelabelAction::kReplace;
}

auto place_of(LabelSet& labels, const std::string& name) {
    return std::lower_bound(labels.begin(), labels.end(), name,
                            [](const Label& label, const std::string& wanted) { return label.name < wanted; });
}

void set(LabelSet& labels, const std::string& name, std::string value) {
    auto at = place_of(labels, name);
    const bool there = at != labels.end() && at->name == name;
    if (there && value.empty()) {
        labels.erase(at);
    } else if (there) {
        at->value = std::move(value);
    } else if (!value.empty()) {
        labels.insert(at, {name, std::move(value)});
    }
}

std::string joined(const LabelSet& labels, const RelabelRule& rule) {
    std::string text;
    for (const std::string& name : rule.source_labels) {
        if (&name != &rule.source_labels.front()) text += rule.separator;
        text += label_value(labels, name);
    }
    return text;
}

void map_labels(const RelabelRule& rule, const Pattern& regex, LabelSet& labels) {
    LabelSet mapped;
    for (const Label& label : labels) {
        std::optional<std::string> name = regex.replace(label.name, rule.replacement);
        if (name && is_label_name(*name) && !must_stay(*name)) mapped.push_back({std::move(*name), label.value});
    }
    for (Label& label : mapped) set(labels, label.name, std::move(label.value));
}

Result<void> check(const RelabelRule& rule, const Pattern& regex) {
    const bool values = reads_values(rule.action);
    if (values && rule.source_labels.empty() && rule.action != RelabelAction::kReplace) {
        return error(Code::kInvalid, "source-labels is empty; name the labels whose values are matched");
    }
    if (!values && !rule.source_labels.empty()) {
        return error(Code::kInvalid, "source-labels has no meaning for an action on the names of labels; leave it out");
    }
    const bool replaces = rule.action == RelabelAction::kReplace;
    if (replaces && !is_label_name(rule.target_label)) {
        return error(Code::kInvalid, "target-label is '" + rule.target_label + "'; name the label that is set");
    }
    if (!replaces && !rule.target_label.empty()) {
        return error(Code::kInvalid, "target-label belongs to the action replace alone; leave it out");
    }
    if (replaces && must_stay(rule.target_label)) {
        return error(Code::kInvalid, "the label '" + rule.target_label + "' tells series apart and cannot be replaced");
    }
    if (rule.action == RelabelAction::kLabelDrop) {
        for (const char* name : {kNameLabel, "component", "instance", "le", "vm_id"}) {
            if (!regex.matches(name)) continue;
            return error(Code::kInvalid,
                         std::string("the pattern '") + rule.regex + "' would drop '" + name +
                             "', which tells series apart; to have fewer series aggregate them by a rule");
        }
    }
    if (replaces || rule.action == RelabelAction::kLabelMap) return regex.check_replacement(rule.replacement);
    return {};
}

// False: the series does not leave.
bool apply_rule(const RelabelRule& rule, const Pattern& regex, LabelSet& labels) {
    switch (rule.action) {
        case RelabelAction::kKeep: return regex.matches(joined(labels, rule));
        case RelabelAction::kDrop: return !regex.matches(joined(labels, rule));
        case RelabelAction::kReplace:
            if (std::optional<std::string> value = regex.replace(joined(labels, rule), rule.replacement)) {
                set(labels, rule.target_label, std::move(*value));
            }
            return true;
        case RelabelAction::kLabelMap: map_labels(rule, regex, labels); return true;
        case RelabelAction::kLabelDrop:
            std::erase_if(labels, [&](const Label& label) { return regex.matches(label.name); });
            return true;
        case RelabelAction::kLabelKeep:
            std::erase_if(labels, [&](const Label& label) {
                return !must_stay(label.name) && label.name != kNameLabel && !regex.matches(label.name);
            });
            return true;
    }
    return true;
}

}  // namespace

Result<RelabelAction> parse_relabel_action(const std::string& text) {
    std::string known;
    for (auto [name, action] : kActions) {
        if (text == name) return action;
        known += (known.empty() ? "" : ", ") + std::string(name);
    }
    return error(Code::kInvalid, "'" + text + "' is no action; use one of " + known);
}

Result<Relabeling> Relabeling::make(const std::vector<RelabelRule>& rules) {
    Relabeling relabeling;
    for (const RelabelRule& rule : rules) {
        const std::string which = "relabel rule " + std::to_string(relabeling.rules_.size() + 1) + ": ";
        Result<Pattern> regex = Pattern::parse(rule.regex);
        if (!regex.ok()) return error(Code::kInvalid, which + regex.error().message());
        if (Result<void> checked = check(rule, *regex); !checked.ok()) {
            return error(Code::kInvalid, which + checked.error().message());
        }
        relabeling.rules_.push_back({rule, std::move(*regex)});
    }
    return relabeling;
}

std::vector<RelabelRule> Relabeling::rules() const {
    std::vector<RelabelRule> rules;
    for (const Rule& rule : rules_) rules.push_back(rule.rule);
    return rules;
}

Relabeled Relabeling::apply(LabelSet& labels) const {
    for (const Rule& rule : rules_) {
        if (!apply_rule(rule.rule, rule.regex, labels)) return Relabeled::kDropped;
    }
    return is_metric_name(label_value(labels, kNameLabel)) ? Relabeled::kLeaves : Relabeled::kBadName;
}

}  // namespace ringside::agent
