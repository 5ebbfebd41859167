// What an upstream must have acknowledged of a VM, counted again from the VM's windows, beside what it did acknowledge.
#pragma once

#include "agent/audit/report.h"
#include "agent/upstream/options.h"

namespace ringside::agent {

// `ledger`: what the upstream of these options keeps of the VM that `source` is. The errors are those of the source, when
// nothing of it can be read now.
Result<UpstreamAudit> recount(const UpstreamOptions& options, const SeriesSource& source, const Ledger& ledger);

}  // namespace ringside::agent
