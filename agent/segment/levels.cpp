#include "agent/segment/levels.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

#include "agent/segment/slots.h"

namespace ringside::agent {

rside_accumulator merge(const rside_accumulator& earlier, const rside_accumulator& later) {
    if (earlier.count == 0) return later;
    if (later.count == 0) return earlier;
    return {earlier.count + later.count, earlier.sum + later.sum, earlier.min < later.min ? earlier.min : later.min,
            earlier.max > later.max ? earlier.max : later.max, later.last};
}

rside_accumulator held(double value, std::uint64_t ns) {
    if (ns == 0) {
        double infinity = std::numeric_limits<double>::infinity();
        return {0, 0.0, infinity, -infinity, 0.0};
    }
    return {ns, value * (static_cast<double>(ns) / 1e9), value, value, value};  // as the writer does it, to the bit
}

namespace {

// The open window of the first tier as it stood when the cell was copied.
struct HotLevel {
    std::uint64_t held_ns = 0;  // accounted so far
    double sum_ns = 0;          // value x nanoseconds of it
    double min = 0, max = 0, last = 0;
    std::uint64_t since_ns = 0;  // accounted up to here

    // Accounted up to `until_ns`, with the writer's operations.
    rside_accumulator until(std::uint64_t until_ns) const {
        if (until_ns <= since_ns) return {held_ns, sum_ns / 1e9, min, max, last};
        std::uint64_t rest_ns = until_ns - since_ns;
        return {held_ns + rest_ns, (sum_ns + last * static_cast<double>(rest_ns)) / 1e9, min, max, last};
    }
};

// Nothing when the level was never set: the first turn opens a window just before the first value is stored.
std::optional<HotLevel> hot_level(const SeriesView& view) {
    const auto& cell = view.cell.u.level;
    if (view.stale) return HotLevel{0, 0.0, cell.last, cell.last, cell.last, view.open_ns};
    if (!(cell.min <= cell.max)) return std::nullopt;
    std::uint64_t valid = cell.since_ns & 1;
    std::uint64_t since_ns = cell.since_ns - valid;
    std::uint64_t origin_ns = std::min(view.origin.origin[valid], since_ns);
    // The newest value may not be in min and max yet.
    return HotLevel{since_ns - origin_ns,          cell.sum[valid], std::min(cell.min, cell.last),
                    std::max(cell.max, cell.last), cell.last,       std::max(since_ns, view.open_ns)};
}

// What the tier's open window holds up to `now_ns`, or to its end.
rside_accumulator open_window(const HotLevel& hot, const SeriesView& view, const TierInfo& finest, std::uint32_t tier,
                              std::uint64_t open, const WindowSpan& span) {
    std::uint64_t finest_end = view.open_ns + finest.resolution_s * RSIDE_NS_PER_S;
    rside_accumulator window = hot.until(std::min(span.now_ns(), finest_end));
    rside_accumulator merged = tier == 0 ? window : merge(view.accumulator, window);
    if (window.count == 0) {
        // Set this very moment: no time to add yet, but it is the last value, and may be the least or the greatest.
        merged.last = window.last;
        merged.min = std::min(merged.min, window.min);
        merged.max = std::max(merged.max, window.max);
    }
    std::uint64_t tier_until = std::min(span.now_ns(), span.end_of(open));
    if (tier_until <= finest_end) return merged;
    return merge(merged, held(hot.last, tier_until - finest_end));
}

WindowPoint held_window(double value, std::uint64_t window, const WindowSpan& span) {
    std::uint64_t until = std::min(span.end_of(window), span.now_ns());
    return point_of(held(value, until - span.begin_of(window)));
}

// Whether the slot is that of a whole window without a record, as far as its columns tell.
bool idle_slot(const WindowPoint& point, std::uint32_t kept, const WindowSpan& span) {
    if ((kept & kColumnCount) != 0 && point.count != span.resolution_ns()) return false;
    bool both = (kept & kColumnMin) != 0 && (kept & kColumnMax) != 0;
    return !both || point.min == point.max;
}

// A missing window lies in a run of idle ones, and a finished run ends in a slot of its own (F4), which is just what the
// missing window would have been. Where no idle slot follows (a writer that was stopped or rebased), the last value before
// it went on.
//
// But before the first value was set there is nothing to carry, and the oldest slot does not tell by itself whether a run
// or the first value precedes it. It does when a slot of an earlier lap is still in the ring, or when it is idle and the
// ring may have lapped since the series was created, or lost slots to a step of the clock. So a read goes down to a slot at
// or before the first window that is wanted, or to the end of the ring.
class LevelWindows : public WindowBuilder {
  public:
    LevelWindows(const TierInfo& finest, std::uint32_t tier, std::uint32_t kept, WindowSpan span)
        : finest_(finest), tier_(tier), kept_(kept), span_(std::move(span)) {}

    void add_hot(const SeriesView& view) override {
        open_ = span_.window_of(view.open_ns);
        created_ = span_.created_window(open_);
        older_ = open_ - created_ > span_.slots() || span_.rebased();
        std::optional<HotLevel> hot = view.hot ? hot_level(view) : std::nullopt;
        if (hot) {
            for (std::uint64_t window : std::views::reverse(span_.idle_windows(open_))) {
                if (!span_.wants(window, false)) continue;
                span_.add(window, false, kPointCarried, held_window(hot->last, window, span_));
            }
            if (span_.wants(open_, false)) {
                span_.add(open_, false, 0, point_of(open_window(*hot, view, finest_, tier_, open_, span_)));
            }
        }
        sure_ = likely_ = span_.size();
    }

    void add_ring(const SeriesView& view) override {
        for (std::uint64_t i = view.ring.count; i-- > 0;) {
            std::uint64_t window = view.ring.first + i;
            switch (slot_state(view, window)) {
                case SlotState::kWhole: add_slot(window, read_slot(view.ring.slot(window), kept_)); break;
                case SlotState::kLost:
                    idle_.reset();
                    unfilled_.clear();
                    break;
                case SlotState::kOlder: older_ = true; [[fallthrough]];
                case SlotState::kEmpty: add_missing(window); break;
            }
        }
    }

    bool needs_older() const override { return !decided_; }

    SeriesData take() override {
        span_.keep_newest(older_ ? likely_ : sure_);
        return span_.take();
    }

  private:
    void put(std::uint64_t window, std::uint8_t flags, const WindowPoint& point) {
        if (span_.retained(window, open_) && span_.wants(window, true)) span_.add(window, true, flags, point);
    }

    void add_slot(std::uint64_t window, const WindowPoint& point) {
        if ((kept_ & kColumnLast) != 0) {
            WindowPoint went_on = point_of(held(point.last, span_.resolution_ns()));
            for (std::uint32_t missing : unfilled_) put(missing, kPointCarried, went_on);
        }
        unfilled_.clear();
        put(window, 0, point);
        idle_ = idle_slot(point, kept_, span_) ? std::optional(point) : std::nullopt;
        sure_ = likely_ = span_.size();
        decided_ = decided_ || window <= span_.first_wanted();
    }

    void add_missing(std::uint64_t window) {
        if (!idle_) {
            unfilled_.push_back(static_cast<std::uint32_t>(window));
            return;
        }
        put(window, kPointCarried, *idle_);
        if (window >= created_) likely_ = span_.size();
    }

    const TierInfo& finest_;
    std::uint32_t tier_;
    std::uint32_t kept_;
    WindowSpan span_;
    std::uint64_t open_ = 0;
    std::uint64_t created_ = 0;
    bool older_ = false;                   // there were values before the ring
    std::optional<WindowPoint> idle_;      // the next slot, if it is an idle one
    std::vector<std::uint32_t> unfilled_;  // missing windows that no idle slot follows, up to the next slot
    // How many of the windows so far are there for sure: down to the oldest slot; and if there were values before it.
    std::size_t sure_ = 0, likely_ = 0;
    bool decided_ = false;  // older slots change nothing any more
};

}  // namespace

std::unique_ptr<WindowBuilder> level_builder(const TierInfo& finest, std::uint32_t tier, std::uint32_t kept,
                                             WindowSpan span) {
    return std::make_unique<LevelWindows>(finest, tier, kept, std::move(span));
}

}  // namespace ringside::agent
