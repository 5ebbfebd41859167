#include "agent/upstream/choice.h"

#include <algorithm>
#include <utility>

namespace ringside::agent {

bool RollupChoice::takes(const std::string& metric) const {
    auto matches = [&](const Pattern& pattern) { return pattern.matches(metric); };
    if (std::any_of(drop.begin(), drop.end(), matches)) return false;
    return keep.empty() || std::any_of(keep.begin(), keep.end(), matches);
}

bool RollupChoice::takes(const MetricInfo& metric) const {
    const std::uint32_t kind = kind_bit(metric.kind);
    return takes(metric.name) && std::none_of(replaced.begin(), replaced.end(), [&](const Replaced& one) {
               return (one.kinds & kind) != 0 && one.metrics.matches(metric.name);
           });
}

Result<std::uint32_t> parse_column(const std::string& text) {
    constexpr std::pair<const char*, std::uint32_t> kColumns[] = {
        {"last", kColumnLast}, {"min", kColumnMin},     {"max", kColumnMax},
        {"sum", kColumnSum},   {"count", kColumnCount}, {"buckets", kColumnBuckets},
    };
    std::string known;
    for (auto [name, column] : kColumns) {
        if (text == name) return column;
        known += (known.empty() ? "" : ", ") + std::string(name);
    }
    return error(Code::kInvalid, "'" + text + "' is no column; use some of " + known);
}

}  // namespace ringside::agent
