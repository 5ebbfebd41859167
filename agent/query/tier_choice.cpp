#include "agent/query/tier_choice.h"

#include <algorithm>
#include <utility>

#include "agent/base/clock.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;

}  // namespace

std::uint64_t newest_ns(const VmInfo& vm, std::uint64_t now_ns) {
    return vm.ended_ns ? vm.ended_ns : std::max(now_ns, vm.last_write_ns);
}

bool reaches(const TierInfo& tier, const VmInfo& vm, std::uint64_t begin_ns, std::uint64_t now_ns) {
    // One window more than the ring has slots: who asked for the last 300 of 300 windows may lose the first while the
    // request is on its way, and is served better by the other 299 than by a coarser tier.
    const std::uint64_t history_ns = std::uint64_t{tier.resolution_s} * (std::uint64_t{tier.slots} + 1) * kNsPerS;
    return minus(newest_ns(vm, now_ns), history_ns) <= begin_ns;
}

std::optional<std::uint32_t> pick_tier(const SchemaInfo& schema, const VmInfo& vm, std::uint32_t resolution_s,
                                       std::uint64_t begin_ns, std::uint64_t now_ns, std::uint64_t window_max_s) {
    auto count = static_cast<std::uint32_t>(schema.tiers.size());
    if (count == 0) return std::nullopt;
    // Nobody has to reach back to before the VM recorded. After a step back of the clock its begin may lie in a time that
    // has not come again, and says nothing.
    if (vm.rebases == 0) begin_ns = std::max(begin_ns, begun_ns(vm));
    if (resolution_s == 0) {
        while (count > 1 && schema.tiers[count - 1].resolution_s > window_max_s) --count;
    }
    for (std::uint32_t tier = 0; tier < count; ++tier) {
        if (resolution_s != 0 ? schema.tiers[tier].resolution_s == resolution_s
                              : reaches(schema.tiers[tier], vm, begin_ns, now_ns)) {
            return tier;
        }
    }
    if (resolution_s != 0) return std::nullopt;
    return count - 1;
}

std::uint64_t window_max_s(std::string_view function, std::int64_t range_ms) {
    constexpr std::string_view kNeedTwo[] = {
        "rate",  "increase", "delta",  "irate",          "idelta",
        "deriv", "changes",  "resets", "predict_linear", "double_exponential_smoothing"};
    const bool needs_two = std::ranges::find(kNeedTwo, function) != std::end(kNeedTwo);
    return static_cast<std::uint64_t>(range_ms) / 1000 / (needs_two ? 2 : 1);
}

std::uint32_t columns_for(std::string_view function) {
    constexpr std::pair<std::string_view, std::uint32_t> kNeeds[] = {
        {"avg_over_time", kColumnSum | kColumnCount},
        {"sum_over_time", kColumnSum},
        {"count_over_time", kColumnCount},
        {"max_over_time", kColumnMax},
        {"min_over_time", kColumnMin},
    };
    for (const auto& [name, columns] : kNeeds) {
        if (name == function) return columns;
    }
    return 0;
}

}  // namespace ringside::agent
