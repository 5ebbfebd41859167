// How much each user's bad files may take of the log and of the events: files cost nothing to make, and the others' news
// must not drown in theirs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace ringside::agent {

// A bucket of tokens per user, which holds `burst` and gets one back each `period_ns`. A plain value with no lock: its
// owner guards it.
class NewsBudget {
  public:
    struct Limits {
        std::uint64_t burst = 100;
        std::uint64_t period_ns = 100'000'000;
        // Users beyond these share one bucket; those whose bucket is full again are not remembered.
        std::size_t users_max = 1024;
    };
    // The user of the shared bucket: no file has it as its owner.
    static constexpr std::uint32_t kOtherUsers = UINT32_MAX;

    explicit NewsBudget(Limits limits) : limits_(limits) {}

    // Whether one more file of `uid` may be told of. If not, it is counted.
    bool take(std::uint32_t uid, std::uint64_t now_ns);
    // By user: files that were not told of since the last call.
    std::map<std::uint32_t, std::uint64_t> take_untold();
    std::uint64_t untold_total() const { return untold_total_; }

  private:
    std::uint32_t bucket_of(std::uint32_t uid, std::uint64_t now_ns);

    Limits limits_;
    std::map<std::uint32_t, std::uint64_t> full_ns_;  // by user: when the bucket is full again
    std::map<std::uint32_t, std::uint64_t> untold_;   // by user, of those in full_ns_ or forgotten since
    std::uint64_t untold_total_ = 0;
};

}  // namespace ringside::agent
