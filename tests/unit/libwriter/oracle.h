// What a series must look like, worked out the slow way: it keeps every raw observation of every open window, sums them
// up when the window closes, and knows nothing of banks, hot cells or merging.
#pragma once

#include <ringside/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "tests/support/plain_segment.h"

namespace ringside {

class Oracle {
  public:
    Oracle(const plain::Metric& metric, const std::vector<plain::Tier>& tiers, std::uint64_t now_ns)
        : metric_(metric), tiers_(tiers), open_(tiers.size()), rings_(tiers.size()) {
        is_open_ = metric.kind != plain::kGauge && metric.kind != plain::kLevel;
        if (is_open_) open_ns_ = first_ns_ = floor(std::min(now_ns, kEndOfTime - 1));
        buckets_.resize(metric.kind == plain::kHistogram ? metric.bucket_count + 1 : 0);
    }

    void add(std::uint64_t now_ns, std::uint64_t delta) {
        advance(now_ns);
        value_ += delta;
    }
    void add_f64(std::uint64_t now_ns, double delta) {
        advance(now_ns);
        value_f64_ += delta;
    }
    void observe(std::uint64_t now_ns, double value) {
        advance(now_ns);
        if (is_lost()) return;
        for (Window& window : open_) {
            window.pieces.push_back({value, 1});
            window.seen.push_back(value);
        }
    }
    void set(std::uint64_t now_ns, double value) {
        std::uint64_t at = advance(now_ns);
        if (is_lost()) return;
        hold_until(at);
        for (Window& window : open_) window.seen.push_back(value);
        level_ = value;
    }
    // `bucket`: 0 for zero, 1 the first; more than there are for overflow.
    void fill(std::uint64_t now_ns, double value, std::size_t bucket) {
        advance(now_ns);
        ++observations_;
        sum_ += value;
        if (bucket < buckets_.size()) ++buckets_[bucket];
    }

    // Begin of the window that is open; 0 as long as there was none.
    std::uint64_t open_ns() const { return open_ns_; }
    // Begin of the first window of all; 0 as long as there is none.
    std::uint64_t first_ns() const { return first_ns_; }
    std::uint64_t rejected() const { return rejected_; }
    std::uint64_t steps_back() const { return steps_back_; }
    std::uint64_t rebases() const { return rebases_; }
    std::uint64_t rebased_windows() const { return rebased_windows_; }

    // What is wrong with `series`, "" when nothing is.
    std::string differences(const plain::Series& series) const {
        std::string out;
        if (series.open_ns != open_ns_) out += "open is " + text(series.open_ns) + ", not " + text(open_ns_) + "\n";
        if (series.stale || series.turning || series.half_done) out += "the cell says that a turn is going on\n";
        if (series.rings.size() != tiers_.size()) return out + "other tiers\n";
        for (std::size_t t = 0; t < tiers_.size(); ++t) out += ring_differences(series, t);
        if (open_ns_ != 0) out += open_differences(series);
        return out;
    }

  private:
    static constexpr std::uint64_t kEndOfTime = 4294967295 * std::uint64_t{1000000000};

    struct Piece {
        double value;
        std::uint64_t count;  // 1, or nanoseconds of a level
    };
    struct Window {
        std::vector<Piece> pieces;
        std::vector<double> seen;  // for min and max: a level counts a value that it had for no time at all
    };

    static std::string text(std::uint64_t number) { return std::to_string(number); }
    bool is_level() const { return metric_.kind == plain::kLevel; }
    bool is_gauge() const { return is_level() || metric_.kind == plain::kGauge; }
    std::uint64_t floor(std::uint64_t ns) const { return ns - ns % tiers_[0].resolution_ns(); }

    // Level: what `level_` adds to the open windows until `at`, which lies in them. Time has steps of 2 ns.
    void hold_until(std::uint64_t at) {
        at -= at % 2;
        if (at <= since_ns_) return;
        for (Window& window : open_) window.pieces.push_back({level_, at - since_ns_});
        since_ns_ = at;
    }

    // A gauge or level has no window before its first record, and none can open at either end of time. What was lost so is
    // counted when one opens.
    bool is_lost() {
        lost_ += !is_open_;
        return !is_open_;
    }

    // Returns the time that the record counts with.
    std::uint64_t advance(std::uint64_t now_ns) {
        std::uint64_t begin = floor(now_ns);
        if (is_open_ && begin == open_ns_)
            return now_ns;  // also past the end of time: the last window may reach beyond it
        if (now_ns >= kEndOfTime || begin == 0) return since_ns_;
        if (!is_open_) {
            is_open_ = true;
            open_ns_ = first_ns_ = begin;
            since_ns_ = now_ns - now_ns % 2;
            rejected_ = lost_;
        } else if (begin > open_ns_) {
            close_until(begin);
        } else if (begin < open_ns_) {
            if (open_ns_ - begin <= tiers_.back().resolution_ns()) {
                ++steps_back_;
            } else {
                rebase(begin);
                since_ns_ = now_ns - now_ns % 2;
            }
        }
        return now_ns;
    }

    void close_until(std::uint64_t begin) {
        for (std::size_t t = 0; t < tiers_.size(); ++t) {
            std::uint64_t resolution = tiers_[t].resolution_ns();
            std::uint64_t closing = open_ns_ / resolution, next = begin / resolution;
            std::uint64_t held_to = std::min(begin, (closing + 1) * resolution);
            if (is_level() && held_to > since_ns_) open_[t].pieces.push_back({level_, held_to - since_ns_});
            if (closing < next) {
                write(t, closing);
                if (next - closing > 1) {
                    if (is_level()) open_[t] = {{{level_, resolution}}, {level_}};
                    if (metric_.kind != plain::kGauge) write(t, next - 1);
                }
                open_[t] = {};
                if (is_level() && begin > next * resolution)
                    open_[t].pieces.push_back({level_, begin - next * resolution});
            }
            if (is_level()) open_[t].seen.push_back(level_);  // the new first-tier window begins with it
        }
        open_ns_ = begin;
        since_ns_ = begin;
    }

    // The open windows go back with all that they hold; what lies ahead of them now is dropped.
    void rebase(std::uint64_t begin) {
        ++rebases_;
        for (std::size_t t = 0; t < tiers_.size(); ++t) {
            for (auto at = rings_[t].begin(); at != rings_[t].end();) {
                bool ahead = at->second.window >= begin / tiers_[t].resolution_ns();
                rebased_windows_ += ahead;
                at = ahead ? rings_[t].erase(at) : std::next(at);
            }
        }
        open_ns_ = begin;
    }

    plain::Summary sum_up(const Window& window) const {
        plain::Summary out;
        for (const Piece& piece : window.pieces) {
            out.count += piece.count;
            out.sum += is_level() ? piece.value * (static_cast<double>(piece.count) / 1e9) : piece.value;
        }
        out.min = std::numeric_limits<double>::infinity();
        out.max = -out.min;
        for (double value : window.seen) {
            out.min = std::min(out.min, value);
            out.max = std::max(out.max, value);
        }
        out.last = window.seen.empty() ? 0 : window.seen.back();
        return out;
    }

    std::uint32_t kept(std::size_t t) const {
        std::uint32_t columns = tiers_[t].columns;
        if (is_gauge()) return columns & (plain::kCount | plain::kSum | plain::kMin | plain::kMax | plain::kLast);
        if (metric_.kind == plain::kHistogram) return columns & (plain::kCount | plain::kSum | plain::kBuckets);
        return columns & plain::kValue;
    }

    void write(std::size_t t, std::uint64_t window) {
        if (kept(t) == 0 || window == 0) return;
        plain::Slot slot;
        slot.window = static_cast<std::uint32_t>(window);
        if (is_gauge()) {
            if (open_[t].pieces.empty()) return;
            slot.summary = sum_up(open_[t]);
        } else if (metric_.kind == plain::kHistogram) {
            slot.summary = {observations_, sum_, 0, 0, 0};
            slot.buckets.assign(buckets_.begin(), buckets_.end());
        } else {
            slot.value = cumulative();
        }
        rings_[t][window % tiers_[t].slots] = slot;
    }

    std::uint64_t cumulative() const {
        if (metric_.kind == plain::kCounter) return value_;
        std::uint64_t bits;
        static_assert(sizeof bits == sizeof value_f64_);
        std::memcpy(&bits, &value_f64_, sizeof bits);
        return bits;
    }

    static std::string summary_differences(const plain::Summary& found, const plain::Summary& wanted,
                                           std::uint32_t columns, bool extremes) {
        std::string out;
        auto compare = [&](const char* name, std::uint32_t column, double a, double b) {
            if ((columns & column) && !(a == b)) {
                out += std::string("  ") + name + " is " + std::to_string(a) + ", not " + std::to_string(b) + "\n";
            }
        };
        if ((columns & plain::kCount) && found.count != wanted.count) {
            out += "  count is " + text(found.count) + ", not " + text(wanted.count) + "\n";
        }
        compare("sum", plain::kSum, found.sum, wanted.sum);
        if (!extremes) return out;
        compare("min", plain::kMin, found.min, wanted.min);
        compare("max", plain::kMax, found.max, wanted.max);
        compare("last", plain::kLast, found.last, wanted.last);
        return out;
    }

    std::string ring_differences(const plain::Series& series, std::size_t t) const {
        std::string out;
        std::uint32_t columns = kept(t);
        if (columns == 0) return series.rings[t].empty() ? "" : "a ring where nothing is kept\n";
        for (std::uint32_t i = 0; i < tiers_[t].slots; ++i) {
            const plain::Slot& found = series.rings[t][i];
            auto at = rings_[t].find(i);
            plain::Slot wanted = at == rings_[t].end() ? plain::Slot{} : at->second;
            std::string place = "tier " + text(t) + " slot " + text(i) + " window " + text(wanted.window);
            if (found.window != wanted.window) {
                out += place + ": the stamp is " + text(found.window) + "\n";
                continue;
            }
            if (wanted.window == 0) continue;
            std::string wrong = summary_differences(found.summary, wanted.summary, columns, is_gauge());
            if ((columns & plain::kValue) && found.value != wanted.value) {
                wrong += "  value is " + text(found.value) + ", not " + text(wanted.value) + "\n";
            }
            if ((columns & plain::kBuckets) && found.buckets != wanted.buckets) wrong += "  buckets differ\n";
            if (!wrong.empty()) out += place + ":\n" + wrong;
        }
        return out;
    }

    // F5: the bank that is valid and the hot fields are together what each open window holds.
    std::string open_differences(const plain::Series& series) const {
        if (!is_gauge()) {
            bool same = metric_.kind == plain::kHistogram ? series.hot.count == observations_ &&
                                                                series.hot.sum == sum_ && series.hot_buckets == buckets_
                                                          : series.value == cumulative();
            return same ? "" : "the hot cell holds another total\n";
        }
        std::string out;
        if (is_level() && series.since_ns != since_ns_) out += "since is " + text(series.since_ns) + "\n";
        for (std::size_t t = 0; t < tiers_.size(); ++t) {
            plain::Summary found = series.hot;
            if (t > 0 && series.banks[series.bank][t - 1].count > 0) {
                const plain::Summary& bank = series.banks[series.bank][t - 1];
                found = {found.count + bank.count, found.sum + bank.sum, std::min(found.min, bank.min),
                         std::max(found.max, bank.max), found.last};
            }
            std::string wrong = summary_differences(found, sum_up(open_[t]), RSIDE_COLUMNS_GAUGE, true);
            if (!wrong.empty()) out += "open window of tier " + text(t) + ":\n" + wrong;
        }
        return out;
    }

    plain::Metric metric_;
    std::vector<plain::Tier> tiers_;
    std::vector<Window> open_;
    std::vector<std::map<std::uint64_t, plain::Slot>> rings_;  // by place in the ring
    bool is_open_ = false;
    std::uint64_t open_ns_ = 0, since_ns_ = 0, first_ns_ = 0;
    std::uint64_t lost_ = 0, rejected_ = 0;
    std::uint64_t value_ = 0, observations_ = 0;
    double value_f64_ = 0, sum_ = 0, level_ = 0;
    std::vector<std::uint64_t> buckets_;
    std::uint64_t steps_back_ = 0, rebases_ = 0, rebased_windows_ = 0;
};

}  // namespace ringside
