// The rules of sending again: what an answer means, and how long to wait. Pure.
#pragma once

#include <cstdint>
#include <random>

namespace ringside::agent {

enum class Verdict {
    kAccepted,
    kRetry,         // may pass: no answer, 5xx, 429
    kRefused,       // final for the whole request, whatever is in it: wrong path, no permission
    kRefusedParts,  // final, and a part of the request may be the reason: worth halving
};

// What an HTTP status means; 0: there was no answer.
Verdict judge(int status);

// Waits between tries: each drawn evenly from the upper half of a span that doubles from twice `min`
// up to `max`, so that they grow from min to max, never leave [min, max], and the hosts of a fleet
// spread out after a common outage.
class Backoff {
  public:
    Backoff(std::uint64_t min_ns, std::uint64_t max_ns, std::uint64_t seed);

    std::uint64_t next_ns();
    // After a success: the next wait is a short one again.
    void reset();

  private:
    std::uint64_t min_ns_, max_ns_, span_ns_;
    std::minstd_rand random_;
};

}  // namespace ringside::agent
