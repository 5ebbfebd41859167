// The rules of sending again: what an answer means, and how long to wait. Pure.
#pragma once

#include <cstdint>
#include <random>

namespace ringside::agent {

enum class Verdict {
    kAccepted,
    kRetry,         // may pass by itself: no answer, 5xx, 429
    kTurnedAway,    // passes when somebody mends it: wrong path, no permission. Retried, for it says nothing of the
                    // samples, and they would be lost for a token that is renewed an hour late.
    kRefusedParts,  // final, and a part of the request may be the reason: worth halving
};

// What an HTTP status means; 0: there was no answer.
Verdict judge(int status);

inline bool is_retried(Verdict verdict) { return verdict == Verdict::kRetry || verdict == Verdict::kTurnedAway; }

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
