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
constexpr std::uint64_t kSlotBytes = kSlotWords * kWordBytes;

std::uint64_t slot_value(const std::byte* slot) { return load_halves(slot + kWordBytes); }

// Series are read by rising index: while one is worked on, the memory of one further on is on its way. Without it a scan of many
// segments waits for memory most of the time.
constexpr std::uint64_t kAhead = 3;
constexpr std::uint64_t kEndsAhead = 4;  // where little is read of each

void resize(SeriesData* data, std::size_t size) {
    data->end_ns.resize(size);
    data->flags.resize(size);
    data->value.resize(size);
}

}  // namespace

void CounterScan::plan(std::uint32_t metric, const ReadRequest& request) {
    const TierInfo& tier = layout_.schema->tiers[request.tier];
    const MetricInfo& info = layout_.schema->metrics[metric];
    const rside_metric_geometry& at = layout_.metrics[metric];
    plan_.metric = metric;
    plan_.request = request;
    plan_.possible = kept_columns(info, tier) == kColumnValue && (request.columns & kColumnValue) != 0 &&
                     at.slot_words[request.tier] == kSlotWords && !request.open_window;
    plan_.floating = info.kind == Kind::kCounterF64;
    plan_.resolution_ns = tier.resolution_s * RSIDE_NS_PER_S;
    plan_.slots = tier.slots;
    plan_.cells = bytes_.data() + layout_.geometry.cells_offset;
    plan_.ring = bytes_.data() + at.ring[request.tier];
    plan_.ring_step = at.ring_step[request.tier];
    plan_.first_series = at.first_series;
    plan_.end_series = at.first_series + info.max_series;
    span_ = {};
}

CounterScan::Span CounterScan::span_of(std::uint64_t open, const Timeline& timeline) const {
    const std::vector<TierInfo>& tiers = layout_.schema->tiers;
    Span span{ring_span(open, tiers[plan_.request.tier], tiers.front().resolution_s * RSIDE_NS_PER_S,
                        plan_.request.begin_ns, plan_.request.end_ns, timeline)};
    if (!span.possible) return span;
    span.newest_slot = (std::min(span.end, span.open_window) + plan_.slots - 1) % plan_.slots;
    span.oldest_slot = span.first % plan_.slots;
    return span;
}

bool CounterScan::choose(std::uint32_t metric, const ReadRequest& request) {
    if (metric != plan_.metric || !(request == plan_.request)) plan(metric, request);
    return plan_.possible;
}

// Makes span_ that of this series. False: not for us.
bool CounterScan::place(std::uint32_t index, const Timeline& timeline) {
    const std::uint64_t open = load64(cell(index) + kOpenAt);
    // R7, pairs with P7: the slots before this window are all there.
    std::atomic_thread_fence(std::memory_order_acquire);
    if (open != span_.open || !span_.possible) span_ = span_of(open, timeline);
    return span_.possible;
}

// Whether all that was read of the series since place() belongs together.
inline bool CounterScan::is_unchanged(std::uint32_t index) const {
    std::atomic_thread_fence(std::memory_order_acquire);  // R1, pairs with P1 and P3: `open` is as new as all slots.
    return load64(cell(index) + kOpenAt) == span_.open && !bytes_.cut();
}

// Calls take(window, value, flags) with each window of span_, the newest first, down to *begun: those before it have nothing,
// because the series was not there yet. False where the general reader has to be asked, whatever was taken until then.
template <typename Take>
bool CounterScan::walk(std::uint32_t index, std::uint64_t created_ns, std::uint64_t* begun, Take take) const {
    const std::byte* const cell = this->cell(index);
    const std::uint64_t first = span_.first;
    *begun = first;
    if (first >= span_.end) return is_unchanged(index);
    const std::byte* const ring = plan_.ring + plan_.ring_step * (index - plan_.first_series);
    if (index + kAhead < plan_.end_series) {
        const std::uint64_t span = std::min(span_.end - first, span_.newest_slot + 1) * kSlotBytes;
        prefetch(cell + kAhead * sizeof(rside_cell), 1);
        prefetch(ring + kAhead * plan_.ring_step + (span_.newest_slot + 1) * kSlotBytes - span, span);
    }
    // A window after the open one, and the open one where its time has passed, has the value of now. From there on back, a
    // window without a slot has that of the next slot (F3).
    std::uint64_t value = load64(cell + kValueAt);
    std::uint64_t window = span_.end;
    for (; window > first && window > span_.open_window; --window) {
        take(window - 1, value, window - 1 > span_.open_window ? kPointCarried : std::uint8_t{0});
    }
    const bool created_inside = created_ns >= first * plan_.resolution_ns;
    const std::uint64_t created_window =
        created_inside ? std::min(created_ns / plan_.resolution_ns, span_.open_window) : first;
    const std::byte* slot = ring + span_.newest_slot * kSlotBytes;
    bool have_slot = false;
    for (; window > first; --window) {
        const std::uint32_t stamp = load32(slot);
        const bool whole = stamp == window - 1;
        if (stamp > window - 1 || (whole && *begun > first)) return false;
        if (!whole && window - 1 < created_window) {
            *begun = std::max(*begun, window);
        } else {
            if (!whole && !have_slot) return false;
            if (whole) value = slot_value(slot);
            have_slot = have_slot || whole;
            take(window - 1, value, whole ? std::uint8_t{0} : kPointCarried);
        }
        slot = slot == ring ? ring + (plan_.slots - 1) * kSlotBytes : slot - kSlotBytes;
    }
    return is_unchanged(index);
}

// The values of the first and the last window of span_, which has some and in all of which the series was there. Like walk(),
// without a look at those between, unless the first had no record: its value is that of the next one that had (F3).
bool CounterScan::ends(std::uint32_t index, std::uint64_t* oldest, std::uint64_t* newest) const {
    const std::byte* const cell = this->cell(index);
    const std::byte* const ring = plan_.ring + plan_.ring_step * (index - plan_.first_series);
    const std::byte* slot = ring + span_.oldest_slot * kSlotBytes;
    const std::byte* const last_slot = ring + span_.newest_slot * kSlotBytes;
    if (index + kEndsAhead < plan_.end_series) {
        __builtin_prefetch(cell + kEndsAhead * sizeof(rside_cell));
        __builtin_prefetch(slot + kEndsAhead * plan_.ring_step);
        __builtin_prefetch(last_slot + kEndsAhead * plan_.ring_step);
    }
    *newest = *oldest = load64(cell + kValueAt);
    if (span_.end <= span_.open_window) {
        if (load32(last_slot) != span_.end - 1) return false;
        *newest = slot_value(last_slot);
    }
    if (span_.first < span_.open_window) {
        const std::uint64_t closed = std::min(span_.end, span_.open_window);
        std::uint64_t window = span_.first;
        while (load32(slot) != window) {
            if (load32(slot) > window || ++window == closed) return false;
            slot = slot == ring + (plan_.slots - 1) * kSlotBytes ? ring : slot + kSlotBytes;
        }
        *oldest = slot_value(slot);
    }
    return is_unchanged(index);
}

bool CounterScan::read(std::uint32_t index, const Timeline& timeline, SeriesData* data) {
    if (!place(index, timeline)) return false;
    const std::uint64_t windows = span_.end > span_.first ? span_.end - span_.first : 0;
    resize(data, static_cast<std::size_t>(windows));
    std::uint64_t first = span_.first;
    const bool walked = walk(index, timeline.created_ns, &first,
                             [data, from = span_.first](std::uint64_t window, std::uint64_t value, std::uint8_t flags) {
                                 data->value[window - from] = value;
                                 data->flags[window - from] = flags;
                             });
    if (!walked) return false;
    if (first > span_.first) {
        const auto none = static_cast<std::ptrdiff_t>(first - span_.first);
        data->value.erase(data->value.begin(), data->value.begin() + none);
        data->flags.erase(data->flags.begin(), data->flags.begin() + none);
        data->end_ns.resize(data->value.size());
    }
    const std::size_t size = data->size();
    for (std::size_t i = 0; i < size; ++i) data->end_ns[i] = (first + i + 1) * plan_.resolution_ns;
    if (plan_.floating) {
        for (std::uint64_t& bits : data->value)
            bits = std::bit_cast<std::uint64_t>(plain_nan(std::bit_cast<double>(bits)));
    }
    const std::uint64_t born = timeline.created_ns / plan_.resolution_ns;
    if (timeline.created_ns % plan_.resolution_ns != 0 && born >= first && born < first + size) {
        data->flags[born - first] |= kPointPartial;
    }
    return true;
}

bool CounterScan::read_run(std::uint32_t index, const Timeline& timeline, CounterRun* run) {
    if (!place(index, timeline)) return false;
    std::uint64_t first = span_.first, oldest = 0, newest = 0;
    bool rises = true;
    if (!timeline.rebased && timeline.created_ns < first * plan_.resolution_ns && first < span_.end) {
        if (!ends(index, &oldest, &newest)) return false;
        rises = oldest <= newest;
    } else {
        oldest = UINT64_MAX;
        const auto take = [&](std::uint64_t, std::uint64_t value, std::uint8_t) {
            newest = std::max(newest, value);
            rises = rises && value <= oldest;
            oldest = value;
        };
        if (!walk(index, timeline.created_ns, &first, take)) return false;
    }
    // Bits of doubles are ordered like the doubles as long as there is neither a sign nor a NaN among them.
    constexpr std::uint64_t kInfinityBits = std::uint64_t{0x7ff} << 52;
    if (!rises || (plan_.floating && newest > kInfinityBits)) return false;
    run->count = span_.end > first ? static_cast<std::size_t>(span_.end - first) : 0;
    run->first_end_ns = (first + 1) * plan_.resolution_ns;
    run->last_end_ns = span_.end * plan_.resolution_ns;
    run->first = oldest;
    run->last = newest;
    return true;
}

}  // namespace ringside::agent
