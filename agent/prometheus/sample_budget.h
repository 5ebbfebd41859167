// What all queries together may have in memory.
//
// Each gets half of what is free when it begins, until its end: one alone half of all, the next one a quarter. So there is
// always something left for one that comes later, however many greedy ones there are, and nobody has to end for it. Most
// queries give theirs back after a millisecond.
#pragma once

#include <cstdint>
#include <mutex>

namespace ringside::agent {

class SampleBudget {
  public:
    explicit SampleBudget(std::uint64_t samples_max) : samples_max_(samples_max) {}

    // Of one query. The budget outlives it.
    class Share {
      public:
        explicit Share(SampleBudget& budget);
        ~Share();
        Share(const Share&) = delete;
        Share& operator=(const Share&) = delete;

        std::uint64_t samples() const { return samples_; }

      private:
        SampleBudget& budget_;
        std::uint64_t samples_ = 0;
    };

  private:
    const std::uint64_t samples_max_;
    std::mutex mutex_;
    std::uint64_t given_ = 0;  // to all shares; guarded by mutex_
};

}  // namespace ringside::agent
