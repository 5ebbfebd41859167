#include "agent/segment/histogram_scan.h"

#include <ringside/format.h>

#include <atomic>
#include <bit>

#include "agent/segment/ring_span.h"
#include "agent/segment/window_span.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kWordBytes = sizeof(std::uint32_t);
// Columns of a slot, behind its stamp.
constexpr std::uint64_t kCountAt = kWordBytes;
constexpr std::uint64_t kSumAt = kCountAt + 2 * kWordBytes;
constexpr std::uint64_t kBucketsAt = kSumAt + 2 * kWordBytes;
constexpr std::uint32_t kColumns = kColumnCount | kColumnSum | kColumnBuckets;

// Ranges go up by steps: while one is worked on, the slots of one further on are on their way.
constexpr std::size_t kAhead = 4;

}  // namespace

// False: the tier does not keep all.
bool HistogramScan::place(std::uint32_t metric, std::uint32_t index, std::uint32_t tier) {
    const rside_metric_geometry& geometry = layout_.metrics[metric];
    const MetricInfo& info = layout_.schema->metrics[metric];
    const std::uint64_t step = index - geometry.first_series;
    at_ = {};
    at_.stride = std::size_t{info.bucket_count} + 1;
    at_.slots = layout_.schema->tiers[tier].slots;
    at_.slot_bytes = geometry.slot_words[tier] * kWordBytes;
    if (kept_columns(info, layout_.schema->tiers[tier]) != kColumns) return false;
    if (at_.slot_bytes != kBucketsAt + at_.stride * kWordBytes) return false;
    at_.cell = bytes_.data() + layout_.geometry.cells_offset + std::uint64_t{index} * sizeof(rside_cell);
    at_.hot_buckets = bytes_.data() + geometry.hot_buckets + geometry.hot_buckets_step * step;
    at_.ring = bytes_.data() + geometry.ring[tier] + geometry.ring_step[tier] * step;
    return true;
}

bool HistogramScan::take_hot(Totals* totals) {
    if ((at_.seq & 1) != 0) return false;  // a record is half done
    at_.used_hot = true;
    totals->count = at_.seq >> 1;
    const std::uint64_t valid = offsetof(rside_cell, u.histogram.sum) + (totals->count & 1) * sizeof(double);
    totals->sum = std::bit_cast<double>(load64(at_.cell + valid));
    totals->buckets = at_.hot_buckets;
    totals->bucket_bytes = sizeof(std::uint64_t);
    totals->window = UINT64_MAX;
    return true;
}

// A window without a slot has what the next one has that does (F3), and the last of these is the open one.
bool HistogramScan::find(std::uint64_t window, Totals* totals) {
    if (totals->are_of(window)) return true;
    totals->from = window;
    const std::byte* slot = at_.ring + window % at_.slots * at_.slot_bytes;
    for (; window < at_.open_window; ++window) {
        const std::uint32_t stamp = load32(slot);
        if (stamp > window) return false;
        if (stamp == window) {
            totals->window = window;
            totals->count = load_halves(slot + kCountAt);
            totals->sum = std::bit_cast<double>(load_halves(slot + kSumAt));
            totals->buckets = slot + kBucketsAt;
            totals->bucket_bytes = kWordBytes;
            return true;
        }
        slot += at_.slot_bytes;
        if (slot == at_.ring + at_.slots * at_.slot_bytes) slot = at_.ring;
    }
    return take_hot(totals);
}

// Slots keep buckets modulo 2^32. Where less was observed than that, no bucket can have gone around.
bool HistogramScan::gain(const Totals& first, const Totals& last, HistogramGain* gain, std::uint32_t* buckets) const {
    if (last.count < first.count || last.count - first.count > UINT32_MAX) return false;
    gain->first_count = first.count;
    gain->count = last.count - first.count;
    gain->sum = plain_nan(last.sum) - plain_nan(first.sum);
    std::uint64_t within = 0;
    for (std::size_t i = 0; i < at_.stride; ++i) {
        buckets[i] = last.bucket(i) - first.bucket(i);
        within += buckets[i];
    }
    return within <= gain->count;
}

bool HistogramScan::is_unchanged() const {
    // R1, R6, pair with P1, P3, P6: what is read again is as new as all above, at least.
    std::atomic_thread_fence(std::memory_order_acquire);
    if (load64(at_.cell + offsetof(rside_cell, open)) != at_.open || bytes_.cut()) return false;
    return !at_.used_hot || load64(at_.cell + offsetof(rside_cell, seq)) == at_.seq;
}

bool HistogramScan::read(std::uint32_t metric, std::uint32_t index, std::uint32_t tier,
                         std::span<const TimeRange> ranges, const Timeline& timeline, HistogramGains* gains) {
    if (timeline.rebased || !place(metric, index, tier)) return false;
    at_.seq = load64(at_.cell + offsetof(rside_cell, seq));
    at_.open = load64(at_.cell + offsetof(rside_cell, open));
    // R2, R7, pair with P2, P7: hot fields and slots are as new as these, at least.
    std::atomic_thread_fence(std::memory_order_acquire);
    const std::vector<TierInfo>& tiers = layout_.schema->tiers;
    const std::uint64_t resolution_ns = tiers[tier].resolution_s * RSIDE_NS_PER_S;
    gains->ranges.resize(ranges.size());
    gains->buckets.resize(ranges.size() * at_.stride);
    Totals first, last;
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        const RingSpan span = ring_span(at_.open, tiers[tier], tiers.front().resolution_s * RSIDE_NS_PER_S,
                                        ranges[i].begin_ns, ranges[i].end_ns, timeline);
        if (!span.possible) return false;
        at_.open_window = span.open_window;
        HistogramGain& gain = gains->ranges[i];
        gain = {};
        if (span.first >= span.end) continue;
        // Of one that was born inside there is less to tell than that.
        if (timeline.created_ns >= span.first * resolution_ns) return false;
        if (i + kAhead < ranges.size()) {
            for (std::uint64_t ns : {ranges[i + kAhead].begin_ns, ranges[i + kAhead].end_ns - 1}) {
                prefetch(at_.ring + ns / resolution_ns % at_.slots * at_.slot_bytes, at_.slot_bytes);
            }
        }
        gain.windows = static_cast<std::size_t>(span.end - span.first);
        gain.first_end_ns = (span.first + 1) * resolution_ns;
        gain.last_end_ns = span.end * resolution_ns;
        if (!find(span.first, &first) || !find(span.end - 1, &last)) return false;
        if (!this->gain(first, last, &gain, gains->buckets.data() + i * at_.stride)) return false;
    }
    return is_unchanged();
}

}  // namespace ringside::agent
