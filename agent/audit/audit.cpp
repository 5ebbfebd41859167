#include "agent/audit/audit.h"

#include <utility>

#include "agent/audit/tiers.h"

namespace ringside::agent {

Result<VmAudit> audit_vm(const SeriesSource& source) {
    VmAudit audit;
    audit.vm = source.vm();
    audit.schema = source.schema();
    Result<std::vector<SeriesInfo>> series = source.series();
    if (!series.ok()) return series.error();
    audit.series.reserve(series->size());
    for (SeriesInfo& one : *series) {
        audit.series.push_back(audit_series(source, *audit.schema, audit.vm, std::move(one)));
    }
    return audit;
}

Result<VmAudit> audit_until_settled(const std::function<Result<VmAudit>()>& look) {
    constexpr int kLooks = 3;
    Result<VmAudit> audit = look();
    for (int looks = 1; looks < kLooks && audit.ok() && verdict_of(*audit) == AuditVerdict::kDiffers; ++looks) {
        audit = look();
    }
    return audit;
}

}  // namespace ringside::agent
