// Adding, subtracting and comparing histograms whose buckets differ.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <span>

#include "agent/promql/value/float_histogram.h"
#include "agent/promql/value/kahan.h"

namespace ringside::agent::promql {
namespace {

// total += value, the rounding going to `carry` where there is one.
void add_to(double& total, double* carry, double value) {
    if (carry == nullptr) {
        total += value;
        return;
    }
    KahanSum sum{total, *carry};
    sum.add(value);
    total = sum.sum;
    *carry = sum.carry;
}

using BucketRange = std::span<const BucketCount>;

// Whether `buckets` has a bucket for each of `other`.
bool has_all_of(BucketRange buckets, BucketRange other) {
    auto mine = buckets.begin();
    for (const BucketCount& theirs : other) {
        while (mine != buckets.end() && mine->index < theirs.index) ++mine;
        if (mine == buckets.end() || mine->index != theirs.index) return false;
    }
    return true;
}

// Adds `other` times `sign` to `buckets`. `carry` has the same buckets as `buckets`, before and after.
void merge(BucketCounts& buckets, BucketCounts* carry, BucketRange other, double sign) {
    // The common case by far: histograms of one metric.
    if (has_all_of(buckets, other)) {
        std::size_t i = 0;
        for (const BucketCount& theirs : other) {
            while (buckets[i].index < theirs.index) ++i;
            add_to(buckets[i].count, carry ? &(*carry)[i].count : nullptr, sign * theirs.count);
        }
        return;
    }
    BucketCounts merged, merged_carry;
    merged.reserve(buckets.size() + other.size());
    auto mine = buckets.begin();
    auto theirs = other.begin();
    while (mine != buckets.end() || theirs != other.end()) {
        bool take_mine = theirs == other.end() || (mine != buckets.end() && mine->index <= theirs->index);
        bool take_theirs = mine == buckets.end() || (theirs != other.end() && theirs->index <= mine->index);
        BucketCount sum{take_mine ? mine->index : theirs->index, 0};
        BucketCount rest = sum;
        if (take_mine) {
            if (carry) rest = (*carry)[static_cast<std::size_t>(mine - buckets.begin())];
            sum = *mine++;
        }
        if (take_theirs) {
            double value = sign * (theirs++)->count;
            if (take_mine) {
                add_to(sum.count, carry ? &rest.count : nullptr, value);
            } else {
                sum.count = value;
            }
        }
        merged.push_back(sum);
        if (carry) merged_carry.push_back(rest);
    }
    buckets = std::move(merged);
    if (carry) *carry = std::move(merged_carry);
}

// How many buckets at the front lie inside the zero bucket, bounds included.
std::size_t inside_zero(BucketRange buckets, std::int32_t schema, double threshold) {
    std::size_t count = 0;
    while (count < buckets.size() && exponential_bound(buckets[count].index, schema) <= threshold) ++count;
    return count;
}

BucketRange outside_zero(BucketRange buckets, std::int32_t schema, double threshold) {
    return buckets.subspan(inside_zero(buckets, schema, threshold));
}

struct ZeroBucket {
    double threshold = 0;
    double count = 0;
};

// What one side has inside (0, threshold]. Where the threshold cuts a filled bucket it grows to that bucket's bound.
double swallowed(const BucketCounts& buckets, std::int32_t schema, double& threshold) {
    double count = 0;
    for (const BucketCount& bucket : buckets) {
        if (exponential_bound(bucket.index - 1, schema) >= threshold) break;
        count += bucket.count;
        double upper = exponential_bound(bucket.index, schema);
        if (upper <= threshold) continue;
        if (bucket.count != 0) threshold = upper;
        break;
    }
    return count;
}

// The zero bucket of `histogram` if its threshold were `threshold`, or as much more as filled buckets ask for.
ZeroBucket widened_zero(const FloatHistogram& histogram, double threshold) {
    if (threshold == histogram.zero_threshold) return {threshold, histogram.zero_count};
    for (;;) {
        ZeroBucket zero{threshold, histogram.zero_count};
        zero.count += swallowed(histogram.positive, histogram.schema, zero.threshold);
        double before = zero.threshold;
        zero.count += swallowed(histogram.negative, histogram.schema, zero.threshold);
        // The negative side pushed the threshold on: what was counted of the positive side no longer fits.
        if (zero.threshold == before) return zero;
        threshold = zero.threshold;
    }
}

void erase_front(BucketCounts& buckets, BucketCounts* carry, std::size_t count) {
    auto n = static_cast<std::ptrdiff_t>(count);
    buckets.erase(buckets.begin(), buckets.begin() + n);
    if (carry) carry->erase(carry->begin(), carry->begin() + n);
}

void widen_zero(FloatHistogram& histogram, FloatHistogram* carry, double threshold) {
    ZeroBucket zero = widened_zero(histogram, threshold);
    histogram.zero_threshold = zero.threshold;
    histogram.zero_count = zero.count;
    auto below = [&](const BucketCount& bucket) {
        return exponential_bound(bucket.index - 1, histogram.schema) < zero.threshold;
    };
    for (auto side : {&FloatHistogram::positive, &FloatHistogram::negative}) {
        BucketCounts& buckets = histogram.*side;
        auto end = std::find_if_not(buckets.begin(), buckets.end(), below);
        auto count = static_cast<std::size_t>(end - buckets.begin());
        if (carry) {
            for (std::size_t i = 0; i < count; ++i) carry->zero_count += (carry->*side)[i].count;
        }
        erase_front(buckets, carry ? &(carry->*side) : nullptr, count);
    }
}

// Gives `mine` and the returned bucket one threshold, the larger one, grown until it cuts no filled bucket of either.
ZeroBucket reconcile_zero(FloatHistogram& mine, FloatHistogram* carry, const FloatHistogram& other) {
    ZeroBucket theirs{other.zero_threshold, other.zero_count};
    // Two passes at most per bucket; a NaN threshold would never end.
    while (theirs.threshold < mine.zero_threshold || theirs.threshold > mine.zero_threshold) {
        if (mine.zero_threshold > theirs.threshold) theirs = widened_zero(other, mine.zero_threshold);
        if (theirs.threshold > mine.zero_threshold) widen_zero(mine, carry, theirs.threshold);
    }
    return theirs;
}

bool reconcile_hint(ResetHint& mine, ResetHint theirs) {
    if (mine == theirs || mine == ResetHint::kGauge) return false;
    if (theirs == ResetHint::kGauge) {
        mine = ResetHint::kGauge;
        return false;
    }
    bool collision = mine != ResetHint::kUnknown && theirs != ResetHint::kUnknown;
    mine = ResetHint::kUnknown;
    return collision;
}

std::vector<double> common_bounds(const std::vector<double>& a, const std::vector<double>& b) {
    std::vector<double> common;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(common));
    return common;
}

// The bucket of `target` that holds the bucket of `bounds` with this index.
std::size_t target_bucket(const std::vector<double>& bounds, const std::vector<double>& target, std::int32_t index) {
    auto at = static_cast<std::size_t>(std::max(index, 0));
    if (at >= bounds.size()) return target.size();
    return static_cast<std::size_t>(std::lower_bound(target.begin(), target.end(), bounds[at]) - target.begin());
}

// Adds custom buckets whose bounds differ: both are laid over the bounds they have in common.
void merge_custom(FloatHistogram& mine, FloatHistogram* carry, const FloatHistogram& other, double sign) {
    std::vector<double> bounds = common_bounds(mine.custom_bounds, other.custom_bounds);
    std::vector<KahanSum> sums(bounds.size() + 1);
    for (std::size_t i = 0; i < mine.positive.size(); ++i) {
        KahanSum& sum = sums[target_bucket(mine.custom_bounds, bounds, mine.positive[i].index)];
        sum.add(mine.positive[i].count);
        if (carry) sum.add(carry->positive[i].count);
    }
    for (const BucketCount& bucket : other.positive) {
        sums[target_bucket(other.custom_bounds, bounds, bucket.index)].add(sign * bucket.count);
    }
    mine.positive.clear();
    if (carry) carry->positive.clear();
    for (std::size_t i = 0; i < sums.size(); ++i) {
        if (sums[i].sum == 0 && sums[i].carry == 0) continue;
        auto index = static_cast<std::int32_t>(i);
        mine.positive.push_back({index, sums[i].sum});
        if (carry) carry->positive.push_back({index, sums[i].carry});
    }
    if (carry) carry->custom_bounds = bounds;
    mine.custom_bounds = std::move(bounds);
}

// mine += sign * other.
Result<HistogramNote> combine(FloatHistogram& mine, FloatHistogram* carry, const FloatHistogram& other, double sign) {
    if (mine.uses_custom_bounds() != other.uses_custom_bounds()) {
        return error(Code::kInvalid, "exponential and custom buckets do not mix; convert one of the histograms");
    }
    HistogramNote note;
    note.reset_collision = reconcile_hint(mine.reset_hint, other.reset_hint);
    add_to(mine.count, carry ? &carry->count : nullptr, sign * other.count);
    add_to(mine.sum, carry ? &carry->sum : nullptr, sign * other.sum);
    if (mine.uses_custom_bounds()) {
        note.bounds_reconciled = mine.custom_bounds != other.custom_bounds;
        if (note.bounds_reconciled) {
            merge_custom(mine, carry, other, sign);
        } else {
            merge(mine.positive, carry ? &carry->positive : nullptr, other.positive, sign);
        }
        return note;
    }

    ZeroBucket zero = reconcile_zero(mine, carry, other);
    add_to(mine.zero_count, carry ? &carry->zero_count : nullptr, sign * zero.count);
    mine.reduce_resolution(other.schema);
    if (carry) carry->reduce_resolution(other.schema);
    const FloatHistogram* theirs = &other;
    std::optional<FloatHistogram> reduced;
    if (other.schema > mine.schema) {
        theirs = &reduced.emplace(other);
        reduced->reduce_resolution(mine.schema);
    }
    for (auto side : {&FloatHistogram::positive, &FloatHistogram::negative}) {
        merge(mine.*side, carry ? &(carry->*side) : nullptr,
              outside_zero(theirs->*side, mine.schema, mine.zero_threshold), sign);
    }
    return note;
}

// Whether `previous` has something in a bucket where `now` has less.
bool lost_counts(BucketRange now, BucketRange previous) {
    auto at = now.begin();
    for (const BucketCount& before : previous) {
        while (at != now.end() && at->index < before.index) ++at;
        double count = at != now.end() && at->index == before.index ? at->count : 0;
        bool missing = at == now.end() || at->index != before.index;
        if (missing ? before.count != 0 : count < before.count) return true;
    }
    return false;
}

// The same for custom buckets with different bounds, over the bounds they have in common.
bool lost_custom_counts(const FloatHistogram& now, const FloatHistogram& previous) {
    std::vector<double> bounds = common_bounds(now.custom_bounds, previous.custom_bounds);
    std::vector<double> change(bounds.size() + 1);
    for (const BucketCount& b : now.positive) change[target_bucket(now.custom_bounds, bounds, b.index)] += b.count;
    for (const BucketCount& b : previous.positive) {
        change[target_bucket(previous.custom_bounds, bounds, b.index)] -= b.count;
    }
    return std::any_of(change.begin(), change.end(), [](double c) { return c < 0; });
}

}  // namespace

Result<HistogramNote> FloatHistogram::add(const FloatHistogram& other) { return combine(*this, nullptr, other, 1); }
Result<HistogramNote> FloatHistogram::subtract(const FloatHistogram& other) {
    return combine(*this, nullptr, other, -1);
}

bool FloatHistogram::is_reset_after(const FloatHistogram& previous) const {
    if (reset_hint == ResetHint::kReset) return true;
    if (reset_hint == ResetHint::kNotReset) return false;
    if (count < previous.count) return true;
    if (uses_custom_bounds()) {
        if (!previous.uses_custom_bounds()) return true;
        if (custom_bounds != previous.custom_bounds) return lost_custom_counts(*this, previous);
        return lost_counts(positive, previous.positive);
    }
    // A finer schema or a smaller zero bucket: only a program that started again has it.
    if (schema > previous.schema || zero_threshold < previous.zero_threshold) return true;
    if (previous.uses_custom_bounds()) return true;
    ZeroBucket zero = widened_zero(previous, zero_threshold);
    if (zero.threshold != zero_threshold || zero_count < zero.count) return true;
    FloatHistogram reduced;
    const FloatHistogram* before = &previous;
    if (previous.schema > schema) {
        reduced = previous;
        reduced.reduce_resolution(schema);
        before = &reduced;
    }
    return lost_counts(outside_zero(positive, schema, zero_threshold),
                       outside_zero(before->positive, schema, zero_threshold)) ||
           lost_counts(outside_zero(negative, schema, zero_threshold),
                       outside_zero(before->negative, schema, zero_threshold));
}

Result<HistogramNote> HistogramSum::add(const FloatHistogram& other) {
    if (!has_carry_) {
        carry_ = sum_;
        carry_.zero_count = carry_.count = carry_.sum = 0;
        for (BucketCount& b : carry_.positive) b.count = 0;
        for (BucketCount& b : carry_.negative) b.count = 0;
        has_carry_ = true;
    }
    return combine(sum_, &carry_, other, 1);
}

void HistogramSum::scale(double factor) {
    sum_.scale(factor);
    carry_.scale(factor);
}

void HistogramSum::divide(double divisor) {
    sum_.divide(divisor);
    carry_.divide(divisor);
}

FloatHistogram HistogramSum::value() const {
    FloatHistogram value = sum_;
    if (!has_carry_) return value;
    value.count += carry_.count;
    value.sum += carry_.sum;
    value.zero_count += carry_.zero_count;
    for (std::size_t i = 0; i < value.positive.size(); ++i) value.positive[i].count += carry_.positive[i].count;
    for (std::size_t i = 0; i < value.negative.size(); ++i) value.negative[i].count += carry_.negative[i].count;
    return value;
}

Result<HistogramNote> HistogramMean::add(const FloatHistogram& other) {
    if (!incremental_) {
        HistogramSum next = sum_;
        Result<HistogramNote> note = next.add(other);
        if (!note) return note;
        if (!next.has_infinity()) {
            ++count_;
            sum_ = std::move(next);
            return note;
        }
        incremental_ = true;
        sum_.divide(count_);
    }
    ++count_;
    sum_.scale((count_ - 1) / count_);
    FloatHistogram part = other;
    part.divide(count_);
    return sum_.add(part);
}

FloatHistogram HistogramMean::value() const {
    if (incremental_) return sum_.value();
    HistogramSum mean = sum_;
    mean.divide(count_);
    return mean.value();
}

}  // namespace ringside::agent::promql
