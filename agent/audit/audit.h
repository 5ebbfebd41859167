// One VM epoch audited, as far as its own bytes go. What upstreams have of it is added by recount.h.
#pragma once

#include "agent/audit/report.h"
#include "agent/base/model.h"

namespace ringside::agent {

// Every series in every tier. The error is that of a source which cannot say which series it has.
Result<VmAudit> audit_vm(const SeriesSource& source);

}  // namespace ringside::agent
