#include "agent/api/call.h"

#include "agent/api/errors.h"

namespace ringside::agent {
namespace {

const char* code_text(grpc::StatusCode code) {
    switch (code) {
        case grpc::StatusCode::OK: return "ok";
        case grpc::StatusCode::CANCELLED: return "cancelled";
        case grpc::StatusCode::INVALID_ARGUMENT: return "invalid_argument";
        case grpc::StatusCode::NOT_FOUND: return "not_found";
        case grpc::StatusCode::ALREADY_EXISTS: return "already_exists";
        case grpc::StatusCode::PERMISSION_DENIED: return "permission_denied";
        case grpc::StatusCode::RESOURCE_EXHAUSTED: return "resource_exhausted";
        case grpc::StatusCode::FAILED_PRECONDITION: return "failed_precondition";
        case grpc::StatusCode::UNAVAILABLE: return "unavailable";
        case grpc::StatusCode::DATA_LOSS: return "data_loss";
        case grpc::StatusCode::UNAUTHENTICATED: return "unauthenticated";
        default: return "internal";
    }
}

}  // namespace

grpc::Status Call::enter(const grpc::CallbackServerContext& context, CallKind kind) {
    const auto caller = api_.peers.find(context.peer());
    // Only a call that outlived its connection gets here: nobody is left to read this.
    if (!caller) return {grpc::StatusCode::UNAUTHENTICATED, "the connection is gone"};
    caller_ = *caller;
    auto ticket = api_.gate.enter(caller_, kind);
    if (!ticket) {
        return to_status(grpc::StatusCode::RESOURCE_EXHAUSTED, ticket.error().message(), v1::ERROR_REASON_BUSY);
    }
    ticket_ = std::move(*ticket);
    return grpc::Status::OK;
}

void Call::leave(const grpc::Status& status) {
    ticket_ = {};
    api_.metrics
        .counter("ringside_api_calls_total", "gRPC calls that ended, by method and code.",
                 {{"method", method_}, {"code", code_text(status.error_code())}})
        .add();
}

UnaryCall::UnaryCall(ApiContext& api, const char* method, WorkPool& pool, grpc::CallbackServerContext* context,
                     Handler handler)
    : call_(api, method), handler_(std::move(handler)) {
    if (const grpc::Status refused = call_.enter(*context, CallKind::kAnswer); !refused.ok()) {
        end(refused);
    } else {
        pool.submit([this, context] {
            if (context->IsCancelled()) return end({grpc::StatusCode::CANCELLED, "the caller is gone"});
            end(handler_(call_.caller()));
        });
    }
}

void UnaryCall::end(const grpc::Status& status) {
    call_.leave(status);
    Finish(status);
}

}  // namespace ringside::agent
