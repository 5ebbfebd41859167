// What tells the series of an answer apart.
#pragma once

#include <string>
#include <vector>

#include "agent/promql/value/labels.h"
#include "tools/ringsidectl/output.h"

namespace ringside::ctl {

// What all have, and in which labels they differ.
struct SeriesNames {
    agent::promql::Labels common;
    std::vector<std::string> differing;  // names: the metric's first, then vm_id, then the others as they sort
};
SeriesNames names_of(const std::vector<agent::promql::Labels>& series);

// `name{label="value"}`; the name alone where there are no others; "" for no labels.
std::string series_text(const agent::promql::Labels& labels);
// The labels but the metric's name.
Labels labels_of(const agent::promql::Labels& labels);
// Those labels alone.
agent::promql::Labels only(const agent::promql::Labels& labels, const std::vector<std::string>& names);

// For each series the values of labels in which they differ: "web-1,read". "" where there is one series alone.
std::vector<std::string> short_names(const std::vector<agent::promql::Labels>& series);
// The names of these labels: "vm_id,op".
std::string short_names_of(const SeriesNames& names);

}  // namespace ringside::ctl
