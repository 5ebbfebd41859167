// Label sets: what tells one series from another once its VM is known.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/model.h"

namespace ringside::agent {

inline constexpr const char* kNameLabel = "__name__";

struct Label {
    std::string name;
    std::string value;
    auto operator<=>(const Label&) const = default;
};

// By rising name, each name once, no empty value: a label without a value is the same as no label.
using LabelSet = std::vector<Label>;

bool is_metric_name(std::string_view text);  // [a-zA-Z_:][a-zA-Z0-9_:]*
bool is_label_name(std::string_view text);   // [a-zA-Z_][a-zA-Z0-9_]*

// How many bytes at the front of `text` are such a name.
std::size_t metric_name_length(std::string_view text);
std::size_t label_name_length(std::string_view text);

// What the agent says of the host it runs on.
struct HostLabels {
    std::string instance;
    std::string job;
};

// The labels that the agent owns: vm_id, component (not for the VMM itself), instance, job. They
// come from the name of the file and from the configuration, never from bytes that a VM wrote.
LabelSet agent_labels(const VmInfo& vm, const HostLabels& host);

// The whole set of one series: __name__, the labels of its schema, and `agent_owned`, which win
// where a schema uses one of their names. `series` must belong to `schema`.
LabelSet series_labels(const SchemaInfo& schema, const SeriesInfo& series, const LabelSet& agent_owned);

// The value of `name`, "" where the set has none.
std::string_view label_value(const LabelSet& labels, std::string_view name);

// As Prometheus writes it: name{a="b",c="d"}, with \, " and newline escaped.
std::string label_text(const LabelSet& labels);

}  // namespace ringside::agent
