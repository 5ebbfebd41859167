#include "agent/segment/slots.h"

#include <algorithm>
#include <bit>

namespace ringside::agent {

namespace {

std::uint64_t word64(const std::uint32_t* at) { return at[0] | std::uint64_t{at[1]} << 32; }

}  // namespace

SlotState slot_state(const SeriesView& view, std::uint64_t window) {
    const std::uint32_t* slot = view.ring.slot(window);
    std::uint32_t stamp = slot[0];
    if (stamp == window) return SlotState::kWhole;
    if (stamp > window) return SlotState::kLost;
    if (stamp != 0) return SlotState::kOlder;
    // The writer clears the stamp of the slot that it is about to write: if it was stopped there, words are left. (None of one
    // that held nothing but zeros: a counter at 0, or a level at 0 in a tier without counts. It passes as empty.)
    bool words_left =
        view.turning && std::any_of(slot + 1, slot + view.ring.slot_words, [](auto word) { return word != 0; });
    return words_left ? SlotState::kLost : SlotState::kEmpty;
}

WindowPoint read_slot(const std::uint32_t* slot, std::uint32_t kept) {
    const std::uint32_t* at = slot + 1;
    auto next = [&](std::uint32_t column) {
        if ((kept & column) == 0) return std::uint64_t{0};
        std::uint64_t value = word64(at);
        at += 2;
        return value;
    };
    WindowPoint point;
    point.count = next(kColumnCount);
    point.sum = std::bit_cast<double>(next(kColumnSum));
    point.min = std::bit_cast<double>(next(kColumnMin));
    point.max = std::bit_cast<double>(next(kColumnMax));
    point.last = std::bit_cast<double>(next(kColumnLast));
    point.value = next(kColumnValue);
    return point;
}

const std::uint32_t* slot_buckets(const std::uint32_t* slot, std::uint32_t kept) {
    return slot + 1 + 2 * std::popcount(kept & (kColumnBuckets - 1));
}

}  // namespace ringside::agent
