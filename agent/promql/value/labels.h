// The labels of a series as the evaluator passes them on: immutable, shared, cheap to copy, compare and hash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "agent/base/labels.h"

namespace ringside::agent::promql {

inline constexpr std::string_view kTypeLabel = "__type__";
inline constexpr std::string_view kUnitLabel = "__unit__";
inline constexpr std::string_view kBucketLabel = "le";

// __name__, __type__ and __unit__: what no longer fits once a function has changed the meaning of the values.
bool is_metadata_label(std::string_view name);

class Labels {
  public:
    Labels() = default;  // the empty set
    // `set` is sorted by name, each name once, no empty value; see LabelsBuilder for anything else.
    explicit Labels(LabelSet set);

    const LabelSet& set() const;
    bool empty() const { return rep_ == nullptr; }
    std::string_view get(std::string_view name) const;  // "" where the set has none
    std::string_view metric_name() const { return get(kNameLabel); }

    // XXH64 of the labels laid out as Prometheus' default build lays them out, since limit_ratio() chooses by it.
    std::uint64_t hash() const { return rep_ ? rep_->hash : kEmptyHash; }

    Labels without_metadata() const;
    // `{__name__="x", a="b"}`, as messages show it; names outside [a-zA-Z_][a-zA-Z0-9_]* in quotes, too.
    std::string text() const;

    friend bool operator==(const Labels& a, const Labels& b) {
        return a.rep_ == b.rep_ || (a.hash() == b.hash() && a.set() == b.set());
    }
    // By the first label that differs, name before value.
    friend auto operator<=>(const Labels& a, const Labels& b) { return a.set() <=> b.set(); }

  private:
    static constexpr std::uint64_t kEmptyHash = 0xef46db3751d8e999;  // XXH64 of nothing

    struct Rep {
        LabelSet set;
        std::uint64_t hash;
    };
    std::shared_ptr<const Rep> rep_;  // null for the empty set
};

struct LabelsHash {
    std::size_t operator()(const Labels& labels) const { return labels.hash(); }
};

// Changes a set label by label. Names in `names` need not be sorted.
class LabelsBuilder {
  public:
    LabelsBuilder() = default;
    explicit LabelsBuilder(const Labels& labels) : set_(labels.set()) {}

    void set(std::string_view name, std::string_view value);  // an empty value erases
    void erase(std::string_view name) { set(name, ""); }
    void erase(std::span<const std::string> names);
    void keep(std::span<const std::string> names);
    std::string_view get(std::string_view name) const { return label_value(set_, name); }

    Labels labels() const { return Labels(set_); }

  private:
    LabelSet set_;
};

}  // namespace ringside::agent::promql
