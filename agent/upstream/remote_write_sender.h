// Remote write over HTTP: encodes, posts, and reads what the reply means.
#pragma once

#include <memory>

#include "agent/upstream/http_sender.h"
#include "agent/upstream/sender.h"

namespace ringside::agent {

class RemoteWriteSender : public Sender {
  public:
    // `options` as they came from checked(). kInternal when the HTTP client cannot be set up.
    static Result<std::unique_ptr<Sender>> create(const UpstreamOptions& options);

    Reply send(std::span<const WireSample> samples, std::uint32_t attempt, std::uint64_t now_ns) override;
    void abort() override;

  private:
    explicit RemoteWriteSender(std::unique_ptr<HttpSender> http) : http_(std::move(http)) {}

    std::unique_ptr<HttpSender> http_;
};

}  // namespace ringside::agent
