#include "agent/upstream/retry.h"

#include <algorithm>

namespace ringside::agent {

Verdict judge(int status) {
    if (status >= 200 && status < 300) return Verdict::kAccepted;
    if (status == 0 || status == 429 || status >= 500) return Verdict::kRetry;
    switch (status) {
        case 400:  // Prometheus, Mimir, VictoriaMetrics: out of order, duplicate, too old, bad label
        case 409:  // Thanos: conflicting samples
        case 413:  // too large: halves may fit
        case 422: return Verdict::kRefusedParts;
        default: return Verdict::kRefused;
    }
}

Backoff::Backoff(std::uint64_t min_ns, std::uint64_t max_ns, std::uint64_t seed)
    : min_ns_(min_ns),
      max_ns_(std::max(min_ns, max_ns)),
      random_(static_cast<std::minstd_rand::result_type>(seed ^ (seed >> 32))) {
    reset();
}

std::uint64_t Backoff::next_ns() {
    std::uint64_t least = std::max(min_ns_, span_ns_ / 2);
    std::uint64_t wait = std::uniform_int_distribution<std::uint64_t>(least, span_ns_)(random_);
    span_ns_ = span_ns_ > max_ns_ / 2 ? max_ns_ : span_ns_ * 2;
    return wait;
}

void Backoff::reset() { span_ns_ = min_ns_ > max_ns_ / 2 ? max_ns_ : min_ns_ * 2; }

}  // namespace ringside::agent
