#include "agent/api/backend.h"

#include <algorithm>

namespace ringside::agent {

bool VmQuery::fits(const VmInfo& vm) const {
    if (uid && *uid != vm.uid) return false;
    if (component && *component != vm.component) return false;
    if (!vm_ids.empty() && std::ranges::find(vm_ids, vm.vm_id) == vm_ids.end()) return false;
    if (!states.empty() && std::ranges::find(states, vm.state) == states.end()) return false;
    return epoch_prefix.empty() || epoch_text(vm.epoch).starts_with(epoch_prefix);
}

}  // namespace ringside::agent
