#include "agent/api/vm_filter.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "agent/api/errors.h"
#include "agent/api/wire.h"
#include "agent/segment/name.h"

namespace ringside::agent {
namespace {

constexpr std::size_t kVmIdMax = 63;
constexpr std::size_t kEpochDigits = 32;
constexpr std::size_t kNearestMax = 5;

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

// Letters to insert, remove, replace or swap. Names have at most 63 letters, so rows fit on the stack.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::array<std::array<std::size_t, kVmIdMax + 1>, 3> rows{};
    for (std::size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        auto& row = rows[i % 3];
        const auto& above = rows[(i - 1) % 3];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) row[j] = std::min(row[j], rows[(i - 2) % 3][j - 2] + 1);
        }
    }
    return rows[a.size() % 3][b.size()];
}

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
    for (const CatalogVmPtr& vm : backend.view()->vms) {
        if (caller.may_see(vm->known().uid) && filter.fits(vm->known())) found.push_back(vm);
    }
    return found;
}

grpc::Status check_vm_ids(const Backend& backend, const VmFilter& filter, const Caller& caller) {
    if (filter.vm_ids.empty()) return grpc::Status::OK;
    std::set<std::string> visible;
    for (const CatalogVmPtr& vm : backend.view()->vms) {
        if (caller.may_see(vm->known().uid)) visible.insert(vm->known().vm_id);
    }
    for (const std::string& vm_id : filter.vm_ids) {
        if (visible.contains(vm_id)) continue;
        if (!backend.ready()) {
            return to_status(grpc::StatusCode::UNAVAILABLE,
                             "VM " + quoted(vm_id) + " was not found yet: the agent has just started and is still " +
                                 "looking through its segments; try again",
                             v1::ERROR_REASON_STARTING);
        }
        v1::ErrorInfo info;
        info.set_reason(v1::ERROR_REASON_NO_SUCH_VM);
        const auto nearest = nearest_names(vm_id, visible);
        for (const std::string& name : nearest) info.add_nearest(name);
        return to_status(grpc::StatusCode::NOT_FOUND, "there is no VM " + quoted(vm_id) + hint(nearest), info);
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

std::vector<std::string> nearest_names(const std::string& wanted, const std::set<std::string>& names) {
    std::vector<std::pair<std::size_t, std::string>> ranked;
    const std::size_t farthest = std::max<std::size_t>(2, wanted.size() / 3);
    for (const std::string& name : names) {
        if (name.size() > kVmIdMax || wanted.size() > kVmIdMax) continue;
        std::size_t distance = edit_distance(wanted, name);
        // Somebody who types half a name means it, too.
        const bool part = wanted.size() >= 2 && name.find(wanted) != std::string::npos;
        if (part) distance = std::min(distance, farthest);
        if (distance <= farthest) ranked.emplace_back(distance, name);
    }
    std::ranges::sort(ranked);
    std::vector<std::string> nearest;
    for (std::size_t i = 0; i < std::min(ranked.size(), kNearestMax); ++i) nearest.push_back(ranked[i].second);
    return nearest;
}

std::string hint(const std::vector<std::string>& nearest) {
    if (nearest.empty()) return "";
    std::string text = "; did you mean ";
    for (std::size_t i = 0; i < nearest.size(); ++i) text += (i == 0 ? "" : ", ") + nearest[i];
    return text + "?";
}

}  // namespace ringside::agent
