#include "agent/upstream/rollup_plans.h"

#include <optional>
#include <utility>

namespace ringside::agent {
namespace {

constexpr std::uint32_t kFineResolutionMin = 10;  // seconds: finer windows are too many for the centre

std::optional<std::uint32_t> fine_tier(const SchemaInfo& schema, const RollupPlan& usual) {
    const TierInfo& whole = schema.tiers[usual.tier()];
    std::uint32_t columns = 0;
    for (const MetricRollup& metric : usual.metrics()) columns |= metric.columns;
    for (std::uint32_t i = 0; i < usual.tier(); ++i) {
        const TierInfo& tier = schema.tiers[i];
        const std::uint64_t held_s = std::uint64_t{tier.resolution_s} * tier.slots;
        // A life of less than a whole window touches one fine window more than fit into it.
        const bool fits = held_s >= std::uint64_t{whole.resolution_s} + tier.resolution_s;
        if (tier.resolution_s < kFineResolutionMin || !fits) continue;
        if ((columns & ~tier.columns) == 0) return i;
    }
    return std::nullopt;
}

}  // namespace

RollupPlans::RollupPlans(std::shared_ptr<const SchemaInfo> schema, const RollupChoice& choice)
    : usual_(std::make_shared<const RollupPlan>(schema, choice)) {
    if (!choice.short_vms) return;
    if (auto tier = fine_tier(*schema, *usual_)) fine_ = std::make_shared<const RollupPlan>(*usual_, *tier);
}

bool RollupPlans::ended_short(const VmInfo& vm) const {
    if (vm.rebases != 0 || vm.ended_ns < begun_ns(vm)) return false;
    return vm.ended_ns - begun_ns(vm) < usual_->resolution_ns();
}

const std::shared_ptr<const RollupPlan>& RollupPlans::of(const VmInfo& vm) const {
    return fine_ && vm.state == VmState::kDrained && ended_short(vm) ? fine_ : usual_;
}

std::uint64_t RollupPlans::held_until_ns(const VmInfo& vm) const {
    if (!fine_ || vm.state == VmState::kDrained || vm.rebases != 0) return 0;
    if (vm.ended_ns != 0) return ended_short(vm) ? UINT64_MAX : 0;
    const std::uint64_t begun = begun_ns(vm);
    return begun > UINT64_MAX - usual_->resolution_ns() ? 0 : begun + usual_->resolution_ns();
}

}  // namespace ringside::agent
