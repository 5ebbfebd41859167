// One request to a receiver and its reply, whatever the protocol: what Delivery needs, and all it needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "agent/upstream/retry.h"
#include "agent/upstream/wire_sample.h"

namespace ringside::agent {

struct Reply {
    Verdict verdict = Verdict::kRetry;
    std::string reason;  // for counters, one word of a small set: "http_400", "grpc_invalid_argument", "no_answer"
    std::string text;    // for people: the receiver's words, or why there was no reply
    std::optional<std::uint64_t> retry_after_ns;  // that the receiver asked for
    // kAccepted: how many of the samples the receiver has left out for good, without saying which.
    std::uint64_t rejected = 0;
    std::size_t body_bytes = 0;  // as sent, compressed
    std::uint32_t requests = 1;  // that it took: two where the receiver had to be asked in another way
    std::string notice;          // for the log: what was learnt of the receiver; "": nothing new
    bool aborted = false;        // by abort(): nothing is known of the request
};

class Sender {
  public:
    virtual ~Sender() = default;
    // Sends `samples` (not empty, at most one a series, oldest of each first) as one request and waits for the reply,
    // at most the timeout of the upstream. `attempt` counts the repeats of the same samples from 0; a repeat has the
    // same bytes. `now_ns`: CLOCK_REALTIME, against which a date in the reply is read. One thread.
    virtual Reply send(std::span<const WireSample> samples, std::uint32_t attempt, std::uint64_t now_ns) = 0;
    // Ends the send() in hand and every later one at once. Any thread.
    virtual void abort() = 0;
};

}  // namespace ringside::agent
