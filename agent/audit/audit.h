// One VM epoch audited, as far as its own bytes go. What upstreams have of it is added by recount.h.
#pragma once

#include <functional>

#include "agent/audit/report.h"
#include "agent/base/model.h"

namespace ringside::agent {

// Every series in every tier. The error is that of a source which cannot say which series it has.
Result<VmAudit> audit_vm(const SeriesSource& source);

// What `look` finds, which reads a VM's tiers and then what upstreams have of it. A difference is looked at again, twice at
// most: a VM that is drained and pushed between the two looks like one, but not for long.
Result<VmAudit> audit_until_settled(const std::function<Result<VmAudit>()>& look);

}  // namespace ringside::agent
