#include "agent/drain/troubles.h"

namespace ringside::agent {

std::optional<std::string> Troubles::failed(const std::string& key, DrainStep step, const Error& error) {
    const std::string name =
        std::string(drain_step_name(step)) + " " + code_name(error.code) + " " + std::to_string(error.errno_value);
    std::lock_guard lock(mutex_);
    auto vm = vms_.find(key);
    if (vm != vms_.end() && vm->second == name) {
        ++kinds_[name].attempts;
        return std::nullopt;
    }
    // Of a VM whose trouble has changed the old one is not worth a line: it has not passed, it has got worse or better.
    (void)leave(key);
    vms_[key] = name;
    Kind& kind = kinds_[name];
    ++kind.vms;
    ++kind.vms_ever;
    ++kind.attempts;
    if (kind.vms_ever > 1) return std::nullopt;
    kind.step = step;
    return "drain of VM " + key + " failed at step " + drain_step_name(step) + ": " + error.message() +
           "; it is tried again, the segment stays until then; further failures of this kind are counted in "
           "ringside_drain_failures_total and not logged";
}

std::optional<std::string> Troubles::ended(const std::string& key) {
    std::lock_guard lock(mutex_);
    return leave(key);
}

// With mutex_ held.
std::optional<std::string> Troubles::leave(const std::string& key) {
    auto vm = vms_.find(key);
    if (vm == vms_.end()) return std::nullopt;
    auto kind = kinds_.find(vm->second);
    vms_.erase(vm);
    if (--kind->second.vms > 0) return std::nullopt;
    const Kind over = std::move(kind->second);
    kinds_.erase(kind);
    return std::string("drains have passed step ") + drain_step_name(over.step) +
           " again: " + std::to_string(over.attempts) + " attempts failed, of " + std::to_string(over.vms_ever) +
           " VMs";
}

}  // namespace ringside::agent
