#include "agent/api/vm_filter.h"

#include <string_view>

#include "agent/api/errors.h"
#include "agent/api/wire.h"
#include "agent/segment/name.h"
#include "libwriter/toml/nearest.h"

namespace ringside::agent {
namespace {

constexpr std::size_t kEpochDigits = 32;
constexpr std::size_t kNearestMax = 5;

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

std::string quoted(const std::string& text) { return "'" + text.substr(0, 80) + "'"; }

grpc::Status check_names(const VmFilter& filter) {
    for (const std::string& vm_id : filter.vm_ids) {
        if (!valid_vm_id(vm_id)) {
            return invalid("vm_id " + quoted(vm_id) +
                           ": a vm_id has 1 to 63 of A-Z a-z 0-9 . _ : - and begins with a " + "letter or digit");
        }
    }
    if (filter.component && !filter.component->empty() && !valid_component(*filter.component)) {
        return invalid("component " + quoted(*filter.component) +
                       ": a component has 1 to 31 of a-z 0-9 _ -; the empty one is the VMM itself");
    }
    if (!std::ranges::all_of(filter.epoch_prefix, is_hex) || filter.epoch_prefix.size() > kEpochDigits) {
        return invalid("epoch " + quoted(filter.epoch_prefix) + ": an epoch has 32 lower-case hex digits; the first " +
                       "ones are enough");
    }
    return grpc::Status::OK;
}

}  // namespace

bool VmFilter::fits(const VmInfo& vm) const {
    if (!vm_ids.empty() && !vm_ids.contains(vm.vm_id)) return false;
    if (component && *component != vm.component) return false;
    if (!states.empty() && !states.contains(vm.state)) return false;
    return epoch_prefix.empty() || epoch_text(vm.epoch).starts_with(epoch_prefix);
}

grpc::Status parse_filter(const v1::VmFilter& wire, VmFilter* filter) {
    if (static_cast<std::size_t>(wire.vm_ids_size()) > kFilterVmsMax) {
        return invalid("a filter has at most " + std::to_string(kFilterVmsMax) + " vm_ids, this one has " +
                       std::to_string(wire.vm_ids_size()));
    }
    filter->vm_ids.insert(wire.vm_ids().begin(), wire.vm_ids().end());
    if (wire.has_component()) filter->component = wire.component();
    filter->epoch_prefix = wire.epoch();
    for (int number : wire.states()) {
        const auto state = from_wire(static_cast<v1::VmState>(number));
        if (!state) return invalid("state " + std::to_string(number) + " is none of VmState's");
        filter->states.insert(*state);
    }
    return check_names(*filter);
}

grpc::Status parse_filter(const std::string& vm_id, const std::optional<std::string>& component,
                          const std::string& epoch, VmFilter* filter) {
    filter->vm_ids.insert(vm_id);
    filter->component = component;
    filter->epoch_prefix = epoch;
    return check_names(*filter);
}

std::vector<CatalogVmPtr> visible_vms(const Backend& backend, const VmFilter& filter, const Caller& caller) {
    std::vector<CatalogVmPtr> found;
    const auto view = backend.view();
    for (const CatalogVmPtr& vm : view->vms) {
        if (caller.may_see(vm->known().uid) && filter.fits(vm->known())) found.push_back(vm);
    }
    return found;
}

grpc::Status check_started(const Backend& backend) {
    if (backend.ready()) return grpc::Status::OK;
    return to_status(grpc::StatusCode::UNAVAILABLE,
                     "the agent is starting and still looks through its segments; try again in a second",
                     v1::ERROR_REASON_STARTING);
}

grpc::Status check_vm_ids(const Backend& backend, const VmFilter& filter, const Caller& caller) {
    if (filter.vm_ids.empty()) return grpc::Status::OK;
    std::set<std::string> visible;
    const auto view = backend.view();
    for (const CatalogVmPtr& vm : view->vms) {
        if (caller.may_see(vm->known().uid)) visible.insert(vm->known().vm_id);
    }
    for (const std::string& vm_id : filter.vm_ids) {
        if (visible.contains(vm_id)) continue;
        v1::ErrorInfo info;
        info.set_reason(v1::ERROR_REASON_NO_SUCH_VM);
        const std::string text = "there is no VM " + quoted(vm_id) + hint(vm_id, visible, &info);
        return to_status(grpc::StatusCode::NOT_FOUND, text, info);
    }
    return grpc::Status::OK;
}

grpc::Status no_such_epoch(const VmFilter& filter) {
    std::string text = "VM " + quoted(*filter.vm_ids.begin()) + " is known, but not";
    if (filter.component) text += " with component " + quoted(*filter.component);
    if (!filter.epoch_prefix.empty()) {
        text += (filter.component ? std::string(" and") : std::string()) + " with epoch " + filter.epoch_prefix;
    }
    return to_status(grpc::StatusCode::NOT_FOUND, text + "; list the VM to see what there is of it",
                     v1::ERROR_REASON_NO_SUCH_VM);
}

std::string hint(const std::string& wanted, const std::set<std::string>& names, v1::ErrorInfo* info) {
    const std::vector<std::string_view> known(names.begin(), names.end());
    const auto nearest = nearest_names(wanted, known, kNearestMax);
    for (std::string_view name : nearest) info->add_nearest(std::string(name));
    return did_you_mean(nearest);
}

}  // namespace ringside::agent
