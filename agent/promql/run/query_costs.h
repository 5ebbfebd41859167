// What queries have taken when they were asked before. Dashboards ask the same again and again, and a query that
// is known need not show anew what it costs: see FairPool.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "agent/base/caller.h"
#include "agent/base/fair_pool.h"
#include "agent/promql/run/query.h"

namespace ringside::agent {

// Any thread. May take one query for another, for which nothing but its turn depends on it.
class QueryCosts {
  public:
    using Cost = FairPool::Expected;

    std::optional<Cost> find(const Caller& caller, const Query& query) const {
        const std::uint64_t key = key_of(caller, query), entry = place_of(key);
        if (entry == 0 || (entry & ~kCostBits) != key) return std::nullopt;
        return Cost{.used = Used((entry & kCostBits) / 2), .waits = entry % 2 != 0};
    }
    void put(const Caller& caller, const Query& query, const Cost& cost) {
        const std::uint64_t key = key_of(caller, query);
        const auto used = std::clamp(std::chrono::duration_cast<Used>(cost.used), Used(1), kUsedMax);
        entries_[key % entries_.size()] = key | static_cast<std::uint64_t>(used.count()) * 2 | (cost.waits ? 1 : 0);
    }

  private:
    using Used = std::chrono::microseconds;
    static constexpr Used kUsedMax{(1 << 23) - 1};             // 8 s
    static constexpr std::uint64_t kCostBits = (1 << 24) - 1;  // the lowest: whether it waits
    static constexpr std::uint64_t kOddFactor = 0x9e3779b97f4a7c15, kOtherOddFactor = 0xc2b2ae3d27d4eb4f;
    static constexpr std::size_t kBytesMax = 1024;  // of a text that are looked at: servers hash it on their way
    static constexpr std::size_t kEntries = 4093;   // 32 KiB

    // Its lowest bits, where the cost goes, are 0. The same text with many more steps is another query, and so it is of who
    // sees other VMs; when it is asked for makes no difference.
    static std::uint64_t key_of(const Caller& caller, const Query& query) {
        const std::string_view text = query.text;
        const bool is_range = query.step_ms > 0 && query.end_ms >= query.begin_ms;
        const auto span_ms = static_cast<std::uint64_t>(query.end_ms) - static_cast<std::uint64_t>(query.begin_ms);
        const std::uint64_t steps = is_range ? span_ms / static_cast<std::uint64_t>(query.step_ms) + 1 : 0;
        const std::uint64_t size = text.size() << 8 | static_cast<unsigned>(std::bit_width(steps));
        const std::uint64_t who = caller.is_operator ? 0 : std::uint64_t{caller.uid} + 1;
        const std::uint64_t hash =
            std::hash<std::string_view>()(text.substr(0, kBytesMax)) ^ size * kOddFactor ^ who * kOtherOddFactor;
        return hash & ~kCostBits;
    }
    std::uint64_t place_of(std::uint64_t key) const { return entries_[key % entries_.size()]; }

    // 0: none. No lock: who puts may have the lowest priority of the host, and others would wait for it (FairPool, F6).
    std::array<std::atomic<std::uint64_t>, kEntries> entries_{};
};

}  // namespace ringside::agent
