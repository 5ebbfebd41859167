// ListVms, GetVm, Drain.
#include <utility>
#include <vector>

#include "agent/api/errors.h"
#include "agent/api/services.h"
#include "agent/api/vm_filter.h"
#include "agent/api/wire.h"
#include "ringside/v1/vm.grpc.pb.h"

namespace ringside::agent {
namespace {

constexpr std::size_t kSchemaBytesMax = 256 * 1024;      // the metrics of one VM in an answer
constexpr std::size_t kGetVmBytesMax = 2 * 1024 * 1024;  // and of all components of it: gRPC takes 4 MiB

// The first step takes all VMs as of one instant, later ones cut them into messages.
class ListVms final : public Producer<v1::ListVmsResponse> {
  public:
    ListVms(ApiContext& api, const Caller& caller, const v1::ListVmsRequest& request)
        : api_(api), caller_(caller), request_(request) {}

    Step next(v1::ListVmsResponse* out, grpc::Status* failure) override {
        if (!taken_) {
            VmFilter filter;
            *failure = parse_filter(request_.filter(), &filter);
            if (failure->ok()) *failure = check_started(api_.backend);
            if (!failure->ok()) return Step::kFailed;
            take(filter);
        }
        std::size_t bytes = 0;
        for (; next_ < vms_.size() && bytes < kMessageBytes; ++next_) {
            bytes += vms_[next_].ByteSizeLong();
            *out->add_vms() = std::move(vms_[next_]);
        }
        return bytes > 0 ? Step::kMessage : Step::kEnd;
    }

  private:
    void take(const VmFilter& filter) {
        const auto found = visible_vms(api_.backend, filter, caller_);
        const std::uint64_t now_ns = api_.now_ns();
        vms_.resize(found.size());
        for (std::size_t i = 0; i < found.size(); ++i) {
            to_wire(*found[i], api_.backend.extras(*found[i]), now_ns, &vms_[i]);
        }
        taken_ = true;
    }

    ApiContext& api_;
    const Caller caller_;
    const v1::ListVmsRequest request_;
    bool taken_ = false;
    std::vector<v1::Vm> vms_;
    std::size_t next_ = 0;
};

std::optional<std::string> component_of(const auto& request) {
    return request.has_component() ? std::optional(request.component()) : std::nullopt;
}

// The VMs that GetVm or Drain mean: at least one.
grpc::Status find_vms(ApiContext& api, const Caller& caller, const VmFilter& filter, std::vector<CatalogVmPtr>* found) {
    if (auto starting = check_started(api.backend); !starting.ok()) return starting;
    if (auto known = check_vm_ids(api.backend, filter, caller); !known.ok()) return known;
    *found = visible_vms(api.backend, filter, caller);
    return found->empty() ? no_such_epoch(filter) : grpc::Status::OK;
}

grpc::Status get_vm(ApiContext& api, const Caller& caller, const v1::GetVmRequest& request,
                    v1::GetVmResponse* response) {
    VmFilter filter;
    if (auto bad = parse_filter(request.vm_id(), component_of(request), request.epoch(), &filter); !bad.ok())
        return bad;
    std::vector<CatalogVmPtr> found;
    if (auto none = find_vms(api, caller, filter, &found); !none.ok()) return none;
    // By component and begin of the epoch: the newest epoch is the last of each run.
    const std::uint64_t now_ns = api.now_ns();
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (i + 1 < found.size() && found[i + 1]->known().component == found[i]->known().component) continue;
        v1::Vm* vm = response->add_vms();
        to_wire(*found[i], api.backend.extras(*found[i]), now_ns, vm);
        if (bytes < kGetVmBytesMax) add_metrics(*found[i]->source()->schema(), kSchemaBytesMax, vm->mutable_schema());
        bytes += vm->ByteSizeLong();
    }
    return grpc::Status::OK;
}

grpc::Status drain_status(const Error& error) {
    if (error.code != Code::kPrecondition) return to_status(error);
    return to_status(grpc::StatusCode::FAILED_PRECONDITION, error.message(), v1::ERROR_REASON_VM_IS_LIVE);
}

// The first failure, with what became of the others: an error comes without a response.
grpc::Status drains_status(Error first, const VmInfo& failed, std::size_t drained_count, std::size_t count) {
    if (count > 1) {
        first.context = (failed.component.empty() ? "the VMM itself" : "component " + failed.component) + ": " +
                        first.context + " (" + std::to_string(drained_count) + " of the VM's " + std::to_string(count) +
                        " segments are drained now)";
    }
    return drain_status(first);
}

grpc::Status drain(ApiContext& api, const Caller& caller, const v1::DrainRequest& request,
                   v1::DrainResponse* response) {
    if (!caller.is_operator) return operators_only("Drain", caller.uid);
    VmFilter filter;
    if (auto bad = parse_filter(request.vm_id(), component_of(request), request.epoch(), &filter); !bad.ok())
        return bad;
    std::vector<CatalogVmPtr> found;
    if (auto none = find_vms(api, caller, filter, &found); !none.ok()) return none;
    // Of a VM that has all been drained, the answer is its newest life: older ones are history.
    std::vector<CatalogVmPtr> wanted;
    for (const CatalogVmPtr& vm : found) {
        if (vm->state() != VmState::kDrained || !filter.epoch_prefix.empty()) wanted.push_back(vm);
    }
    if (wanted.empty()) wanted.push_back(found.back());

    std::optional<Error> first;
    CatalogVmPtr failed;
    for (const CatalogVmPtr& vm : wanted) {
        auto drained = api.backend.drain(vm->key());
        if (drained) {
            to_wire(**drained, api.backend.extras(**drained), api.now_ns(), response->add_vms());
        } else if (!first) {
            first = drained.error();
            failed = vm;
        }
    }
    if (!first) return grpc::Status::OK;
    const auto drained_count = static_cast<std::size_t>(response->vms_size());
    return drains_status(*first, failed->known(), drained_count, wanted.size());
}

class VmService final : public v1::VmService::CallbackService {
  public:
    explicit VmService(ApiContext& api) : api_(api) {}

  private:
    grpc::ServerWriteReactor<v1::ListVmsResponse>* ListVms(grpc::CallbackServerContext* context,
                                                           const v1::ListVmsRequest* request) override {
        return new StreamCall<v1::ListVmsResponse>(api_, "ListVms", context, [this, request](const Caller& caller) {
            return std::make_unique<agent::ListVms>(api_, caller, *request);
        });
    }
    grpc::ServerUnaryReactor* GetVm(grpc::CallbackServerContext* context, const v1::GetVmRequest* request,
                                    v1::GetVmResponse* response) override {
        return new UnaryCall(api_, "GetVm", api_.pool, context, [this, request, response](const Caller& caller) {
            return get_vm(api_, caller, *request, response);
        });
    }
    grpc::ServerUnaryReactor* Drain(grpc::CallbackServerContext* context, const v1::DrainRequest* request,
                                    v1::DrainResponse* response) override {
        return new UnaryCall(api_, "Drain", api_.drain_pool, context, [this, request, response](const Caller& caller) {
            return drain(api_, caller, *request, response);
        });
    }

    ApiContext& api_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_vm_service(ApiContext& api) { return std::make_unique<VmService>(api); }

}  // namespace ringside::agent
