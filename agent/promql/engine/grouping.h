// Which group of an aggregation a row belongs to.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/promql/engine/evaluator.h"

namespace ringside::agent::promql {

class Grouping {
  public:
    Grouping(const std::vector<std::string>& labels, bool without);

    // The group's number, counted from 0 in the order of appearance. By labels it asks the row for those alone.
    std::size_t group_of(const RowLabels& row);
    std::size_t count() const { return group_labels_.size(); }
    const Labels& labels(std::size_t group) const { return group_labels_[group]; }

  private:
    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
    };

    Labels labels_without(const RowLabels& row) const;

    std::vector<std::string> names_;  // sorted, each once
    bool without_;
    std::vector<std::string> values_;  // of names_ in the row before
    std::string key_;
    RowLabels last_;  // the row before
    std::size_t last_group_ = 0;
    std::unordered_map<std::string, std::size_t, TextHash, std::equal_to<>> by_values_;
    std::unordered_map<Labels, std::size_t, LabelsHash> by_labels_;
    std::vector<Labels> group_labels_;
};

}  // namespace ringside::agent::promql
