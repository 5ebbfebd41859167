#include "agent/segment/levels.h"

#include <algorithm>
#include <limits>
#include <optional>
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
    rside_accumulator window{};  // accounted so far
    std::uint64_t since_ns = 0;  // up to here
};

// Nothing when the level was never set: the first turn opens a window just before the first value is stored.
std::optional<HotLevel> hot_level(const SeriesView& view) {
    const auto& cell = view.cell.u.level;
    if (view.stale) {
        if (cell.since_ns == 0) return std::nullopt;
        return HotLevel{{0, 0.0, cell.last, cell.last, cell.last}, view.open_ns};
    }
    if (!(cell.min <= cell.max)) return std::nullopt;
    return HotLevel{{cell.held_ns, cell.sum, cell.min, cell.max, cell.last}, std::max(cell.since_ns, view.open_ns)};
}

// What the tier's open window holds up to `now_ns`, or to its end.
rside_accumulator open_window(const HotLevel& hot, const SeriesView& view, const TierInfo& finest, std::uint32_t tier,
                              std::uint64_t open, const WindowSpan& span) {
    std::uint64_t finest_end = view.open_ns + finest.resolution_s * RSIDE_NS_PER_S;
    std::uint64_t until = std::min(span.now_ns(), finest_end);
    rside_accumulator rest = held(hot.window.last, until > hot.since_ns ? until - hot.since_ns : 0);
    rside_accumulator window = {hot.window.count + rest.count, hot.window.sum + rest.sum, hot.window.min,
                                hot.window.max, hot.window.last};
    rside_accumulator merged = tier == 0 ? window : merge(view.accumulator, window);
    if (window.count == 0) {
        // Set this very moment: no time to add yet, but it is the last value, and may be the least or the greatest.
        merged.last = window.last;
        merged.min = std::min(merged.min, window.min);
        merged.max = std::max(merged.max, window.max);
    }
    std::uint64_t tier_until = std::min(span.now_ns(), span.end_of(open));
    if (tier_until <= finest_end) return merged;
    return merge(merged, held(hot.window.last, tier_until - finest_end));
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

// The windows of a ring part with the missing ones filled in.
//
// A missing window lies in a run of idle ones, and a finished run ends in a slot of its own (F4), which is just what the
// missing window would have been. But before the first value was set there is nothing to carry, and the oldest slot does
// not tell by itself whether a run or the first value precedes it. It does when a slot of an earlier lap is still in the
// ring, or when it is idle and the ring may have lapped since the series was created.
class LevelRing {
  public:
    LevelRing(const SeriesView& view, std::uint32_t kept, const WindowSpan& span, std::uint64_t open)
        : view_(view), kept_(kept), span_(span), points_(view.ring.count) {
        std::uint64_t created = span.created_window(open);
        bool may_have_lapped = open - created > span.slots();
        bool older = false;
        std::optional<std::uint64_t> oldest;
        for (std::uint64_t i = 0; i < points_.size(); ++i) {
            SlotState state = slot_state(view, view.ring.first + i);
            older = older || state == SlotState::kOlder;
            if (state == SlotState::kWhole && !oldest) oldest = i;
        }
        if (!oldest) return;
        std::uint64_t first = *oldest;
        if ((older || may_have_lapped) && created <= view.ring.first + first) {
            first = created > view.ring.first ? created - view.ring.first : 0;
        }
        fill_from_right(first);
        fill_from_left();
    }

    struct Window {
        std::optional<WindowPoint> point;
        bool carried = false;
    };
    const Window& operator[](std::uint64_t i) const { return points_[i]; }
    std::uint64_t size() const { return points_.size(); }

  private:
    void fill_from_right(std::uint64_t first) {
        std::optional<WindowPoint> idle;  // the next slot, if it is an idle one
        for (std::uint64_t i = points_.size(); i-- > first;) {
            std::uint64_t window = view_.ring.first + i;
            switch (slot_state(view_, window)) {
                case SlotState::kWhole: {
                    WindowPoint point = read_slot(view_.ring.slot(window), kept_);
                    points_[i] = {point, false};
                    idle = idle_slot(point, kept_, span_) ? std::optional(point) : std::nullopt;
                    break;
                }
                case SlotState::kLost: idle.reset(); break;
                case SlotState::kEmpty:
                case SlotState::kOlder: points_[i] = {idle, true}; break;
            }
        }
    }

    // Where no idle slot follows (a writer that was stopped or rebased), the last value went on.
    void fill_from_left() {
        if ((kept_ & kColumnLast) == 0) return;
        std::optional<double> value;
        for (std::uint64_t i = 0; i < points_.size(); ++i) {
            std::uint64_t window = view_.ring.first + i;
            if (slot_state(view_, window) == SlotState::kLost) value.reset();
            if (points_[i].point) {
                value = points_[i].point->last;
            } else if (value) {
                points_[i] = {point_of(held(*value, span_.resolution_ns())), true};
            }
        }
    }

    const SeriesView& view_;
    std::uint32_t kept_;
    const WindowSpan& span_;
    std::vector<Window> points_;
};

}  // namespace

SeriesData level_windows(const SeriesView& view, const TierInfo& finest, std::uint32_t tier, std::uint32_t kept,
                         WindowSpan& span) {
    std::uint64_t open = span.window_of(view.open_ns);
    LevelRing ring(view, kept, span, open);
    for (std::uint64_t i = 0; i < ring.size(); ++i) {
        std::uint64_t window = view.ring.first + i;
        if (!ring[i].point || !span.retained(window, open) || !span.wants(window, true)) continue;
        span.add(window, true, ring[i].carried ? kPointCarried : std::uint8_t{0}, *ring[i].point);
    }
    if (!view.hot) return span.take();
    std::optional<HotLevel> hot = hot_level(view);
    if (!hot) return span.take();
    if (span.wants(open, false)) {
        std::uint8_t flags = view.torn ? kPointTorn : std::uint8_t{0};
        span.add(open, false, flags, point_of(open_window(*hot, view, finest, tier, open, span)));
    }
    for (std::uint64_t window : span.idle_windows(open)) {
        if (span.wants(window, false))
            span.add(window, false, kPointCarried, held_window(hot->window.last, window, span));
    }
    return span.take();
}

SeriesData constant_windows(double value, WindowSpan& span) {
    std::uint64_t created = span.created_ns();
    for (std::uint64_t window : constant_span(span)) {
        if (!span.wants(window, false)) continue;
        std::uint64_t begin = std::max(span.begin_of(window), created);
        std::uint64_t until = std::min(span.end_of(window), span.now_ns());
        span.add(window, false, window == span.window_of(created) ? std::uint8_t{0} : kPointCarried,
                 point_of(held(value, until - begin)));
    }
    return span.take();
}

}  // namespace ringside::agent
