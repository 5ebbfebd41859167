// What all queries together may have in memory.
//
// A query may hold as much as is free, and no more: one alone gets half of all, each of two a third. So there is always
// something left for one that comes later, however many greedy ones there are, and nobody has to end for it.
#pragma once

#include <cstdint>
#include <mutex>

namespace ringside::agent {

class SampleBudget {
  public:
    explicit SampleBudget(std::uint64_t samples_max) : samples_max_(samples_max) {}

    // What one query holds, from take() to its end. One thread; the budget outlives it.
    class Share {
      public:
        explicit Share(SampleBudget& budget) : budget_(budget) {}
        ~Share();
        Share(const Share&) = delete;
        Share& operator=(const Share&) = delete;

        // So many more. False, and nothing more is held, when that would be more than is free then.
        bool take(std::uint64_t samples);

      private:
        SampleBudget& budget_;
        std::uint64_t held_ = 0;
    };

    std::uint64_t held() const;

  private:
    const std::uint64_t samples_max_;
    mutable std::mutex mutex_;
    std::uint64_t held_ = 0;  // by all shares; guarded by mutex_
};

}  // namespace ringside::agent
