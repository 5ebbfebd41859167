// Which VMs a request means, out of those that its caller may see. Every method that names VMs goes through here, so a
// VM that a tenant may not see does not exist for it anywhere, not even in the spelling hints of an error.
#pragma once

#include <grpcpp/support/status.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/api/backend.h"
#include "agent/base/caller.h"
#include "ringside/v1/error.pb.h"
#include "ringside/v1/vm.pb.h"

namespace ringside::agent {

inline constexpr std::size_t kFilterVmsMax = 1000;  // vm_ids in one filter

struct VmFilter {
    std::set<std::string> vm_ids;  // empty: any
    std::optional<std::string> component;
    std::string epoch_prefix;
    std::set<VmState> states;  // empty: any

    bool fits(const VmInfo& vm) const;
};

// INVALID_ARGUMENT with the field and what is allowed.
grpc::Status parse_filter(const v1::VmFilter& wire, VmFilter* filter);
// The same from the fields of GetVm and Drain.
grpc::Status parse_filter(const std::string& vm_id, const std::optional<std::string>& component,
                          const std::string& epoch, VmFilter* filter);

// In the order of the view.
std::vector<CatalogVmPtr> visible_vms(const Backend& backend, const VmFilter& filter, const Caller& caller);

// UNAVAILABLE until the first scan is over: before that there are the VMs of the archive and perhaps some others, and an
// answer from those would look like a host that is empty. Asked before all else by whatever chooses VMs.
grpc::Status check_started(const Backend& backend);
// OK when each vm_id of the filter is that of some VM the caller may see, else NOT_FOUND for the first that is not.
grpc::Status check_vm_ids(const Backend& backend, const VmFilter& filter, const Caller& caller);
// NOT_FOUND for a VM that is there, but not with the component or epoch asked for.
grpc::Status no_such_epoch(const VmFilter& filter);

// "; did you mean a or b?" for those of `names` that look like `wanted`, which go into `info` too; or nothing.
std::string hint(const std::string& wanted, const std::set<std::string>& names, v1::ErrorInfo* info);

}  // namespace ringside::agent
