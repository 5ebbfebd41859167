#include "agent/segment/windows.h"

#include <algorithm>
#include <bit>
#include <optional>

#include "agent/segment/levels.h"
#include "agent/segment/slots.h"
#include "agent/segment/window_span.h"

namespace ringside::agent {

namespace {

std::uint8_t torn_flag(const SeriesView& view) { return view.torn ? kPointTorn : std::uint8_t{0}; }

// What the tier keeps of the kind, whether asked for or not: it decides where the columns of a slot are.
std::uint32_t kept_columns(const MetricInfo& metric, const TierInfo& tier) {
    return rside_columns_of(static_cast<std::uint8_t>(metric.kind), tier.columns);
}

// A NaN made by somebody else's bits does not travel on; see plain_nan.
std::uint64_t plain_value(Kind kind, std::uint64_t value) {
    if (kind != Kind::kCounterF64) return value;
    return std::bit_cast<std::uint64_t>(plain_nan(std::bit_cast<double>(value)));
}

SeriesData counter_windows(const SeriesView& view, const MetricInfo& metric, std::uint32_t kept, WindowSpan& span) {
    std::uint64_t open = span.window_of(view.open_ns);
    std::vector<SlotSource> sources = cumulative_sources(view, span.created_window(open));
    for (std::uint64_t i = 0; i < sources.size(); ++i) {
        std::uint64_t window = view.ring.first + i;
        if (sources[i].window == SlotSource::kNone || !span.retained(window, open) || !span.wants(window, true))
            continue;
        WindowPoint point = read_slot(view.ring.slot(sources[i].window), kept);
        point.value = plain_value(metric.kind, point.value);
        span.add(window, true, sources[i].carried ? kPointCarried : std::uint8_t{0}, point);
    }
    if (!view.hot) return span.take();
    WindowPoint hot;
    hot.value = plain_value(metric.kind, view.cell.u.counter.value);
    if (span.wants(open, false)) span.add(open, false, 0, hot);
    for (std::uint64_t window : span.idle_windows(open)) {
        if (span.wants(window, false)) span.add(window, false, kPointCarried, hot);
    }
    return span.take();
}

SeriesData gauge_windows(const SeriesView& view, std::uint32_t tier, std::uint32_t kept, WindowSpan& span) {
    std::uint64_t open = span.window_of(view.open_ns);
    for (std::uint64_t i = 0; i < view.ring.count; ++i) {
        std::uint64_t window = view.ring.first + i;
        if (slot_state(view, window) != SlotState::kWhole || !span.retained(window, open)) continue;
        if (span.wants(window, true)) span.add(window, true, 0, read_slot(view.ring.slot(window), kept));
    }
    if (!view.hot || !span.wants(open, false)) return span.take();
    const auto& cell = view.cell.u.gauge;
    rside_accumulator window{};
    // A writer that died inside the first record of a window may have counted it, but has no least or greatest value yet:
    // that record did not happen.
    bool empty = view.stale || (view.torn && !(cell.min <= cell.max));
    if (!empty) window = {cell.count, cell.sum, cell.min, cell.max, cell.last};
    rside_accumulator merged = tier == 0 ? window : merge(view.accumulator, window);
    if (merged.count > 0) span.add(open, false, torn_flag(view), point_of(merged));
    return span.take();
}

// Histograms: slots keep their buckets modulo 2^32, the hot buckets are whole. Two neighbours differ by less than 2^32, so
// walking back from the hot ones recovers the upper halves.
class HistogramWindows {
  public:
    HistogramWindows(const SeriesView& view, const MetricInfo& metric, std::uint32_t kept, WindowSpan& span,
                     WindowStats* stats)
        : view_(view), stride_(std::size_t{metric.bucket_count} + 1), kept_(kept), span_(span), stats_(stats) {}

    SeriesData build() {
        std::uint64_t open = span_.window_of(view_.open_ns);
        bool buckets = span_.keeps(kColumnBuckets);
        if (buckets) unwrap();
        std::vector<SlotSource> sources = cumulative_sources(view_, span_.created_window(open));
        for (std::uint64_t i = 0; i < sources.size(); ++i) {
            std::uint64_t window = view_.ring.first + i;
            std::uint64_t from = sources[i].window;
            if (from == SlotSource::kNone || !span_.retained(window, open) || !span_.wants(window, true)) continue;
            if (buckets && !sound_[from - view_.ring.first]) {
                ++stats_->inconsistent;
                continue;
            }
            span_.add(window, true, sources[i].carried ? kPointCarried : std::uint8_t{0},
                      read_slot(view_.ring.slot(from), kept_));
            if (buckets) append_row(&rows_[(from - view_.ring.first) * stride_]);
        }
        if (view_.hot) add_hot(open, buckets);
        return span_.take();
    }

  private:
    void append_row(const std::uint64_t* row) {
        std::vector<std::uint64_t>& to = span_.data().buckets;
        to.insert(to.end(), row, row + stride_);
    }

    void unwrap() {
        hot_row_.resize(stride_);
        for (std::size_t b = 0; b < stride_; ++b) hot_row_[b] = view_.hot_bucket(b);
        rows_.resize(view_.ring.count * stride_);
        sound_.assign(view_.ring.count, false);
        std::vector<std::uint64_t> newer = hot_row_;
        for (std::uint64_t i = view_.ring.count; i-- > 0;) {
            std::uint64_t window = view_.ring.first + i;
            if (slot_state(view_, window) != SlotState::kWhole) continue;
            std::uint64_t* row = &rows_[i * stride_];
            if (!unwrap_slot(view_.ring.slot(window), newer, row)) continue;
            sound_[i] = true;
            std::copy(row, row + stride_, newer.begin());
        }
    }

    // False when the slot contradicts what is newer, or its own count.
    bool unwrap_slot(const std::uint32_t* slot, const std::vector<std::uint64_t>& newer, std::uint64_t* row) const {
        const std::uint32_t* buckets = slot_buckets(slot, kept_);
        for (std::size_t b = 0; b < stride_; ++b) {
            std::uint32_t grown = static_cast<std::uint32_t>(newer[b]) - buckets[b];  // modulo 2^32 on purpose
            if (grown > newer[b]) return false;
            row[b] = newer[b] - grown;
        }
        if ((kept_ & kColumnCount) == 0) return true;
        std::optional<std::uint64_t> total = total_of(row);
        return total && *total <= read_slot(slot, kept_).count;
    }

    // Nothing when the sum does not fit.
    std::optional<std::uint64_t> total_of(const std::uint64_t* row) const {
        std::uint64_t total = 0;
        for (std::size_t b = 0; b < stride_; ++b) {
            if (row[b] > UINT64_MAX - total) return std::nullopt;
            total += row[b];
        }
        return total;
    }

    void add_hot(std::uint64_t open, bool buckets) {
        WindowPoint point;
        point.count = view_.cell.u.histogram.count;
        point.sum = view_.cell.u.histogram.sum;
        if (buckets) {
            // The writer counts in the bucket first. If it died in between, what the buckets say is what happened.
            std::optional<std::uint64_t> total = total_of(hot_row_.data());
            if (!total || (*total > point.count && !view_.torn)) {
                ++stats_->inconsistent;
                return;
            }
            point.count = std::max(point.count, *total);
        }
        auto add = [&](std::uint64_t window, std::uint8_t flags) {
            if (!span_.wants(window, false)) return;
            span_.add(window, false, flags, point);
            if (buckets) append_row(hot_row_.data());
        };
        add(open, torn_flag(view_));
        for (std::uint64_t window : span_.idle_windows(open)) add(window, kPointCarried);
    }

    const SeriesView& view_;
    std::size_t stride_;
    std::uint32_t kept_;
    WindowSpan& span_;
    WindowStats* stats_;
    std::vector<std::uint64_t> hot_row_;
    std::vector<std::uint64_t> rows_;  // of the slots that are sound_, indexed like the ring part
    std::vector<bool> sound_;
};

}  // namespace

ViewRequest view_request(const MetricInfo& metric, const TierInfo& tier, const ReadRequest& request) {
    std::uint64_t resolution_ns = tier.resolution_s * RSIDE_NS_PER_S;
    ViewRequest view;
    view.tier = request.tier;
    // Levels look at the whole ring for a sign of older windows; see level_windows.
    if (metric.kind != Kind::kLevel) view.first_window = request.begin_ns / resolution_ns;
    // Only sampled gauges never need a slot to the right of a window.
    if (metric.kind == Kind::kGauge) view.last_window = request.end_ns / resolution_ns;
    view.buckets =
        metric.kind == Kind::kHistogram && (kept_columns(metric, tier) & request.columns & kColumnBuckets) != 0;
    return view;
}

std::uint64_t answer_bytes(const SeriesView& view, const MetricInfo& metric, const TierInfo& tier,
                           const ReadRequest& request, const Timeline& timeline) {
    WindowStats unused;
    WindowSpan span(tier, request, timeline, 0, &unused);
    std::uint64_t windows =
        metric.kind == Kind::kInfo
            ? static_cast<std::uint64_t>(constant_span(span).size())
            : view.ring.count + 1 + static_cast<std::uint64_t>(span.idle_windows(span.window_of(view.open_ns)).size());
    std::uint64_t point_bytes = sizeof(std::uint64_t) + 1 + 5 * sizeof(double);  // end, flags, columns of a gauge
    if (view_request(metric, tier, request).buckets) point_bytes += (metric.bucket_count + std::uint64_t{1}) * 8;
    return windows * point_bytes;  // below 2^22 x 2^15
}

SeriesData assemble(const SeriesView& view, const MetricInfo& metric, const SchemaInfo& schema,
                    const ReadRequest& request, const Timeline& timeline, WindowStats* stats) {
    const TierInfo& tier = schema.tiers[request.tier];
    std::uint32_t kept = kept_columns(metric, tier);
    if (view.open_ns == 0 || kept == 0) return {};
    WindowSpan span(tier, request, timeline, kept & request.columns, stats);
    switch (metric.kind) {
        case Kind::kCounter:
        case Kind::kCounterF64: return counter_windows(view, metric, kept, span);
        case Kind::kGauge: return gauge_windows(view, request.tier, kept, span);
        case Kind::kLevel: return level_windows(view, schema.tiers.front(), request.tier, kept, span);
        case Kind::kHistogram: return HistogramWindows(view, metric, kept, span, stats).build();
        case Kind::kInfo: break;
    }
    return {};
}

SeriesData assemble_info(const TierInfo& tier, const ReadRequest& request, const Timeline& timeline,
                         WindowStats* stats) {
    WindowSpan span(tier, request, timeline, request.columns & RSIDE_COLUMNS_GAUGE, stats);
    return constant_windows(1.0, span);
}

}  // namespace ringside::agent
