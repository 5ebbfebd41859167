// What queries have used of a processor when they were asked before. Dashboards ask the same again and again, and a query that
// is known need not show anew what it costs: see FairPool.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace ringside::agent {

// Any thread. May take one query for another, for which nothing but its turn depends on it.
class QueryCosts {
  public:
    using Cost = std::chrono::microseconds;

    std::optional<Cost> find(std::string_view text) const {
        const std::uint64_t key = key_of(text), entry = place_of(key);
        if (entry == 0 || (entry ^ key) > kCostMax) return std::nullopt;
        return Cost(entry & kCostMax);
    }
    void put(std::string_view text, Cost cost) {
        const std::uint64_t key = key_of(text);
        entries_[key % entries_.size()] =
            key | std::clamp<std::uint64_t>(static_cast<std::uint64_t>(cost.count()), 1, kCostMax);
    }

  private:
    static constexpr std::uint64_t kCostMax = (1 << 24) - 1;  // 16 s
    static constexpr std::size_t kBytesMax = 1024;  // of a text that are looked at: servers hash it on their way
    static constexpr std::size_t kEntries = 4093;   // 32 KiB

    // Its lowest bits, where the cost goes, are 0.
    static std::uint64_t key_of(std::string_view text) {
        const std::uint64_t hash = std::hash<std::string_view>()(text.substr(0, kBytesMax)) ^ text.size();
        return hash & ~kCostMax;
    }
    std::uint64_t place_of(std::uint64_t key) const { return entries_[key % entries_.size()]; }

    // 0: none. No lock: who puts may have the lowest priority of the host, and others would wait for it (FairPool, F6).
    std::array<std::atomic<std::uint64_t>, kEntries> entries_{};
};

}  // namespace ringside::agent
