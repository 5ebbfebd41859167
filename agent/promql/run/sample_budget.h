// What all queries together may have in memory.
//
// Each gets half of what is free when it begins, until its end: one alone half of all, the next one a quarter. So there is
// always something left for one that comes later, however many greedy ones there are, and nobody has to end for it. Most
// queries give theirs back after a millisecond. Tenants share half of it in the same way, so that they cannot leave operators
// with next to nothing.
#pragma once

#include <atomic>
#include <cstdint>

namespace ringside::agent {

class SampleBudget {
  public:
    explicit SampleBudget(std::uint64_t samples_max) : samples_max_(samples_max) {}

    // Of one query. The budget outlives it.
    class Share {
      public:
        explicit Share(SampleBudget& budget, bool of_tenant = false);
        ~Share();
        Share(const Share&) = delete;
        Share& operator=(const Share&) = delete;

        std::uint64_t samples() const { return samples_; }

      private:
        SampleBudget& budget_;
        const bool of_tenant_;
        std::uint64_t samples_ = 0;
    };

  private:
    const std::uint64_t samples_max_;
    // To all shares. No lock: who gives back may have the lowest priority of the host (FairPool, F6).
    std::atomic<std::uint64_t> given_{0}, given_to_tenants_{0};
};

}  // namespace ringside::agent
