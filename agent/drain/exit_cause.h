// How a VM ended, from what its segment and the host still say.
#pragma once

#include "agent/base/boot_id.h"
#include "agent/base/model.h"

namespace ringside::agent {

// For a VM whose writer is known to be gone; what vm.exit_cause says already stands, where it is definite. In this
// order:
//   the writer closed the segment                    closed (before a reboot or not: it had finished)
//   segment and host name different boots            host-rebooted
//   a writer had attached, and did not close         killed
//   none of these                                    unknown
ExitCause exit_cause(const VmInfo& vm, const BootId& segment_boot, const BootId& host_boot);

}  // namespace ringside::agent
