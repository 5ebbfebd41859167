// What a gRPC status means to a sender of OTLP. Pure, and without gRPC's types.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "agent/upstream/retry.h"

namespace ringside::agent {

// The codes that somebody here asks for by name.
inline constexpr int kGrpcOk = 0;
inline constexpr int kGrpcCancelled = 1;
inline constexpr int kGrpcDeadlineExceeded = 4;
inline constexpr int kGrpcPermissionDenied = 7;
inline constexpr int kGrpcUnauthenticated = 16;

// `throttled`: the server has said when to try again.
Verdict judge_grpc(int code, bool throttled);

// "UNAVAILABLE" for logs; for counters "grpc_unavailable".
std::string grpc_code_name(int code);
std::string grpc_reason(int code);

// The wait of the google.rpc.RetryInfo in the trailer grpc-status-details-bin, if there is one.
std::optional<std::uint64_t> retry_delay_ns(const std::string& details);

}  // namespace ringside::agent
