// What of one VM is rolled up, read from its source: the one way for those that push and those that check it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "agent/base/labels.h"
#include "agent/base/model.h"
#include "agent/upstream/options.h"
#include "agent/upstream/rollup.h"
#include "agent/upstream/rollup_plan.h"

namespace ringside::agent {

// How this upstream rolls up the VM, as far as the VM is known: one that ended shortly after its begin leaves by finer
// windows. `schema` is the VM's.
std::shared_ptr<const RollupPlan> plan_for(const UpstreamOptions& options, std::shared_ptr<const SchemaInfo> schema,
                                           const VmInfo& vm);

// The labels that the agent puts on every series of a VM for this upstream, sorted.
LabelSet labels_on_everything(const UpstreamOptions& options, const VmInfo& vm);

// A digest of all of the options that decides which samples a VM's windows become.
std::uint64_t shape_of(const UpstreamOptions& options);

// Whether a series or VM that was answered so will never be readable: its bytes are bad, or evicted.
bool lost_for_good(Code code);

struct VmWindows {
    std::vector<SeriesWindows> series;  // that can be read, with the columns that the plan rolls up
    std::vector<std::uint32_t> failed;  // indices of those that never can
};

// The windows of the range (its tier and columns are the plan's), of all series. An error of one series that may pass is
// the error of all: worth another try later.
Result<VmWindows> read_windows(const SeriesSource& source, const RollupPlan& plan, ReadRequest range);

}  // namespace ringside::agent
