#include "agent/segment/counter_scan.h"

#include <ringside/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>

#include "agent/segment/window_span.h"

namespace ringside::agent {
namespace {

constexpr std::size_t kOpenAt = offsetof(rside_cell, open);
constexpr std::size_t kValueAt = offsetof(rside_cell, u.counter.value);
constexpr std::uint64_t kWordBytes = sizeof(std::uint32_t);
constexpr std::uint64_t kSlotWords = 3;  // a stamp and a value

// A slot's value lies on a 4-byte boundary, so as two words. They are not half old and half new where `open` was the same
// before and after (V1).
std::uint64_t slot_value(const std::byte* slot) {
    return load32(slot + kWordBytes) | std::uint64_t{load32(slot + 2 * kWordBytes)} << 32;
}

// Series are read by rising index: while one is worked on, the memory of one further on is on its way. Without it a scan of many
// segments waits for memory most of the time.
constexpr std::uint64_t kAhead = 3;
constexpr std::uint64_t kLineBytes = 64;

void prefetch(const std::byte* begin, std::uint64_t bytes) {
    for (std::uint64_t at = 0; at < bytes; at += kLineBytes) __builtin_prefetch(begin + at);
}

void resize(SeriesData* data, std::size_t size) {
    data->end_ns.resize(size);
    data->flags.resize(size);
    data->value.resize(size);
}

}  // namespace

bool CounterScan::read(std::uint32_t metric, std::uint32_t index, const ReadRequest& request, const Timeline& timeline,
                       SeriesData* data) {
    const TierInfo& tier = layout_.schema->tiers[request.tier];
    const rside_metric_geometry& at = layout_.metrics[metric];
    const bool floating = layout_.schema->metrics[metric].kind == Kind::kCounterF64;
    const std::uint64_t resolution_ns = tier.resolution_s * RSIDE_NS_PER_S;
    const bool plain_tier = kept_columns(layout_.schema->metrics[metric], tier) == kColumnValue &&
                            (request.columns & kColumnValue) != 0 && at.slot_words[request.tier] == kSlotWords;
    if (!plain_tier || timeline.ended || request.open_window) return false;

    const std::byte* cell = bytes_.data() + layout_.geometry.cells_offset + std::uint64_t{index} * sizeof(rside_cell);
    const std::uint64_t open = load64(cell + kOpenAt);
    std::atomic_thread_fence(
        std::memory_order_acquire);  // R7, pairs with P7: the slots before this window are all there.
    const std::uint64_t open_ns = open & ~RSIDE_OPEN_FLAGS;
    const std::uint64_t first_tier_ns = layout_.schema->tiers.front().resolution_s * RSIDE_NS_PER_S;
    if (open == 0 || (open & RSIDE_OPEN_TURNING) != 0 || open_ns % first_tier_ns != 0) return false;
    if (open_ns > timeline.latest_ns || open_ns / RSIDE_NS_PER_S > UINT32_MAX) return false;

    // What is over: what the writer has turned past, and what time has.
    const std::uint64_t open_window = open_ns / resolution_ns;
    const std::uint64_t over = std::max(open_window, timeline.now_ns / resolution_ns);   // windows before this one
    std::uint64_t first = std::max<std::uint64_t>(request.begin_ns / resolution_ns, 1);  // stamp 0 is that of no window
    const std::uint64_t end = std::min(request.end_ns / resolution_ns, over);
    // Of the windows up to the open one the ring holds so many, of those after it as many are told, up to now.
    const std::uint64_t present = timeline.now_ns == 0 ? 0 : (timeline.now_ns - 1) / resolution_ns;
    const std::uint64_t last = std::max(open_window, present);
    if (open_window + tier.slots < last) return false;
    const std::uint64_t newest = first > open_window ? last : open_window;
    if (newest >= tier.slots) first = std::max(first, newest + 1 - tier.slots);
    if (first >= end) {
        resize(data, 0);
        return load64(cell + kOpenAt) == open && !bytes_.cut();
    }

    auto size = static_cast<std::size_t>(end - first);
    resize(data, size);
    const std::byte* ring =
        bytes_.data() + at.ring[request.tier] + at.ring_step[request.tier] * (index - at.first_series);
    const std::uint64_t newest_slot = (std::min(end, open_window) + tier.slots - 1) % tier.slots;
    if (index + kAhead < at.first_series + layout_.schema->metrics[metric].max_series) {
        const std::uint64_t span = std::min<std::uint64_t>(size, newest_slot + 1) * kSlotWords * kWordBytes;
        prefetch(cell + kAhead * sizeof(rside_cell), 1);
        prefetch(ring + kAhead * at.ring_step[request.tier] + (newest_slot + 1) * kSlotWords * kWordBytes - span, span);
    }
    // A window after the open one, and the open one where its time has passed, has the value of now. From there on back, a
    // window without a slot has that of the next slot (F3).
    std::uint64_t value = load64(cell + kValueAt);
    std::uint64_t window = end;
    for (; window > first && window > open_window; --window) {
        data->value[window - 1 - first] = value;
        data->flags[window - 1 - first] = window - 1 > open_window ? kPointCarried : 0;
    }
    const std::uint64_t created_window = std::min(timeline.created_ns / resolution_ns, open_window);
    std::uint64_t position = (window - 1) % tier.slots;
    bool have_slot = false;
    std::uint64_t begun = first;  // windows before it have nothing: the series was not there yet
    for (; window > first; --window) {
        const std::byte* slot = ring + position * kSlotWords * kWordBytes;
        position = position == 0 ? tier.slots - 1 : position - 1;
        const std::uint32_t stamp = load32(slot);
        const bool whole = stamp == window - 1;
        if (stamp > window - 1 || (whole && begun > first)) return false;
        if (!whole && window - 1 < created_window) {
            begun = std::max(begun, window);
            continue;
        }
        if (!whole && !have_slot) return false;
        if (whole) value = slot_value(slot);
        have_slot = have_slot || whole;
        data->value[window - 1 - first] = value;
        data->flags[window - 1 - first] = whole ? 0 : kPointCarried;
    }
    std::atomic_thread_fence(std::memory_order_acquire);  // R1, pairs with P1 and P3: `open` is as new as all slots.
    if (load64(cell + kOpenAt) != open || bytes_.cut()) return false;

    if (begun > first) {
        const auto none = static_cast<std::ptrdiff_t>(begun - first);
        data->value.erase(data->value.begin(), data->value.begin() + none);
        data->flags.erase(data->flags.begin(), data->flags.begin() + none);
        size -= static_cast<std::size_t>(none);
        first = begun;
        data->end_ns.resize(size);
    }
    for (std::size_t i = 0; i < size; ++i) data->end_ns[i] = (first + i + 1) * resolution_ns;
    if (floating) {
        for (std::uint64_t& bits : data->value)
            bits = std::bit_cast<std::uint64_t>(plain_nan(std::bit_cast<double>(bits)));
    }
    const std::uint64_t born = timeline.created_ns / resolution_ns;
    if (timeline.created_ns % resolution_ns != 0 && born >= first && born < first + size) {
        data->flags[born - first] |= kPointPartial;
    }
    return true;
}

}  // namespace ringside::agent
