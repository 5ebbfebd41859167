// Admit, Release, ListAdmissions.
#include <set>
#include <utility>

#include "agent/api/errors.h"
#include "agent/api/services.h"
#include "agent/api/vm_filter.h"
#include "agent/segment/name.h"
#include "ringside/v1/admission.grpc.pb.h"

namespace ringside::agent {
namespace {

void to_wire(const Admission& admission, v1::Admission* out) {
    out->set_vm_id(admission.vm_id);
    out->set_uid(admission.uid);
    out->mutable_demand()->set_segment_bytes(admission.demand.segment_bytes);
    out->mutable_demand()->set_series(admission.demand.series);
    out->mutable_demand()->set_label_bytes(admission.demand.label_bytes);
    out->set_admitted_ns(admission.admitted_ns);
    if (admission.expires_ns != 0 && admission.expires_ns != kNeverExpires) out->set_expires_ns(admission.expires_ns);
    out->set_present(admission.present());
}

v1::ErrorReason reason_of(BudgetKind kind) {
    switch (kind) {
        case BudgetKind::kVmBytes: return v1::ERROR_REASON_VM_BYTES;
        case BudgetKind::kVmSeries: return v1::ERROR_REASON_VM_SERIES;
        case BudgetKind::kVmLabelBytes: return v1::ERROR_REASON_VM_LABEL_BYTES;
        case BudgetKind::kHostBytes: return v1::ERROR_REASON_HOST_BYTES;
        case BudgetKind::kHostSeries: return v1::ERROR_REASON_HOST_SERIES;
        case BudgetKind::kHostLabelBytes: return v1::ERROR_REASON_HOST_LABEL_BYTES;
        case BudgetKind::kHostSegments: return v1::ERROR_REASON_HOST_SEGMENTS;
        case BudgetKind::kAdmitted: return v1::ERROR_REASON_OVER_ADMISSION;
    }
    return v1::ERROR_REASON_UNSPECIFIED;
}

grpc::Status refused(const AdmitRefusal& refusal) {
    v1::ErrorInfo info;
    if (!refusal.over) {
        info.set_reason(v1::ERROR_REASON_BOUND_TO_OTHER_UID);
        return to_status(grpc::StatusCode::ALREADY_EXISTS, refusal.message, info);
    }
    info.set_reason(reason_of(refusal.over->kind));
    info.set_limit(refusal.over->limit);
    info.set_used(refusal.over->used);
    info.set_asked(refusal.over->asked);
    return to_status(grpc::StatusCode::RESOURCE_EXHAUSTED, refusal.message, info);
}

grpc::Status admit(ApiContext& api, const Caller& caller, const v1::AdmitRequest& request,
                   v1::AdmitResponse* response) {
    if (!caller.is_operator) return operators_only("Admit", caller.uid);
    VmFilter name;
    if (auto bad = parse_filter(request.vm_id(), std::nullopt, "", &name); !bad.ok()) return bad;
    if (!request.has_uid()) return invalid("uid is missing: name the user that will own the VM's segments");
    if (request.uid() == UINT32_MAX) return invalid("uid 4294967295 is no user");
    if (request.demand().segment_bytes() == 0) {
        return invalid("demand.segment_bytes is missing: it is the sum of what `ringsidectl schema size` says");
    }
    // What is taken is not known before.
    if (auto starting = check_started(api.backend); !starting.ok()) return starting;
    const Demand demand{request.demand().segment_bytes(), request.demand().series(), request.demand().label_bytes()};
    auto answer = api.backend.admit(request.vm_id(), request.uid(), demand, request.dry_run());
    if (!answer) return to_status(answer.error());
    if (const auto* refusal = std::get_if<AdmitRefusal>(&*answer)) return refused(*refusal);
    to_wire(std::get<Admission>(*answer), response->mutable_admission());
    return grpc::Status::OK;
}

grpc::Status release(ApiContext& api, const Caller& caller, const v1::ReleaseRequest& request,
                     v1::ReleaseResponse* response) {
    if (!caller.is_operator) return operators_only("Release", caller.uid);
    VmFilter name;
    if (auto bad = parse_filter(request.vm_id(), std::nullopt, "", &name); !bad.ok()) return bad;
    auto released = api.backend.release(request.vm_id());
    if (released) {
        to_wire(*released, response->mutable_admission());
        return grpc::Status::OK;
    }
    if (released.error().code != Code::kNotFound) return to_status(released.error());
    std::set<std::string> admitted;
    for (const Admission& admission : api.backend.admissions()) admitted.insert(admission.vm_id);
    v1::ErrorInfo info;
    info.set_reason(v1::ERROR_REASON_NO_SUCH_ADMISSION);
    const std::string text = "VM '" + request.vm_id() + "' has no admission" + hint(request.vm_id(), admitted, &info);
    return to_status(grpc::StatusCode::NOT_FOUND, text, info);
}

grpc::Status list(ApiContext& api, const Caller& caller, v1::ListAdmissionsResponse* response) {
    for (const Admission& admission : api.backend.admissions()) {
        if (caller.may_see(admission.uid)) to_wire(admission, response->add_admissions());
    }
    return grpc::Status::OK;
}

class AdmissionService final : public v1::AdmissionService::CallbackService {
  public:
    explicit AdmissionService(ApiContext& api) : api_(api) {}

  private:
    grpc::ServerUnaryReactor* Admit(grpc::CallbackServerContext* context, const v1::AdmitRequest* request,
                                    v1::AdmitResponse* response) override {
        return new UnaryCall(api_, "Admit", api_.pool, context, [this, request, response](const Caller& caller) {
            return admit(api_, caller, *request, response);
        });
    }
    grpc::ServerUnaryReactor* Release(grpc::CallbackServerContext* context, const v1::ReleaseRequest* request,
                                      v1::ReleaseResponse* response) override {
        return new UnaryCall(api_, "Release", api_.pool, context, [this, request, response](const Caller& caller) {
            return release(api_, caller, *request, response);
        });
    }
    grpc::ServerUnaryReactor* ListAdmissions(grpc::CallbackServerContext* context, const v1::ListAdmissionsRequest*,
                                             v1::ListAdmissionsResponse* response) override {
        return new UnaryCall(api_, "ListAdmissions", api_.pool, context,
                             [this, response](const Caller& caller) { return list(api_, caller, response); });
    }

    ApiContext& api_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_admission_service(ApiContext& api) {
    return std::make_unique<AdmissionService>(api);
}

}  // namespace ringside::agent
