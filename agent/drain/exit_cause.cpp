#include "agent/drain/exit_cause.h"

namespace ringside::agent {

ExitCause exit_cause(const VmInfo& vm, const BootId& segment_boot, const BootId& host_boot) {
    if (vm.exit_cause == ExitCause::kClosed || vm.closed_ns != 0) return ExitCause::kClosed;
    if (vm.exit_cause == ExitCause::kHostRebooted) return ExitCause::kHostRebooted;
    bool known = segment_boot != BootId{} && host_boot != BootId{};
    if (known && segment_boot != host_boot) return ExitCause::kHostRebooted;
    if (vm.attached_ns != 0) return ExitCause::kKilled;
    return ExitCause::kUnknown;
}

}  // namespace ringside::agent
