// The plans of one schema for one upstream, and which of them a VM's windows leave by.
//
// A VM that lived for less than one window of the upstream's tier would be a dot at the centre. It leaves with the
// windows of a finer tier instead, under the names of the usual one (x:5m_max every 10 s, say): the finest tier of at
// least 10 s that keeps all columns that would have left, and whose ring holds more than a window of the usual tier.
//
//  S1  Whether a VM is short follows from its begin and its end alone, which are the same after any restart.
//  S2  No usual window of it has left before that is known: the first window of a live VM waits until the VM
//      is as old as a window. (One whose death nobody noticed until then goes on with what is left, in order.)
#pragma once

#include <cstdint>
#include <memory>

#include "agent/base/model.h"
#include "agent/upstream/choice.h"
#include "agent/upstream/rollup_plan.h"

namespace ringside::agent {

class RollupPlans {
  public:
    // `schema` has a tier.
    RollupPlans(std::shared_ptr<const SchemaInfo> schema, const RollupChoice& choice);

    const RollupPlan& usual() const { return *usual_; }
    // The plan for a VM as far as it is known.
    const std::shared_ptr<const RollupPlan>& of(const VmInfo& vm) const;
    // No window of the VM leaves before this time; 0: now, UINT64_MAX: not before it is drained.
    std::uint64_t held_until_ns(const VmInfo& vm) const;

  private:
    bool ended_short(const VmInfo& vm) const;

    std::shared_ptr<const RollupPlan> usual_;
    std::shared_ptr<const RollupPlan> fine_;  // for short VMs; null: none
};

}  // namespace ringside::agent
