#include "tools/ringsidectl/query_names.h"

#include <algorithm>
#include <set>

#include "agent/base/labels.h"

namespace ringside::ctl {

namespace promql = agent::promql;
using agent::kNameLabel;

SeriesNames names_of(const std::vector<promql::Labels>& series) {
    SeriesNames parts;
    if (series.empty()) return parts;
    std::set<std::string> names;
    for (const promql::Labels& labels : series) {
        for (const auto& label : labels.set()) names.insert(label.name);
    }
    promql::LabelsBuilder common;
    for (const std::string& name : names) {
        const std::string_view value = series.front().get(name);
        const bool same =
            std::ranges::all_of(series, [&](const promql::Labels& labels) { return labels.get(name) == value; });
        if (same) {
            common.set(name, value);
        } else {
            parts.differing.push_back(name);
        }
    }
    const auto order = [](const std::string& name) { return name == kNameLabel ? 0 : name == "vm_id" ? 1 : 2; };
    std::ranges::stable_sort(parts.differing, {}, order);
    parts.common = common.labels();
    return parts;
}

Labels labels_of(const promql::Labels& labels) {
    Labels out;
    for (const auto& label : labels.set()) {
        if (label.name != kNameLabel) out.emplace_back(label.name, label.value);
    }
    return out;
}

std::string series_text(const promql::Labels& labels) {
    return std::string(labels.metric_name()) + labels_text(labels_of(labels));
}

promql::Labels only(const promql::Labels& labels, const std::vector<std::string>& names) {
    promql::LabelsBuilder some;
    for (const std::string& name : names) some.set(name, labels.get(name));
    return some.labels();
}

std::vector<std::string> short_names(const std::vector<promql::Labels>& series) {
    const SeriesNames parts = names_of(series);
    std::vector<std::string> names;
    for (const promql::Labels& labels : series) {
        std::string& name = names.emplace_back();
        for (const std::string& label : parts.differing) {
            const std::string_view value = labels.get(label);
            name += (name.empty() ? "" : ",") + std::string(value.empty() ? "-" : value);
        }
    }
    return names;
}

std::string short_names_of(const SeriesNames& names) {
    std::string text;
    for (const std::string& name : names.differing) {
        text += (text.empty() ? "" : ",") + (name == kNameLabel ? "metric" : name);
    }
    return text;
}

}  // namespace ringside::ctl
