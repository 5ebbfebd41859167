// One batch to its end: sent, repeated while the trouble may pass, halved when the receiver refuses a
// part of it. Knows nothing of VMs and cursors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "agent/upstream/clock.h"
#include "agent/upstream/options.h"
#include "agent/upstream/retry.h"
#include "agent/upstream/sender.h"
#include "agent/upstream/stats.h"
#include "agent/upstream/wire_sample.h"

namespace ringside::agent {

// A refused batch is halved down to its bad series in at most this many requests: 2 x log2(2,000) = 22
// for one bad series, so room for more than twenty, far apart, of one batch; the rest is refused as it
// stands. Bounds what a receiver that is overloaded by bad batches gets on top.
inline constexpr std::uint32_t kHalvingRequestsMax = 512;
// When so many parts have been refused and not one accepted, the reason is not a bad series among
// good ones (too old altogether, say), and the search ends.
inline constexpr std::uint32_t kHalvingFruitlessMax = 32;
// Lines about single bad series, per batch.
inline constexpr std::uint32_t kRefusalsLoggedMax = 4;

class Delivery {
  public:
    using Log = std::function<void(bool warning, const std::string& text)>;

    // All of them must outlive it. `on_wait` is called before each wait for the receiver. `seed`
    // spreads the waits of different hosts.
    Delivery(const UpstreamOptions& options, Sender& sender, Pacer& pacer, StatsBoard& stats, Log log,
             std::function<void()> on_wait, std::uint64_t seed);

    struct Outcome {
        struct Refused {
            std::size_t index = 0;  // of the sample
            std::string reason;     // as it is counted
        };
        // What was finally refused, by rising index: counted, logged, not to be sent again. All others were accepted,
        // unless `stopped`.
        std::vector<Refused> refused;
        // Of those accepted, so many were left out by a receiver that does not say which.
        std::uint64_t unnamed = 0;
        std::string unnamed_reason;
        bool stopped = false;  // the pacer was stopped first: nothing is known of the rest
    };

    // Sends `samples` (not empty, one per series) until each is accepted or finally refused, or all of
    // them are older than `backlog_max` (refused then, as "too_old"), or the pacer stops. Blocks, for as
    // long as the receiver cannot be reached. One thread.
    Outcome deliver(std::span<const WireSample> samples);

  private:
    // The search for the bad series of one batch.
    struct Halving {
        const WireSample* begin = nullptr;  // of the batch
        std::uint32_t requests = 0;
        std::uint32_t accepted = 0;
        std::uint32_t logged = 0;
    };
    struct Part {
        std::span<const WireSample> samples;
        Reply reply;
    };
    Reply send(std::span<const WireSample> samples);
    bool too_old(std::span<const WireSample> samples);
    void count(std::size_t samples, const Reply& reply, std::uint32_t attempt);
    std::uint64_t wait_ns(const Reply& reply);
    void try_part(std::span<const WireSample> samples, Halving& halving, Outcome& outcome, std::vector<Part>& bad);
    void refuse(std::span<const WireSample> samples, const Reply& reply, Halving& halving, Outcome& outcome);

    const UpstreamOptions& options_;
    Sender& sender_;
    Pacer& pacer_;
    StatsBoard& stats_;
    Log log_;
    std::function<void()> on_wait_;
    Backoff backoff_;
    bool unreachable_ = false;  // said in the log, once until it has passed
};

}  // namespace ringside::agent
