#include "agent/segment/windows.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

#include "agent/segment/levels.h"
#include "agent/segment/slots.h"
#include "agent/segment/window_span.h"

namespace ringside::agent {

namespace {

// F3: a missing window has the value of the next slot; behind the newest slot, that of the one before. A writer leaves no
// such window; one that was stopped or rebased may.
class CumulativeWindows : public WindowBuilder {
  public:
    CumulativeWindows(std::uint32_t kept, WindowSpan span) : kept_(kept), span_(std::move(span)) {}

    void add_hot(const SeriesView& view) override {
        open_ = span_.window_of(view.open_ns);
        created_ = span_.created_window(open_);
        if (!take_hot(view)) return;
        for (std::uint64_t window : std::views::reverse(span_.idle_windows(open_))) put(window, false, kPointCarried);
        put(open_, false, 0);
    }

    void add_ring(const SeriesView& view) override {
        for (std::uint64_t i = view.ring.count; i-- > 0;) {
            std::uint64_t window = view.ring.first + i;
            switch (slot_state(view, window)) {
                case SlotState::kWhole: add_slot(window, view.ring.slot(window)); break;
                case SlotState::kLost: break;
                case SlotState::kEmpty:
                case SlotState::kOlder: add_missing(window); break;
            }
        }
    }

    bool needs_older() const override { return !unfilled_.empty(); }

    SeriesData take() override { return span_.take(); }

  protected:
    // Take over what put() adds from now on. take_hot: false when the view has nothing to add.
    virtual bool take_hot(const SeriesView& view) = 0;
    virtual void take_slot(const std::uint32_t* slot) = 0;
    virtual void put(std::uint64_t window, bool closed_by_writer, std::uint8_t flags) = 0;

    const std::uint32_t kept_;
    WindowSpan span_;

  private:
    void put_closed(std::uint64_t window, std::uint8_t flags) {
        if (span_.retained(window, open_)) put(window, true, flags);
    }

    void add_slot(std::uint64_t window, const std::uint32_t* slot) {
        take_slot(slot);
        have_slot_ = true;
        for (std::uint32_t missing : unfilled_) put_closed(missing, kPointCarried);
        unfilled_.clear();
        put_closed(window, 0);
    }

    void add_missing(std::uint64_t window) {
        if (window < created_) return;
        if (have_slot_) {
            put_closed(window, kPointCarried);
        } else if (window >= span_.first_wanted() && window <= span_.last_wanted()) {
            unfilled_.push_back(static_cast<std::uint32_t>(window));
        }
    }

    std::uint64_t open_ = 0;
    std::uint64_t created_ = 0;
    bool have_slot_ = false;
    std::vector<std::uint32_t> unfilled_;  // missing windows behind the newest slot
};

class CounterWindows : public CumulativeWindows {
  public:
    CounterWindows(const MetricInfo& metric, std::uint32_t kept, WindowSpan span)
        : CumulativeWindows(kept, std::move(span)), floating_(metric.kind == Kind::kCounterF64) {}

  private:
    bool take_hot(const SeriesView& view) override {
        take_value(view.cell.u.counter.value);
        return view.hot;
    }

    void take_slot(const std::uint32_t* slot) override { take_value(read_slot(slot, kept_).value); }

    void put(std::uint64_t window, bool closed_by_writer, std::uint8_t flags) override {
        if (span_.wants(window, closed_by_writer)) span_.add(window, closed_by_writer, flags, point_);
    }

    // A NaN made by somebody else's bits does not travel on; see plain_nan.
    void take_value(std::uint64_t value) {
        point_.value = floating_ ? std::bit_cast<std::uint64_t>(plain_nan(std::bit_cast<double>(value))) : value;
    }

    const bool floating_;
    WindowPoint point_;
};

// Slots keep their buckets modulo 2^32, the hot buckets are whole. Two neighbours differ by less than 2^32, so walking back from
// the hot ones recovers the upper halves. `row_` is where that walk is: the hot buckets, then those of the oldest slot so far
// that did not contradict what is newer.
class HistogramWindows : public CumulativeWindows {
  public:
    HistogramWindows(std::uint32_t kept, std::size_t stride, WindowSpan span, WindowStats* stats)
        : CumulativeWindows(kept, std::move(span)), row_(stride), unwrapped_(stride), stats_(stats) {}

  private:
    bool take_hot(const SeriesView& view) override {
        for (std::size_t b = 0; b < row_.size(); ++b) row_[b] = view.hot_bucket(b);
        if (!view.hot) return false;
        point_.count = view.cell.seq >> 1;
        point_.sum = view.cell.u.histogram.sum[point_.count & 1];
        std::optional<std::uint64_t> total = total_of(row_);
        sound_ = total && *total <= point_.count;
        if (!sound_) ++stats_->inconsistent;
        return sound_;
    }

    void take_slot(const std::uint32_t* slot) override {
        point_ = read_slot(slot, kept_);
        sound_ = row_.empty() || unwrap(slot);
        if (sound_) row_.swap(unwrapped_);
    }

    void put(std::uint64_t window, bool closed_by_writer, std::uint8_t flags) override {
        if (!span_.wants(window, closed_by_writer)) return;
        if (!sound_) {
            ++stats_->inconsistent;
            return;
        }
        span_.add(window, closed_by_writer, flags, point_, row_);
    }

    // Into unwrapped_. False when the slot contradicts what is newer, or its own count.
    bool unwrap(const std::uint32_t* slot) {
        const std::uint32_t* buckets = slot_buckets(slot, kept_);
        for (std::size_t b = 0; b < row_.size(); ++b) {
            std::uint32_t grown = static_cast<std::uint32_t>(row_[b]) - buckets[b];  // modulo 2^32 on purpose
            if (grown > row_[b]) return false;
            unwrapped_[b] = row_[b] - grown;
        }
        if ((kept_ & kColumnCount) == 0) return true;
        std::optional<std::uint64_t> total = total_of(unwrapped_);
        return total && *total <= point_.count;
    }

    // Nothing when the sum does not fit.
    static std::optional<std::uint64_t> total_of(const std::vector<std::uint64_t>& row) {
        std::uint64_t total = 0;
        for (std::uint64_t entry : row) {
            if (entry > UINT64_MAX - total) return std::nullopt;
            total += entry;
        }
        return total;
    }

    std::vector<std::uint64_t> row_, unwrapped_;  // empty when buckets were not asked for
    bool sound_ = false;
    WindowPoint point_;
    WindowStats* stats_;
};

// The open window of the first tier.
rside_accumulator hot_gauge(const SeriesView& view) {
    const auto& cell = view.cell.u.gauge;
    std::uint64_t valid = view.cell.seq & 1;
    std::uint64_t count = view.cell.seq - view.origin.origin[0];
    if (view.stale || count == 0) return {};
    // The newest record may not be in min and max yet.
    double last = cell.last[valid];
    return {count, cell.sum[valid], std::min(cell.min, last), std::max(cell.max, last), last};
}

class GaugeWindows : public WindowBuilder {
  public:
    GaugeWindows(std::uint32_t tier, std::uint32_t kept, WindowSpan span)
        : tier_(tier), kept_(kept), span_(std::move(span)) {}

    void add_hot(const SeriesView& view) override {
        open_ = span_.window_of(view.open_ns);
        if (!view.hot || !span_.wants(open_, false)) return;
        rside_accumulator window = hot_gauge(view);
        rside_accumulator merged = tier_ == 0 ? window : merge(view.accumulator, window);
        if (merged.count > 0) span_.add(open_, false, 0, point_of(merged));
    }

    void add_ring(const SeriesView& view) override {
        for (std::uint64_t i = view.ring.count; i-- > 0;) {
            std::uint64_t window = view.ring.first + i;
            if (slot_state(view, window) != SlotState::kWhole || !span_.retained(window, open_)) continue;
            if (span_.wants(window, true)) span_.add(window, true, 0, read_slot(view.ring.slot(window), kept_));
        }
    }

    bool needs_older() const override { return false; }

    SeriesData take() override { return span_.take(); }

  private:
    std::uint32_t tier_;
    std::uint32_t kept_;
    WindowSpan span_;
    std::uint64_t open_ = 0;
};

}  // namespace

std::uint32_t kept_columns(const MetricInfo& metric, const TierInfo& tier) {
    return rside_columns_of(static_cast<std::uint8_t>(metric.kind), tier.columns);
}

std::unique_ptr<WindowBuilder> make_builder(const MetricInfo& metric, const SchemaInfo& schema, std::uint32_t tier,
                                            std::size_t stride, WindowSpan span, WindowStats* stats) {
    std::uint32_t kept = kept_columns(metric, schema.tiers[tier]);
    switch (metric.kind) {
        case Kind::kCounter:
        case Kind::kCounterF64: return std::make_unique<CounterWindows>(metric, kept, std::move(span));
        case Kind::kLevel: return level_builder(schema.tiers.front(), tier, kept, std::move(span));
        case Kind::kHistogram: return std::make_unique<HistogramWindows>(kept, stride, std::move(span), stats);
        case Kind::kGauge:
        case Kind::kInfo: break;  // an info series keeps no column, so nobody comes here with one
    }
    return std::make_unique<GaugeWindows>(tier, kept, std::move(span));
}

}  // namespace ringside::agent
