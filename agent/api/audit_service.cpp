// Audit.
#include <algorithm>
#include <utility>
#include <vector>

#include "agent/api/errors.h"
#include "agent/api/services.h"
#include "agent/api/vm_filter.h"
#include "agent/api/wire.h"
#include "agent/audit/report.h"
#include "ringside/v1/audit.grpc.pb.h"

namespace ringside::agent {
namespace {

v1::AuditVerdict to_wire(AuditVerdict verdict) {
    switch (verdict) {
        case AuditVerdict::kEqual: return v1::AUDIT_VERDICT_EQUAL;
        case AuditVerdict::kLossy: return v1::AUDIT_VERDICT_LOSSY;
        case AuditVerdict::kDiffers: return v1::AUDIT_VERDICT_DIFFERS;
    }
    return v1::AUDIT_VERDICT_UNSPECIFIED;
}

v1::AcknowledgedVerdict to_wire(AckVerdict verdict) {
    switch (verdict) {
        case AckVerdict::kEqual: return v1::ACKNOWLEDGED_VERDICT_EQUAL;
        case AckVerdict::kLost: return v1::ACKNOWLEDGED_VERDICT_LOST;
        case AckVerdict::kUnknown: return v1::ACKNOWLEDGED_VERDICT_UNKNOWN;
        case AckVerdict::kDiffers: return v1::ACKNOWLEDGED_VERDICT_DIFFERS;
    }
    return v1::ACKNOWLEDGED_VERDICT_UNSPECIFIED;
}

void to_wire(const SeriesTotals& totals, v1::SeriesTotals* out) {
    out->set_windows(totals.windows);
    if (totals.windows > 0) {
        out->set_from_ns(totals.from_ns);
        out->set_until_ns(totals.until_ns);
    }
    out->set_count(totals.count);
    out->set_sum(totals.sum);
}

void to_wire(const Loss& loss, v1::RecordedLoss* out) {
    out->set_reason(loss.reason);
    if (loss.series == kUnnamedSeries) {
        out->set_unnamed(true);
    } else if (loss.series != kEverySeries) {
        out->set_series(loss.series);
    }
    out->set_after_ns(loss.after_ns);
    out->set_until_ns(loss.until_ns);
    out->set_samples(loss.samples);
}

void to_wire(const UpstreamAudit& audit, v1::UpstreamAudit* out) {
    const Cursor& cursor = audit.ledger.cursor;
    out->set_upstream(audit.upstream);
    out->set_verdict(to_wire(audit.verdict));
    out->set_note(audit.note);
    if (cursor.acked_ns != 0) out->set_acknowledged_ns(cursor.acked_ns);
    out->set_done(cursor.done);
    out->set_pending_windows(audit.pending);
    out->set_accepted_samples(cursor.accepted);
    out->set_answered_samples(cursor.answered.samples);
    out->set_expected_samples(audit.expected.samples);
    out->set_digests_equal(audit.expected == cursor.answered);
    if (cursor.tallied_ns != 0) out->set_checked_after_ns(cursor.tallied_ns);
    for (const Loss& loss : audit.ledger.losses) to_wire(loss, out->add_losses());
}

// Whether there is something to say of the series even where nobody asked for each.
bool is_wrong(const SeriesAudit& series) { return series.differing > 0 || !series.unreadable.empty(); }

void to_wire(const VmAudit& vm, std::size_t at, v1::SeriesAudit* out) {
    const SeriesAudit& series = vm.series[at];
    to_wire(*vm.schema, series.series, out->mutable_series());
    for (std::size_t tier = 0; tier < series.tiers.size(); ++tier) {
        v1::TierAudit* wire = out->add_tiers();
        wire->set_resolution_s(vm.schema->tiers[tier].resolution_s);
        to_wire(series.tiers[tier], wire->mutable_totals());
    }
    out->set_compared_windows(series.compared);
    out->set_differing_windows(series.differing);
    for (const TierDifference& difference : series.differences) {
        v1::TierDifference* wire = out->add_differences();
        wire->set_fine_resolution_s(difference.fine_s);
        wire->set_coarse_resolution_s(difference.coarse_s);
        wire->set_end_ns(difference.end_ns);
        wire->set_text(difference.text);
    }
    out->set_error(series.unreadable);
    for (const UpstreamAudit& upstream : vm.upstreams) {
        auto ack = std::find_if(upstream.series.begin(), upstream.series.end(),
                                [&](const SeriesAck& one) { return one.series == series.series.index; });
        if (ack == upstream.series.end()) continue;
        v1::SeriesAcknowledged* wire = out->add_upstreams();
        wire->set_upstream(upstream.upstream);
        to_wire(ack->acknowledged, wire->mutable_totals());
        wire->set_windows_never_sent(ack->never_sent);
        wire->set_samples_refused(ack->refused);
    }
}

void to_wire(const VmAudit& audit, bool each_series, v1::AuditResponse* out) {
    out->set_verdict(to_wire(verdict_of(audit)));
    out->set_series_count(static_cast<std::uint32_t>(audit.series.size()));
    if (audit.archive) out->set_archive_error(*audit.archive);
    std::size_t bytes = 0;
    for (std::size_t at = 0; at < audit.series.size(); ++at) {
        const SeriesAudit& series = audit.series[at];
        out->set_compared_windows(out->compared_windows() + series.compared);
        out->set_differing_windows(out->differing_windows() + series.differing);
        if (!each_series && !is_wrong(series)) continue;
        if (bytes >= kMessageBytes) {
            out->set_truncated(true);
            continue;
        }
        v1::SeriesAudit* wire = out->add_series();
        to_wire(audit, at, wire);
        bytes += wire->ByteSizeLong();
    }
    for (const UpstreamAudit& upstream : audit.upstreams) to_wire(upstream, out->add_upstreams());
}

// One VM a step: the first finds out which.
class Audit final : public Producer<v1::AuditResponse> {
  public:
    Audit(ApiContext& api, const Caller& caller, const v1::AuditRequest& request)
        : api_(api), caller_(caller), request_(request) {}

    Step next(v1::AuditResponse* out, grpc::Status* failure) override {
        if (!begun_) {
            *failure = begin();
            if (!failure->ok()) return Step::kFailed;
            begun_ = true;
        }
        // One that was evicted meanwhile is not there any more.
        CatalogVmPtr vm;
        while (!vm && next_ < keys_.size()) vm = api_.backend.find(keys_[next_++]);
        if (!vm) return Step::kEnd;
        const VmInfo info = vm->vm();
        to_wire(info, out->mutable_vm());
        out->set_state(to_wire(info.state));
        if (info.ended_ns != 0) out->set_ended_ns(info.ended_ns);
        Result<VmAudit> audit = api_.backend.audit(*vm);
        if (audit.ok()) {
            to_wire(*audit, request_.series(), out);
        } else {
            out->set_verdict(v1::AUDIT_VERDICT_LOSSY);
            out->set_error(audit.error().message());
        }
        return Step::kMessage;
    }

  private:
    grpc::Status begin() {
        VmFilter filter;
        if (auto bad = parse_filter(request_.vms(), &filter); !bad.ok()) return bad;
        if (auto starting = check_started(api_.backend); !starting.ok()) return starting;
        if (auto unknown = check_vm_ids(api_.backend, filter, caller_); !unknown.ok()) return unknown;
        for (const CatalogVmPtr& vm : visible_vms(api_.backend, filter, caller_)) keys_.push_back(vm->key());
        return grpc::Status::OK;
    }

    ApiContext& api_;
    const Caller caller_;
    const v1::AuditRequest request_;
    bool begun_ = false;
    std::vector<std::string> keys_;
    std::size_t next_ = 0;
};

class AuditService final : public v1::AuditService::CallbackService {
  public:
    explicit AuditService(ApiContext& api) : api_(api) {}

  private:
    grpc::ServerWriteReactor<v1::AuditResponse>* Audit(grpc::CallbackServerContext* context,
                                                       const v1::AuditRequest* request) override {
        return new StreamCall<v1::AuditResponse>(api_, "Audit", context, [this, request](const Caller& caller) {
            return std::make_unique<agent::Audit>(api_, caller, *request);
        });
    }

    ApiContext& api_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_audit_service(ApiContext& api) { return std::make_unique<AuditService>(api); }

}  // namespace ringside::agent
