// A fixed sequence of records, and whether a dead segment is what it must be after any number of its steps.
//
// Step i happens at time(i) and records value(i) into one series of each kind, in the order of the schema: so the state of
// every word follows from the number of steps alone. What a writer that was killed may leave half done is exactly what
// turn.cpp (T2) and format.h (F1 to F7) say.
#pragma once

#include <ringside/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/support/plain_segment.h"

namespace ringside {

constexpr std::uint64_t kSecond = RSIDE_NS_PER_S;
constexpr std::uint64_t kGrain = kSecond / 64;  // parts of a second that doubles add up exactly

// The sequence, and what it comes to in any window.
class Sequence {
  public:
    using Buckets = std::array<std::uint32_t, 10>;

    Sequence(std::uint64_t seed, std::size_t steps) {
        std::mt19937_64 random(seed);
        std::uint64_t now = 1'700'000'000 * kSecond + 7 * kGrain, held = 0;
        for (std::size_t i = 0; i < steps; ++i) {
            times_.push_back(now);
            held_.push_back(held);
            std::uint64_t dice = random() % 1000, step = 0;
            if (dice >= 500 && dice < 800)
                step = random() % 32 * kGrain;
            else if (dice >= 800 && dice < 900)
                step = kSecond - now % kSecond;
            else if (dice >= 900 && dice < 980)
                step = (1 + random() % 3 * 64) * kGrain;
            else if (dice >= 980 && dice < 998)
                step = (1 + random() % 30 * 64) * kGrain;
            else if (dice >= 998)
                step = 3600 * kSecond;
            held += value(i) * (step / kGrain);
            now += step;
            buckets_.push_back(buckets_.back());
            sums_.push_back(sums_.back() + value(i));
            std::size_t bucket = 0;
            while ((std::uint64_t{1} << bucket) < value(i)) ++bucket;
            if (bucket < Buckets().size()) ++buckets_.back()[bucket];
        }
    }

    std::size_t steps() const { return times_.size(); }
    static std::uint64_t value(std::size_t i) { return i * 7919 % 1000; }
    std::uint64_t time(std::size_t i) const { return times_[i]; }
    // First step at or after `ns`.
    std::size_t at_or_after(std::uint64_t ns) const {
        return static_cast<std::size_t>(std::lower_bound(times_.begin(), times_.end(), ns) - times_.begin());
    }
    plain::Summary observed(std::size_t first, std::size_t last) const {
        plain::Summary out = {0, 0, HUGE_VAL, -HUGE_VAL, 0};
        for (std::size_t i = first; i < last; ++i) add(&out, value(i));
        out.count = last - first;
        return out;
    }
    // The level from `begin` to `end`, with the sets of the steps before `last` and the value it had at the begin.
    plain::Summary held(std::uint64_t begin, std::uint64_t end, std::size_t last) const {
        begin = std::max(begin, times_[0]);
        std::size_t first = at_or_after(begin);
        plain::Summary out = observed(first, last);
        if (first > 0) {
            double sum = out.sum, final = out.last;
            add(&out, value(first - 1));
            out.sum = sum;
            out.last = first < last ? final : static_cast<double>(value(first - 1));
        }
        out.count = end - begin;
        out.sum = static_cast<double>(integral(end) - integral(begin)) / 64;
        return out;
    }
    // All values before `last`, as the histogram counts them: zero up to 1, then (1, 2] ... (256, 512], then overflow.
    const Buckets& buckets(std::size_t last) const { return buckets_[last]; }
    double sum(std::size_t last) const { return static_cast<double>(sums_[last]); }

  private:
    static void add(plain::Summary* to, std::uint64_t value) {
        double number = static_cast<double>(value);
        to->sum += number;
        to->min = std::min(to->min, number);
        to->max = std::max(to->max, number);
        to->last = number;
    }
    // Of the level from the first step on, in value x grains.
    std::uint64_t integral(std::uint64_t ns) const {
        std::size_t next =
            static_cast<std::size_t>(std::upper_bound(times_.begin(), times_.end(), ns) - times_.begin());
        return held_[next - 1] + value(next - 1) * ((ns - times_[next - 1]) / kGrain);
    }

    std::vector<std::uint64_t> times_, held_, sums_ = {0};
    std::vector<Buckets> buckets_ = {{}};
};

// What the dead segments had in hand.
struct Tally {
    int half_done = 0, turning = 0, stale = 0, void_slots = 0;
};

// One series of a dead segment against the sequence.
class Autopsy {
  public:
    // Stamps of rings by tier, steps, and whether idle runs are filled: worked out once for all series.
    using KnownStamps = std::map<std::tuple<std::size_t, std::size_t, bool>, std::vector<std::uint64_t>>;

    Autopsy(const Sequence& sequence, const plain::Segment& segment, const plain::Series& series, KnownStamps* known,
            Tally* tally)
        : sequence_(sequence), segment_(segment), series_(series), known_(known), tally_(tally) {
        kind_ = segment.metrics[series.metric].kind;
        tally->half_done += series.half_done && !series.turning && !series.stale;
        tally->turning += series.turning;
        tally->stale += series.stale;
    }

    // "" when the series is as it must be after its first `steps` steps.
    std::string after(std::size_t steps) {
        wrong_.clear();
        std::uint64_t in = steps > 0 ? window_of(steps - 1) : 0, next = window_of(steps);
        bool turned = series_.open_ns == next && next != in;
        if (series_.open_ns != in && !turned) {
            if (steps == 0 && series_.open_ns == window_of(0) && !is_gauge()) return "";
            return "open at " + std::to_string(series_.open_ns) + "\n";
        }
        if (steps == 0 && !turned) return "";
        if (series_.turning && next == in) wrong_ += "a turn, where no window ends\n";
        if (is_gauge())
            check_gauge(steps, turned);
        else
            check_total(steps);
        if (steps > 0) check_rings(steps, turned);
        return wrong_;
    }

  private:
    bool is_gauge() const { return kind_ == plain::kGauge || kind_ == plain::kLevel; }
    std::uint64_t window_of(std::size_t i) const { return sequence_.time(i) - sequence_.time(i) % kSecond; }
    std::uint64_t resolution(std::size_t t) const { return segment_.tiers[t].resolution_ns(); }

    void expect(const std::string& what, const plain::Summary& found, const plain::Summary& wanted) {
        bool same = found.count == wanted.count && found.sum == wanted.sum && found.min == wanted.min &&
                    found.max == wanted.max && found.last == wanted.last;
        if (same) return;
        wrong_ += what + " is " + text(found) + ", not " + text(wanted) + "\n";
    }
    static std::string text(const plain::Summary& summary) {
        char out[160];
        (void)std::snprintf(out, sizeof out, "{%llu %.17g %g %g %g}", static_cast<unsigned long long>(summary.count),
                            summary.sum, summary.min, summary.max, summary.last);
        return out;
    }

    plain::Summary between(std::uint64_t begin, std::uint64_t end, std::size_t last) const {
        if (kind_ == plain::kLevel) return sequence_.held(begin, end, last);
        return sequence_.observed(sequence_.at_or_after(begin), last);
    }

    // T2 of turn.cpp: the valid bank and the hot fields hold each sample once.
    void check_gauge(std::size_t steps, bool turned) {
        std::uint64_t open = series_.open_ns;
        std::size_t first = sequence_.at_or_after(open);  // of the open window; all before is in slots and bank
        for (std::size_t t = 1; t < segment_.tiers.size(); ++t) {
            std::uint64_t begin = std::max(open - open % resolution(t), sequence_.time(0));
            const plain::Summary& bank = series_.banks[series_.bank][t - 1];
            bool empty = kind_ == plain::kLevel ? begin >= open : sequence_.at_or_after(begin) == first;
            if (empty && bank.count != 0) wrong_ += "bank of tier " + std::to_string(t) + " is not empty\n";
            if (!empty) expect("bank of tier " + std::to_string(t), bank, between(begin, open, first));
        }
        if (series_.stale) return;  // F6
        if (turned) {
            if (kind_ == plain::kLevel) return;
            return expect("empty open window", series_.hot, {0, 0, HUGE_VAL, -HUGE_VAL, series_.hot.last});
        }
        std::uint64_t since = std::max(sequence_.time(steps - 1), open);
        if (kind_ == plain::kLevel && series_.since_ns != since) {
            // F7: a set that was cut short may have accounted the value that it was about to replace.
            std::uint64_t accounted = std::min(sequence_.time(steps), open + resolution(0));
            bool cut_short = (series_.half_done || series_.turning) && series_.since_ns == accounted;
            if (!cut_short) wrong_ += "since is wrong\n";
            since = accounted;
        }
        expect("open window", series_.hot, between(open, since, steps));
    }

    void check_total(std::size_t steps) {
        std::uint64_t found = series_.value;
        if (kind_ == plain::kCounterF64) {
            double value;
            std::memcpy(&value, &found, sizeof value);
            found = static_cast<std::uint64_t>(value);
        }
        if (kind_ != plain::kHistogram) {
            if (found != steps) wrong_ += "the total is " + std::to_string(found) + "\n";
            return;
        }
        if (series_.hot.count != steps || series_.hot.sum != sequence_.sum(steps))
            wrong_ += "the histogram's totals are wrong\n";
        const Sequence::Buckets& wanted = sequence_.buckets(steps);
        if (!std::equal(wanted.begin(), wanted.end(), series_.hot_buckets.begin(), series_.hot_buckets.end())) {
            wrong_ += "the histogram's buckets are wrong\n";
        }
    }

    // Which window each place of a ring holds after the turns up to step `last`.
    const std::vector<std::uint64_t>& stamps(std::size_t t, std::size_t last) {
        bool fills = kind_ != plain::kGauge;
        std::vector<std::uint64_t>& out = (*known_)[{t, last, fills}];
        if (!out.empty()) return out;
        const plain::Tier& tier = segment_.tiers[t];
        out.resize(tier.slots);
        for (std::size_t i = 1; i <= last; ++i) {
            if (sequence_.time(i) == sequence_.time(i - 1)) continue;
            std::uint64_t closed = sequence_.time(i - 1) / resolution(t), next = sequence_.time(i) / resolution(t);
            if (closed == next) continue;
            out[closed % tier.slots] = closed;
            if (fills && next - closed > 1) out[(next - 1) % tier.slots] = next - 1;
        }
        return out;
    }

    void check_rings(std::size_t steps, bool turned) {
        for (std::size_t t = 0; t < segment_.tiers.size(); ++t) {
            const std::vector<std::uint64_t>& before = stamps(t, turned ? steps : steps - 1);
            const std::vector<std::uint64_t>& during = series_.turning ? stamps(t, steps) : before;
            for (std::size_t i = 0; i < before.size(); ++i) {
                const plain::Slot& slot = series_.rings[t][i];
                bool touched = before[i] != during[i];  // by the turn that was going on
                tally_->void_slots += touched && slot.window == 0;
                if (touched && slot.window == 0) continue;
                // Where the fill slot comes to lie on that of the closing window, for a moment that one stands there.
                bool first_of_two = touched && slot.window == series_.open_ns / resolution(t);
                if (slot.window != before[i] && slot.window != during[i] && !first_of_two) {
                    wrong_ += place(t, i) + " has stamp " + std::to_string(slot.window) + ", not " +
                              std::to_string(before[i]) + "\n";
                } else if (slot.window) {
                    check_slot(t, i, slot);
                }
            }
        }
    }
    static std::string place(std::size_t t, std::size_t i) {
        return "slot " + std::to_string(i) + " of tier " + std::to_string(t);
    }
    void check_slot(std::size_t t, std::size_t i, const plain::Slot& slot) {
        std::uint64_t begin = slot.window * resolution(t), end = begin + resolution(t);
        std::size_t last = sequence_.at_or_after(end);
        if (is_gauge()) return expect(place(t, i), slot.summary, between(begin, end, last));
        std::uint64_t total = slot.value;
        if (kind_ == plain::kHistogram) {
            total = slot.summary.count;
            const Sequence::Buckets& wanted = sequence_.buckets(last);
            if (!std::equal(wanted.begin(), wanted.end(), slot.buckets.begin(), slot.buckets.end())) {
                wrong_ += place(t, i) + " has wrong buckets\n";
            }
            if (slot.summary.sum != sequence_.sum(last)) wrong_ += place(t, i) + " has a wrong sum\n";
        } else if (kind_ == plain::kCounterF64) {
            double value;
            std::memcpy(&value, &slot.value, sizeof value);
            total = static_cast<std::uint64_t>(value);
        }
        if (total != last)
            wrong_ += place(t, i) + " has total " + std::to_string(total) + ", not " + std::to_string(last) + "\n";
    }

    const Sequence& sequence_;
    const plain::Segment& segment_;
    const plain::Series& series_;
    KnownStamps* known_;
    Tally* tally_;
    std::uint8_t kind_;
    std::string wrong_;
};

inline std::string disagreement(const std::string& series, std::size_t finished, const std::string& wrong,
                                const std::string& ahead) {
    return series + ", " + std::to_string(finished) + " steps finished:\n" + wrong + "or, one step ahead:\n" + ahead;
}

// Each series has recorded `finished` steps or one more, and none more than the one recorded before it.
inline std::string autopsy(const Sequence& sequence, const plain::Segment& segment, std::size_t finished,
                           Tally* tally) {
    if (segment.series.size() < 6) return finished == 0 ? "" : "series are missing\n";
    std::size_t most = finished + 1;
    Autopsy::KnownStamps known;
    for (const plain::Series& series : segment.series) {
        Autopsy one(sequence, segment, series, &known, tally);
        std::string ahead = most > finished ? one.after(finished + 1) : "not possible\n";
        if (ahead.empty()) continue;
        most = finished;
        std::string wrong = one.after(finished);
        if (wrong.empty()) continue;
        return disagreement(segment.metrics[series.metric].name, finished, wrong, ahead);
    }
    if (segment.state != 1) return "the state is " + std::to_string(segment.state) + "\n";
    return "";
}

}  // namespace ringside
