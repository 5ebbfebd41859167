// What a cumulative series has come to, and how one is added to another.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "agent/base/model.h"

namespace ringside::agent {

// A sum ends there and begins anew: beyond it a double, which is what leaves, would swallow small increases.
inline constexpr std::uint64_t kRuleTotalMax = std::uint64_t{1} << 53;
// More than that in one window is no count: a VM that says so must not bring the sum of all to its end at once.
inline constexpr std::uint64_t kRuleIncreaseMax = std::uint64_t{1} << 44;

// A cumulative series at one instant.
struct RuleTotal {
    std::uint64_t value = 0;  // of a counter, as in SeriesData
    std::uint64_t count = 0;  // of a histogram
    double sum = 0;
    std::vector<std::uint64_t> buckets;
    bool operator==(const RuleTotal&) const = default;
};

// The total at one point of a counter or histogram; nothing where the tier does not keep it.
std::optional<RuleTotal> total_at(const MetricInfo& metric, const SeriesData& data, std::size_t at);

// Whether `now` is no less than `before`: two totals of one series, of which the clock may have shown the older one later.
bool grown(Kind kind, const RuleTotal& now, const RuleTotal& before);

enum class Added { kAdded, kNoNumber, kFull };

// Adds what a series has grown by. Nothing is added where that is no number, or more than there is room for in `to`.
Added add_increase(Kind kind, const RuleTotal& now, const RuleTotal& before, RuleTotal& to);

}  // namespace ringside::agent
