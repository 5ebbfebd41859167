#include "agent/api/backend.h"

namespace ringside::agent {

std::vector<BudgetReport> budget_reports(const Budgets& budgets, const CatalogUsage& usage) {
    const Demand& used = usage.segments;
    const Demand& reserved = usage.reserved;
    return {
        {BudgetKind::kVmBytes, budgets.vm_bytes, {}, {}},
        {BudgetKind::kVmSeries, budgets.vm_series, {}, {}},
        {BudgetKind::kVmLabelBytes, budgets.vm_label_bytes, {}, {}},
        {BudgetKind::kHostBytes, budgets.host_bytes, used.segment_bytes, reserved.segment_bytes},
        {BudgetKind::kHostSeries, budgets.host_series, used.series, reserved.series},
        {BudgetKind::kHostLabelBytes, budgets.host_label_bytes, used.label_bytes, reserved.label_bytes},
        {BudgetKind::kHostSegments, budgets.host_segments, usage.segment_count, usage.reserved_count},
    };
}

}  // namespace ringside::agent
