// Which queries took long when they were asked before. Dashboards ask the same again and again, and a query that is known
// need not show anew what it costs: see FairPool.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string_view>

namespace ringside::agent {

// Any thread. May take one query for another, for which nothing but its turn depends on it.
class LongQueries {
  public:
    bool has(std::string_view text) const {
        const std::size_t key = key_of(text);
        const std::lock_guard lock(mutex_);
        return keys_[key % keys_.size()] == key;
    }
    void put(std::string_view text, bool was_long) {
        const std::size_t key = key_of(text);
        const std::lock_guard lock(mutex_);
        std::size_t& place = keys_[key % keys_.size()];
        if (was_long) {
            place = key;
        } else if (place == key) {
            place = 0;
        }
    }

  private:
    static std::size_t key_of(std::string_view text) { return std::hash<std::string_view>()(text) | 1; }

    mutable std::mutex mutex_;
    std::array<std::size_t, 1021> keys_{};  // 0: none; guarded by mutex_
};

}  // namespace ringside::agent
