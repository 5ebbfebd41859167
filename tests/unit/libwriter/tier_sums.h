// What any reader may do with a segment: add up the windows of one tier and find the same as in the next coarser one,
// wherever both cover the same time and no clock has stepped far back. Worked out from what the slots say alone.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "tests/support/plain_segment.h"

namespace ringside {

class TierSums {
  public:
    // `first_ns`: begin of the series' first window.
    TierSums(const plain::Segment& segment, const plain::Series& series, std::uint64_t first_ns)
        : tiers_(segment.tiers), series_(series), kind_(segment.metrics[series.metric].kind), first_ns_(first_ns) {}

    // What does not add up, "" when all does.
    std::string differences() {
        std::string out;
        for (std::size_t coarse = 1; coarse < tiers_.size(); ++coarse) out += differences(coarse - 1, coarse);
        return out;
    }
    // Windows of a coarser tier that were compared with what they consist of.
    std::uint64_t compared() const { return compared_; }

  private:
    using Ring = std::map<std::uint64_t, const plain::Slot*>;  // by window

    bool is_gauge() const { return kind_ == plain::kGauge; }
    bool is_level() const { return kind_ == plain::kLevel; }

    Ring ring_of(std::size_t t) const {
        Ring ring;
        for (const plain::Slot& slot : series_.rings[t]) {
            if (slot.window) ring[slot.window] = &slot;
        }
        return ring;
    }

    std::string differences(std::size_t fine, std::size_t coarse) {
        const std::uint64_t inner_ns = tiers_[fine].resolution_ns(), outer_ns = tiers_[coarse].resolution_ns();
        if (series_.open_ns == 0 || series_.rings[fine].empty() || series_.rings[coarse].empty()) return "";
        const Ring inner = ring_of(fine), outer = ring_of(coarse);
        const std::uint64_t inner_open = series_.open_ns / inner_ns, outer_open = series_.open_ns / outer_ns;
        const std::uint64_t inner_oldest = inner_open - std::min<std::uint64_t>(inner_open, tiers_[fine].slots);
        const std::uint64_t parts = outer_ns / inner_ns;
        std::string out;
        // Both tiers must reach one window further back: increases are counted from its end.
        const std::uint64_t reach = std::min<std::uint64_t>(tiers_[coarse].slots - 1, outer_open);
        for (std::uint64_t window = std::max<std::uint64_t>(outer_open - reach, 1); window < outer_open; ++window) {
            if (window * parts <= inner_oldest || (window + 1) * outer_ns <= first_ns_) continue;
            ++compared_;
            const std::string wrong = is_gauge() || is_level()
                                          ? summary_differences(fine, coarse, inner, outer, window, parts)
                                          : increase_differences(fine, coarse, inner, outer, window, parts);
            if (wrong.empty()) continue;
            out += "window " + std::to_string(window) + " of tier " + std::to_string(coarse) + ": " + wrong + "\n";
        }
        return out;
    }

    // F4: a window of a level without a slot was as that of the next slot. One of a gauge had no record.
    const plain::Slot* slot_of(const Ring& ring, std::uint64_t window, std::uint64_t resolution_ns) const {
        if ((window + 1) * resolution_ns <= first_ns_) return nullptr;
        const auto at = is_level() ? ring.lower_bound(window) : ring.find(window);
        return at == ring.end() ? nullptr : at->second;
    }

    std::string summary_differences(std::size_t fine, std::size_t coarse, const Ring& inner, const Ring& outer,
                                    std::uint64_t window, std::uint64_t parts) const {
        plain::Summary sum;
        bool any = false;
        for (std::uint64_t w = window * parts; w < (window + 1) * parts; ++w) {
            const plain::Slot* slot = slot_of(inner, w, tiers_[fine].resolution_ns());
            if (!slot) continue;
            const plain::Summary& part = slot->summary;
            sum = {sum.count + part.count, sum.sum + part.sum, any ? std::min(sum.min, part.min) : part.min,
                   any ? std::max(sum.max, part.max) : part.max, part.last};
            any = true;
        }
        const plain::Slot* whole = slot_of(outer, window, tiers_[coarse].resolution_ns());
        if (!whole) return any ? "no slot, but parts" : "";
        if (!any) return "a slot, but no parts";
        const std::uint32_t both = tiers_[fine].columns & tiers_[coarse].columns;
        auto differs = [&](plain::Column column, auto a, auto b) { return (both & column) && !(a == b); };
        std::string out;
        if (differs(plain::kCount, sum.count, whole->summary.count)) out += "count ";
        if (differs(plain::kSum, sum.sum, whole->summary.sum)) out += "sum ";
        if (differs(plain::kMin, sum.min, whole->summary.min)) out += "min ";
        if (differs(plain::kMax, sum.max, whole->summary.max)) out += "max ";
        if (differs(plain::kLast, sum.last, whole->summary.last)) out += "last ";
        return out;
    }

    // F3: what a missing window would say is what the next slot says. Before the first window all is 0.
    static const plain::Slot& total_at(const Ring& ring, std::uint64_t window, std::uint64_t first) {
        static const plain::Slot zero;
        if (window < first) return zero;
        const auto at = ring.lower_bound(window);
        return at == ring.end() ? zero : *at->second;
    }

    struct Increase {
        std::uint64_t count = 0, value = 0;
        double sum = 0, value_f64 = 0;
        std::vector<std::uint32_t> buckets;
        bool operator==(const Increase&) const = default;
    };

    void add(Increase& to, const plain::Slot& before, const plain::Slot& after) const {
        to.count += after.summary.count - before.summary.count;
        to.sum += after.summary.sum - before.summary.sum;
        if (kind_ == plain::kCounterF64) {
            to.value_f64 += as_double(after.value) - as_double(before.value);
        } else {
            to.value += after.value - before.value;
        }
        to.buckets.resize(after.buckets.size());
        for (std::size_t i = 0; i < to.buckets.size(); ++i) {
            to.buckets[i] += after.buckets[i] - (before.buckets.empty() ? 0 : before.buckets[i]);
        }
    }
    static double as_double(std::uint64_t bits) {
        double value;
        std::memcpy(&value, &bits, sizeof value);
        return value;
    }

    std::string increase_differences(std::size_t fine, std::size_t coarse, const Ring& inner, const Ring& outer,
                                     std::uint64_t window, std::uint64_t parts) const {
        const std::uint64_t inner_first = first_ns_ / tiers_[fine].resolution_ns();
        const std::uint64_t outer_first = first_ns_ / tiers_[coarse].resolution_ns();
        Increase sum, whole;
        for (std::uint64_t w = window * parts; w < (window + 1) * parts; ++w) {
            add(sum, total_at(inner, w - 1, inner_first), total_at(inner, w, inner_first));
        }
        add(whole, total_at(outer, window - 1, outer_first), total_at(outer, window, outer_first));
        const std::uint32_t both = tiers_[fine].columns & tiers_[coarse].columns;
        std::string out;
        if ((both & plain::kCount) && sum.count != whole.count) out += "count ";
        if ((both & plain::kSum) && sum.sum != whole.sum) out += "sum ";
        if ((both & plain::kBuckets) && sum.buckets != whole.buckets) out += "buckets ";
        if ((both & plain::kValue) && (sum.value != whole.value || sum.value_f64 != whole.value_f64))
            out += "increase ";
        return out;
    }

    const std::vector<plain::Tier>& tiers_;
    const plain::Series& series_;
    std::uint8_t kind_;
    std::uint64_t first_ns_;
    std::uint64_t compared_ = 0;
};

}  // namespace ringside
