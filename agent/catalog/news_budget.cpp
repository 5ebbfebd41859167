#include "agent/catalog/news_budget.h"

#include <algorithm>
#include <utility>

namespace ringside::agent {

bool NewsBudget::take(std::uint32_t uid, std::uint64_t now_ns) {
    const std::uint32_t bucket = bucket_of(uid, now_ns);
    const std::uint64_t empty_ns = now_ns + limits_.burst * limits_.period_ns;
    std::uint64_t& full_ns = full_ns_[bucket];
    // Not later than that of an empty bucket: the clock may have been set back.
    full_ns = std::clamp(full_ns, now_ns, empty_ns);
    if (full_ns + limits_.period_ns <= empty_ns) {
        full_ns += limits_.period_ns;
        return true;
    }
    ++untold_[bucket];
    ++untold_total_;
    return false;
}

std::uint32_t NewsBudget::bucket_of(std::uint32_t uid, std::uint64_t now_ns) {
    if (full_ns_.contains(uid) || full_ns_.size() < limits_.users_max) return uid;
    std::erase_if(full_ns_, [&](const auto& user) { return user.second <= now_ns; });
    return full_ns_.size() < limits_.users_max ? uid : kOtherUsers;
}

std::map<std::uint32_t, std::uint64_t> NewsBudget::take_untold() { return std::exchange(untold_, {}); }

}  // namespace ringside::agent
