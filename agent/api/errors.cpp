#include "agent/api/errors.h"

#include "agent/base/text.h"

namespace ringside::agent {

grpc::StatusCode status_code(Code code) {
    switch (code) {
        case Code::kInvalid: return grpc::StatusCode::INVALID_ARGUMENT;
        case Code::kNotFound: return grpc::StatusCode::NOT_FOUND;
        case Code::kExists: return grpc::StatusCode::ALREADY_EXISTS;
        case Code::kDenied: return grpc::StatusCode::PERMISSION_DENIED;
        case Code::kPrecondition: return grpc::StatusCode::FAILED_PRECONDITION;
        case Code::kExhausted: return grpc::StatusCode::RESOURCE_EXHAUSTED;
        case Code::kUnavailable: return grpc::StatusCode::UNAVAILABLE;
        case Code::kCorrupt: return grpc::StatusCode::DATA_LOSS;
        case Code::kTimeout: return grpc::StatusCode::UNAVAILABLE;
        case Code::kIo:
        case Code::kInternal: return grpc::StatusCode::INTERNAL;
    }
    return grpc::StatusCode::INTERNAL;
}

grpc::Status to_status(const Error& error) { return {status_code(error.code), clean_utf8(error.message())}; }

grpc::Status to_status(grpc::StatusCode code, const std::string& text, const v1::ErrorInfo& info) {
    const std::string clean = clean_utf8(text);  // it may quote what others wrote
    v1::ErrorStatus status;
    status.set_code(code);
    status.set_message(clean);
    status.add_details()->PackFrom(info);
    return {code, clean, status.SerializeAsString()};
}

grpc::Status to_status(grpc::StatusCode code, const std::string& text, v1::ErrorReason reason) {
    v1::ErrorInfo info;
    info.set_reason(reason);
    return to_status(code, text, info);
}

grpc::Status operators_only(const char* method, std::uint32_t uid) {
    return to_status(grpc::StatusCode::PERMISSION_DENIED,
                     std::string(method) + " is for operators, and uid " + std::to_string(uid) +
                         " is none; call as root or as the agent's user, or add the uid to the agent's operators",
                     v1::ERROR_REASON_NOT_PERMITTED);
}

}  // namespace ringside::agent
