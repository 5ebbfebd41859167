#include "agent/promql/engine/grouping.h"

#include <algorithm>

namespace ringside::agent::promql {

Grouping::Grouping(const std::vector<std::string>& labels, bool without) : names_(labels), without_(without) {
    std::sort(names_.begin(), names_.end());
    names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
    values_.resize(names_.size());
}

Labels Grouping::labels_without(const RowLabels& row) const {
    LabelsBuilder builder(row.labels());
    builder.erase(names_);
    builder.erase(kNameLabel);
    return builder.labels();
}

std::size_t Grouping::group_of(const RowLabels& row) {
    if (without_) {
        auto [at, is_new] = by_labels_.try_emplace(labels_without(row), group_labels_.size());
        if (is_new) group_labels_.push_back(at->first);
        return at->second;
    }
    // Rows of one group often come in a row: those need no key.
    const bool known_same = row.same_values(last_, names_);
    last_ = row;
    if (known_same) return last_group_;
    bool same = count() > 0;
    for (std::size_t i = 0; i < names_.size(); ++i) {
        std::string_view value = row.label(names_[i]);
        if (value == values_[i]) continue;
        values_[i] = value;
        same = false;
    }
    if (same) return last_group_;
    key_.clear();
    for (const std::string& value : values_) {
        // With its length, so that no two lists of values look the same.
        auto size = static_cast<std::uint32_t>(value.size());
        key_.append(reinterpret_cast<const char*>(&size), sizeof size);
        key_.append(value);
    }
    if (auto known = by_values_.find(std::string_view(key_)); known != by_values_.end()) {
        return last_group_ = known->second;
    }
    LabelsBuilder builder;
    for (std::size_t i = 0; i < names_.size(); ++i) builder.set(names_[i], values_[i]);
    by_values_.emplace(key_, group_labels_.size());
    group_labels_.push_back(builder.labels());
    return last_group_ = group_labels_.size() - 1;
}

}  // namespace ringside::agent::promql
