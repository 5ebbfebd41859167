// OpenTelemetry metrics over gRPC: encodes, calls MetricsService.Export, and reads what the status means.
#pragma once

#include <memory>

#include "agent/upstream/options.h"
#include "agent/upstream/sender.h"

namespace ringside::agent {

class OtlpSender : public Sender {
  public:
    // `options` as they came from checked(). Files that they name are read when a request needs them.
    static Result<std::unique_ptr<Sender>> create(const UpstreamOptions& options);
    ~OtlpSender() override;

    // Two calls where the file of credentials has just changed and the receiver did not like what was sent: each at most
    // the timeout. `body_bytes` of the reply are those before compression.
    Reply send(std::span<const WireSample> samples, std::uint32_t attempt, std::uint64_t now_ns) override;
    void abort() override;

  private:
    struct Impl;
    explicit OtlpSender(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace ringside::agent
