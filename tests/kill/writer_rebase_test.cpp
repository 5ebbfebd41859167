// A writer killed at any instruction while its clock stands between two nanoseconds, steps back a little or steps back
// over windows that are closed already.
//
// The sequence is short and fixed. What a state may hold follows from the state at the last finished step and from the step
// in hand: each series passes through a few points, and at each point its open window holds a sum that is known.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>

#include "launcher.h"

namespace ringside {
namespace {

constexpr std::uint64_t kSecond = RSIDE_NS_PER_S;
constexpr std::uint64_t kCoarsest = 20 * kSecond;

// No run of idle windows is such that its fill slot lies on the slot of the window before it.
class SteppingBack {
  public:
    static std::size_t steps() { return std::size(kMs); }
    // Odd, as a level cannot count it.
    static std::uint64_t time(std::size_t i) { return 1'700'000'000 * kSecond + kMs[i] * 1'000'000 + 1 + i % 3 * 2; }
    static std::uint64_t value(std::size_t i) { return 1 + i * 37 % 100; }

  private:
    static constexpr std::uint64_t kMs[] = {
        7'000,  7'500,  8'250,  9'000,  13'125, 21'000, 22'500, 26'875, 41'000, 41'900,
        9'400,                                   // back over windows of all tiers
        9'600,  10'300, 9'900,                   // and a little, which closes nothing
        15'000, 60'000, 94'000, 94'500, 30'250,  // and over a whole ring
        31'000, 34'000, 34'500,
    };
};

std::uint64_t window_ns(std::uint64_t ns) { return ns - ns % kSecond; }

plain::Summary empty() { return {0, 0, HUGE_VAL, -HUGE_VAL, 0}; }

plain::Summary merge(const plain::Summary& earlier, const plain::Summary& later) {
    if (earlier.count == 0) return later;
    if (later.count == 0) return earlier;
    return {earlier.count + later.count, earlier.sum + later.sum, std::min(earlier.min, later.min),
            std::max(earlier.max, later.max), later.last};
}

plain::Summary held(double value, std::uint64_t ns) {
    if (ns == 0) return empty();
    return {ns, value * static_cast<double>(ns) / 1e9, value, value, value};
}

bool same(const plain::Summary& a, const plain::Summary& b) {
    if (a.count != b.count) return false;
    bool near = std::abs(a.sum - b.sum) <= 1e-12 * std::abs(b.sum);  // a level's sum is rounded at other places here
    return near && a.min == b.min && a.max == b.max && a.last == b.last;
}

bool same_slot(const plain::Slot& a, const plain::Slot& b) {
    if (a.window != b.window) return false;
    return a.window == 0 || (same(a.summary, b.summary) && a.value == b.value && a.buckets == b.buckets);
}

// What one series may be while one step is recorded.
class SeriesStep {
  public:
    enum class Turn { kNone, kForward, kBack };

    SeriesStep(const plain::Segment& segment, const plain::Series& before, std::uint64_t time, std::uint64_t value)
        : segment_(segment), before_(before), kind_(segment.metrics[before.metric].kind), time_(time), value_(value) {
        next_ns_ = window_ns(time);
        if (next_ns_ > before.open_ns) turn_ = Turn::kForward;
        if (next_ns_ + kCoarsest < before.open_ns) turn_ = Turn::kBack;
        if (turn_ != Turn::kBack) begin_points();
        if (turn_ == Turn::kNone) next_ns_ = before.open_ns;
        if (turn_ == Turn::kForward) close_windows();
        if (turn_ == Turn::kBack) step_back();
    }

    Turn turn() const { return turn_; }
    // Slots that a step back drops.
    std::uint64_t dropped() const { return dropped_; }
    bool turned(const plain::Series& now) const { return turn_ != Turn::kNone && now.open_ns == next_ns_; }

    // "" when `now` is a state of this step; the last one when it is `finished`.
    std::string check(const plain::Series& now, bool finished) const {
        if (now.open_ns != before_.open_ns && now.open_ns != next_ns_) return "another window is open";
        if (now.turning && (turn_ == Turn::kNone || turned(now))) return "a turn, where no window ends";
        if (now.stale && (turn_ != Turn::kForward || !turned(now) || !is_gauge())) return "stale without a turn";
        if (finished && (now.turning || now.stale || now.half_done)) return "finished, and yet in the middle";
        if (!now.stale) {
            bool found = finished ? at(points_.back(), now)
                                  : std::ranges::any_of(points_, [&](const Point& point) { return at(point, now); });
            if (!found) return "the open window holds what it cannot hold";
        }
        return check_banks(now) + check_rings(now);
    }

  private:
    // The open window between two steps of the record, and whether the new window was named by then.
    struct Point {
        bool turned = false;
        plain::Summary hot;
        std::uint64_t since_ns = 0;
        std::uint64_t records = 0;  // that the total of a counter or histogram gains
    };

    bool is_gauge() const { return kind_ == plain::kGauge || kind_ == plain::kLevel; }

    bool at(const Point& point, const plain::Series& now) const {
        if (point.turned != turned(now)) return false;
        if (is_gauge()) return same(point.hot, now.hot) && (kind_ == plain::kGauge || point.since_ns == now.since_ns);
        if (kind_ != plain::kHistogram) return total(now) == total(before_) + point.records;
        std::vector<std::uint64_t> buckets = before_.hot_buckets;
        std::size_t bucket = 0;  // zero up to 1, then (1, 2], (2, 4] ...
        while ((std::uint64_t{1} << bucket) < value_) ++bucket;
        buckets[bucket] += point.records;
        return now.hot.count == before_.hot.count + point.records &&
               now.hot.sum == before_.hot.sum + static_cast<double>(point.records * value_) &&
               now.hot_buckets == buckets;
    }
    std::uint64_t total(const plain::Series& of) const {
        if (kind_ != plain::kCounterF64) return of.value;
        double value;
        std::memcpy(&value, &of.value, sizeof value);
        return static_cast<std::uint64_t>(value);
    }

    // With the time up to `ns` accounted, whole two nanoseconds only.
    Point accounted(Point point, std::uint64_t ns) const {
        ns -= ns % 2;
        if (ns <= point.since_ns) return point;
        point.hot.count += ns - point.since_ns;
        point.hot.sum += held(point.hot.last, ns - point.since_ns).sum;
        point.since_ns = ns;
        return point;
    }
    Point recorded(Point point) const {
        auto value = static_cast<double>(value_);
        point.records = 1;
        point.hot.min = std::min(point.hot.min, value);
        point.hot.max = std::max(point.hot.max, value);
        point.hot.last = value;
        if (kind_ == plain::kLevel) return point;
        ++point.hot.count;
        point.hot.sum += value;
        return point;
    }

    // The points of a record without a step back.
    void begin_points() {
        Point point = {false, before_.hot, before_.since_ns, 0};
        points_.push_back(point);
        if (turn_ == Turn::kForward) {
            if (kind_ == plain::kLevel) points_.push_back(accounted(point, before_.open_ns + kSecond));
            point.turned = true;
            point.since_ns = next_ns_;
            double last = before_.hot.last;
            if (kind_ == plain::kGauge) point.hot = {0, 0, HUGE_VAL, -HUGE_VAL, last};
            if (kind_ == plain::kLevel) point.hot = {0, 0, last, last, last};
            points_.push_back(point);
        }
        if (kind_ == plain::kLevel) points_.push_back(point = accounted(point, time_));
        points_.push_back(recorded(point));
    }

    // The open windows move with all that they hold, a level also to its new time; slots of the windows to come are dropped.
    void step_back() {
        Point point = {false, before_.hot, before_.since_ns, 0};
        points_.push_back(point);
        point.turned = true;
        points_.push_back(point);
        point.since_ns = time_ - time_ % 2;
        points_.push_back(point);
        points_.push_back(recorded(point));
        for (std::size_t t = 0; t < segment_.tiers.size(); ++t) {
            const std::vector<plain::Slot>& ring = before_.rings[t];
            for (std::size_t i = 0; i < ring.size(); ++i) {
                if (ring[i].window == 0 || ring[i].window < next_ns_ / segment_.tiers[t].resolution_ns()) continue;
                changed_[{t, i}] = {};
                ++dropped_;
            }
        }
        banks_ = before_.banks[before_.bank];
    }

    void close_windows() {
        plain::Summary window = before_.hot;
        double last = before_.hot.last;
        if (kind_ == plain::kLevel) window = points_[1].hot;
        for (std::size_t t = 0; t < segment_.tiers.size(); ++t) {
            std::uint64_t resolution = segment_.tiers[t].resolution_ns();
            std::uint64_t closed = before_.open_ns / resolution, next = next_ns_ / resolution;
            plain::Summary whole = t == 0 || !is_gauge() ? window : merge(before_.banks[before_.bank][t - 1], window);
            if (kind_ == plain::kLevel) {
                std::uint64_t until = closed == next ? next_ns_ : (closed + 1) * resolution;
                whole = merge(whole, held(last, until - (before_.open_ns + kSecond)));
            }
            if (closed != next) put(t, closed, whole);
            if (next - closed > 1 && kind_ != plain::kGauge) {
                put(t, next - 1, kind_ == plain::kLevel ? held(last, resolution) : whole);
            }
            if (t == 0 || !is_gauge()) continue;
            plain::Summary begun = kind_ == plain::kLevel ? held(last, next_ns_ % resolution) : empty();
            banks_.push_back(closed == next ? whole : begun);
        }
    }
    void put(std::size_t t, std::uint64_t window, const plain::Summary& summary) {
        plain::Slot slot;
        slot.window = static_cast<std::uint32_t>(window);
        if (is_gauge() || kind_ == plain::kHistogram) slot.summary = summary;
        if (kind_ == plain::kHistogram) slot.buckets.assign(before_.hot_buckets.begin(), before_.hot_buckets.end());
        if (kind_ == plain::kCounter || kind_ == plain::kCounterF64) slot.value = before_.value;
        if (is_gauge() && summary.count == 0) return;
        changed_[{t, window % segment_.tiers[t].slots}] = slot;
    }

    std::string check_banks(const plain::Series& now) const {
        if (!is_gauge()) return "";
        const std::vector<plain::Summary>& wanted = turned(now) ? banks_ : before_.banks[before_.bank];
        if (std::ranges::equal(now.banks[now.bank], wanted,
                               [](auto& a, auto& b) { return a.count + b.count == 0 || same(a, b); })) {
            return "";
        }
        return "the open windows of coarser tiers hold what they cannot hold\n";
    }

    std::string check_rings(const plain::Series& now) const {
        for (std::size_t t = 0; t < segment_.tiers.size(); ++t) {
            for (std::size_t i = 0; i < now.rings[t].size(); ++i) {
                const plain::Slot& slot = now.rings[t][i];
                auto changed = changed_.find({t, i});
                bool before = same_slot(slot, before_.rings[t][i]), touched = changed != changed_.end();
                bool after = touched ? same_slot(slot, changed->second) : before;
                bool meanwhile = before || after || (touched && slot.window == 0);
                if (turned(now) ? after : now.turning ? meanwhile : before) continue;
                return "slot " + std::to_string(i) + " of tier " + std::to_string(t) + " is of window " +
                       std::to_string(slot.window) + ", or holds what it cannot hold\n";
            }
        }
        return "";
    }

    const plain::Segment& segment_;
    const plain::Series& before_;
    std::uint8_t kind_;
    std::uint64_t time_, value_, next_ns_ = 0, dropped_ = 0;
    Turn turn_ = Turn::kNone;
    std::vector<Point> points_;
    std::vector<plain::Summary> banks_;  // after the turn
    std::map<std::pair<std::size_t, std::size_t>, plain::Slot> changed_;
};

// Follows the states of one writer.
class SteppingBackAutopsy {
  public:
    int turning = 0;                       // states inside a step back
    std::uint64_t half_dropped = 0;        // of them those in which slots are gone already
    std::uint64_t levels_between_two = 0;  // states of a level that is in its new window and not at its new time

    std::string operator()(const plain::Segment& now, std::uint64_t finished) {
        if (finished == 0) return "";
        if (!before_) {  // the first step is for the test of steps forward
            before_ = now;
            return "";
        }
        bool at_end = finished != step_;
        std::uint64_t counted = 0, possibly = 0, rebases = 0, possible_rebases = 0;
        for (std::size_t s = 0; s < now.series.size(); ++s) {
            SeriesStep step(*before_, before_->series[s], SteppingBack::time(step_), SteppingBack::value(step_));
            std::string wrong = step.check(now.series[s], at_end);
            if (!wrong.empty())
                return now.metrics[now.series[s].metric].name + ", step " + std::to_string(step_) + ": " + wrong;
            if (step.turn() != SeriesStep::Turn::kBack) continue;
            bool turned = step.turned(now.series[s]), begun = turned || now.series[s].turning;
            counted += turned ? step.dropped() : 0;
            possibly += begun ? step.dropped() : 0;
            rebases += turned;
            possible_rebases += begun;
            look(before_->series[s], now.series[s], turned);
        }
        std::uint64_t windows = now.rebased_windows - before_->rebased_windows;
        if (windows != counted && windows != possibly) return std::to_string(windows) + " windows counted as dropped";
        std::uint64_t steps_back = now.rebases - before_->rebases;
        if (steps_back != rebases && steps_back != possible_rebases) return std::to_string(steps_back) + " rebases";
        if (!at_end) return "";
        before_ = now;
        step_ = finished;
        return "";
    }

  private:
    void look(const plain::Series& before, const plain::Series& now, bool turned) {
        turning += now.turning;
        levels_between_two += turned && now.since_ns != 0 && now.since_ns == before.since_ns;
        if (!now.turning) return;
        auto slots = [](const plain::Series& of) {
            std::size_t whole = 0;
            for (const auto& ring : of.rings)
                whole += std::ranges::count_if(ring, [](auto& slot) { return slot.window != 0; });
            return whole;
        };
        half_dropped += slots(now) < slots(before);
    }

    std::optional<plain::Segment> before_;  // at the end of the last finished step
    std::uint64_t step_ = 1;                // the one in hand
};

TEST(WriterKill, KeepsEachRecordWhenTheClockStepsBack) {
    SteppingBackAutopsy autopsy;
    SingleSteps run = step_through(SteppingBack(), SteppingBack::steps(), std::ref(autopsy));
    EXPECT_EQ(run.wrong, "") << "after instruction " << run.instructions;
    EXPECT_EQ(run.finished, SteppingBack::steps());
    // A test that never hits what it is for proves nothing.
    EXPECT_GT(autopsy.turning, 100);
    EXPECT_GT(autopsy.half_dropped, 50u);
    EXPECT_GT(autopsy.levels_between_two, 2u);
}

}  // namespace
}  // namespace ringside
