// Remote write over HTTP: encodes, posts, and reads what the reply means. Finds out which version the receiver knows.
//
//  N1  A 2.0 receiver says how much it has written, in headers, whatever its status. A 2xx without any of them means
//      that the receiver has understood nothing, and so does a 415.
//  N2  A 400 without them may come from a 1.0 receiver, also where 2.0 was known before (it may have been set back), so
//      it is no answer about the samples before 1.0 says the same.
//  N3  Samples that were accepted in one version are never sent in the other: it changes only after an answer that says
//      that nothing was taken, and back only for new samples.
#pragma once

#include <memory>

#include "agent/upstream/credentials.h"
#include "agent/upstream/http_sender.h"
#include "agent/upstream/sender.h"

namespace ringside::agent {

// How long a receiver is taken for one of 1.0 alone. A new start asks it at once.
inline constexpr std::uint64_t kVersionMemoryNs = std::uint64_t{6} * 3600 * 1'000'000'000;

class RemoteWriteSender : public Sender {
  public:
    // `options` as they came from checked(). kInternal when the HTTP client cannot be set up.
    static Result<std::unique_ptr<Sender>> create(const UpstreamOptions& options);

    // Two requests where the receiver turns out not to know the version or, with a file of credentials that has just
    // changed, not to like what was sent: each at most the timeout.
    Reply send(std::span<const WireSample> samples, std::uint32_t attempt, std::uint64_t now_ns) override;
    void abort() override;

  private:
    enum class Version { k1, k2 };
    // One answered request, and what it says of the receiver.
    struct Answer {
        HttpReply http;
        std::size_t body_bytes = 0;
        bool counted = false;       // the receiver says how much it has written
        std::uint64_t written = 0;  // samples and histograms, as it says
    };

    RemoteWriteSender(const UpstreamOptions& options, std::unique_ptr<HttpSender> http)
        : protocol_(options.protocol), credentials_(options.auth), http_(std::move(http)) {}

    Version version(std::uint32_t attempt, std::uint64_t now_ns);
    Result<Answer> post(Version version, std::span<const WireSample> samples, std::uint32_t attempt);
    static bool may_be_1(const Answer& answer);
    Reply fall_back(std::span<const WireSample> samples, const Answer& refused, std::uint32_t attempt,
                    std::uint64_t now_ns);
    Reply reply_to(const Answer& answer, Version version, std::size_t samples, std::uint64_t now_ns) const;

    const Protocol protocol_;
    Credentials credentials_;
    std::unique_ptr<HttpSender> http_;
    std::uint64_t known_1_ns_ = 0;  // since when it is taken for one of 1.0; 0: it is not
};

}  // namespace ringside::agent
