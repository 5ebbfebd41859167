// From the agent's errors to gRPC's, with what error.proto says they carry.
#pragma once

#include <grpcpp/support/status.h>

#include <string>

#include "agent/base/result.h"
#include "ringside/v1/error.pb.h"

namespace ringside::agent {

grpc::StatusCode status_code(Code code);

// For errors that come from below: code and text, no reason for programs.
grpc::Status to_status(const Error& error);

// With a reason for programs.
grpc::Status to_status(grpc::StatusCode code, const std::string& text, const v1::ErrorInfo& info);
grpc::Status to_status(grpc::StatusCode code, const std::string& text, v1::ErrorReason reason);

inline grpc::Status invalid(const std::string& text) { return {grpc::StatusCode::INVALID_ARGUMENT, text}; }

// Of the caller who is not an operator, for methods that need one.
grpc::Status operators_only(const char* method, std::uint32_t uid);

}  // namespace ringside::agent
