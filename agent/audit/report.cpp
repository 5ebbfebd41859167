#include "agent/audit/report.h"

#include <algorithm>

namespace ringside::agent {

const char* ack_verdict_name(AckVerdict verdict) {
    switch (verdict) {
        case AckVerdict::kEqual: return "equal";
        case AckVerdict::kLost: return "lost";
        case AckVerdict::kUnknown: return "unknown";
        case AckVerdict::kDiffers: return "differs";
    }
    return "unknown";
}

const char* audit_verdict_name(AuditVerdict verdict) {
    switch (verdict) {
        case AuditVerdict::kEqual: return "equal";
        case AuditVerdict::kLossy: return "lossy";
        case AuditVerdict::kDiffers: return "differs";
    }
    return "unknown";
}

AuditVerdict verdict_of(const VmAudit& audit) {
    auto worst = AuditVerdict::kEqual;
    auto found = [&](bool is, AuditVerdict verdict) {
        if (is) worst = std::max(worst, verdict);
    };
    for (const SeriesAudit& series : audit.series) {
        found(!series.unreadable.empty(), AuditVerdict::kLossy);
        found(series.differing > 0, AuditVerdict::kDiffers);
    }
    found(audit.archive && !audit.archive->empty(), AuditVerdict::kLossy);
    for (const UpstreamAudit& upstream : audit.upstreams) {
        found(!upstream.ledger.losses.empty(), AuditVerdict::kLossy);
        found(upstream.verdict == AckVerdict::kDiffers, AuditVerdict::kDiffers);
    }
    return worst;
}

}  // namespace ringside::agent
