// The gRPC channel to a receiver, as the options have it.
#pragma once

#include <grpcpp/channel.h>

#include <cstddef>
#include <memory>

#include "agent/upstream/options.h"

namespace ringside::agent {

// What a receiver may answer at most.
inline constexpr std::size_t kOtlpReplyBytesMax = 1u << 20;

// Not connected yet. What reading a file of the options' TLS answered.
Result<std::shared_ptr<grpc::Channel>> make_otlp_channel(const UpstreamOptions& options);

}  // namespace ringside::agent
