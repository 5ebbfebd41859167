// Budgets: how much a VM, and all VMs of a host together, may take. They refuse at the door and never take back.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>

#include "agent/base/model.h"

namespace ringside::agent {

// What segments take, or will take. A segment counts with what its schema provides for, used or not, because a
// VM that was let in may fill it at any time.
struct Demand {
    std::uint64_t segment_bytes = 0;
    std::uint64_t series = 0;
    std::uint64_t label_bytes = 0;

    Demand& operator+=(const Demand& other);  // stays at the top instead of wrapping around
    Demand& operator-=(const Demand& other);  // of something that was added before
    bool operator==(const Demand&) const = default;
};
Demand demand_of(const VmInfo& vm, const SchemaInfo& schema);

struct Budgets {
    // Of one VM with all its components. 0: no limit.
    std::uint64_t vm_bytes = 64ull << 20;
    std::uint64_t vm_series = 20'000;
    std::uint64_t vm_label_bytes = 4ull << 20;
    // Of all VMs of the host.
    std::uint64_t host_bytes = 16ull << 30;
    std::uint64_t host_series = 4'000'000;
    std::uint64_t host_label_bytes = 1ull << 30;
    std::uint64_t host_segments = 10'000;
    // Whether a VM needs an admission before its segment is taken in.
    bool admission_required = false;
    // How long an admission waits for the VM's segment, and how long it outlives the last one.
    std::uint64_t admission_ttl_ns = 600ull * 1'000'000'000;

    bool operator==(const Budgets&) const = default;
};

// Which budget is used up.
enum class BudgetKind {
    kVmBytes,
    kVmSeries,
    kVmLabelBytes,
    kHostBytes,
    kHostSeries,
    kHostLabelBytes,
    kHostSegments,
    kAdmitted,  // more than was admitted for this VM
};
const char* budget_name(BudgetKind kind);  // "vm-bytes" and so on, as the options are called

// Why something does not fit.
struct OverBudget {
    BudgetKind kind = BudgetKind::kHostBytes;
    std::uint64_t limit = 0;
    std::uint64_t used = 0;  // by others already
    std::uint64_t asked = 0;

    // What does not fit, and the next step.
    std::string message() const;
};

// The first budget that does not hold when `asked` comes on top of `used`; nothing when all do.
std::optional<OverBudget> check_vm(const Budgets& budgets, const Demand& used, const Demand& asked);
// `segments` are there already, one more is asked for.
std::optional<OverBudget> check_host(const Budgets& budgets, const Demand& used, std::uint64_t segments,
                                     const Demand& asked);
// What was admitted for a VM, where a 0 was not said and limits nothing.
std::optional<OverBudget> check_admitted(const Demand& admitted, const Demand& used, const Demand& asked);

}  // namespace ringside::agent
