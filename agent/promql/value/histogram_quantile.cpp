#include "agent/promql/value/histogram_quantile.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "agent/promql/value/kahan.h"

namespace ringside::agent::promql {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kSmallDelta = 1e-12;  // below it, two counts differ by rounding only

// The zero bucket of a histogram with one side only reaches from zero to that side.
void clip_at_zero(Bucket& bucket, const FloatHistogram& histogram) {
    if (histogram.negative.empty() && !histogram.positive.empty()) bucket.lower = 0;
    if (histogram.positive.empty() && !histogram.negative.empty()) bucket.upper = 0;
}

// The value inside `bucket` that has the share `part` of it below.
double value_inside(const Bucket& bucket, double part, bool linear) {
    if (linear || (bucket.lower <= 0 && bucket.upper >= 0)) return bucket.lower + (bucket.upper - bucket.lower) * part;
    double lower = std::log2(std::fabs(bucket.lower)), upper = std::log2(std::fabs(bucket.upper));
    if (bucket.lower > 0) return std::exp2(lower + (upper - lower) * part);
    return -std::exp2(upper + (lower - upper) * (1 - part));
}

// The share of `bucket` that lies below `value`, which is inside it.
double part_below(const Bucket& bucket, double value, bool linear) {
    if (linear) return (value - bucket.lower) / (bucket.upper - bucket.lower);
    double lower = std::log2(std::fabs(bucket.lower)), upper = std::log2(std::fabs(bucket.upper));
    double at = std::log2(std::fabs(value));
    if (value > 0) return (at - lower) / (upper - lower);
    return 1 - (at - upper) / (lower - upper);
}

// Walks buckets upwards and notes how many observations lie below a bound.
class RankBelow {
  public:
    explicit RankBelow(double bound) : bound_(bound) {}

    // `inside` says how many lie below the bound if it is in this bucket.
    template <typename Inside>
    void visit(double lower, double upper, double rank, Inside inside) {
        if (known_) return;
        if (lower >= bound_) {
            rank_ = rank;
        } else if (upper > bound_) {
            rank_ = inside(bound_);
        } else {
            return;
        }
        known_ = true;
    }
    double rank(double total) const { return known_ && rank_ <= total ? rank_ : total; }

  private:
    double bound_;
    double rank_ = 0;
    bool known_ = false;
};

bool nearly_equal(double a, double b) {
    double sum = std::fabs(a) + std::fabs(b), difference = std::fabs(a - b);
    if (a == 0 || b == 0 || sum < std::numeric_limits<double>::min()) {
        return difference < kSmallDelta * std::numeric_limits<double>::min();
    }
    return difference / std::min(sum, std::numeric_limits<double>::max()) < kSmallDelta;
}

// Sorted by bound, one bucket a bound. False without a bucket for +Inf: then nothing can be told.
bool arrange(std::vector<ClassicBucket>& buckets) {
    std::sort(buckets.begin(), buckets.end(),
              [](const ClassicBucket& a, const ClassicBucket& b) { return a.upper < b.upper; });
    if (buckets.back().upper != kInfinity) return false;
    std::size_t kept = 0;
    for (std::size_t i = 1; i < buckets.size(); ++i) {
        if (buckets[i].upper == buckets[kept].upper) {
            buckets[kept].count += buckets[i].count;
        } else {
            buckets[++kept] = buckets[i];
        }
    }
    buckets.resize(kept + 1);
    return true;
}

void make_monotonic(std::vector<ClassicBucket>& buckets, ClassicQuantile& result) {
    result.lowest_bound = kInfinity;
    result.highest_bound = -kInfinity;
    double before = buckets[0].count;
    for (ClassicBucket& bucket : buckets) {
        if (bucket.count == before) continue;
        if (!nearly_equal(before, bucket.count)) {
            if (!(bucket.count < before)) {
                before = bucket.count;
                continue;
            }
            result.forced_monotonic = true;
            result.lowest_bound = std::min(result.lowest_bound, bucket.upper);
            result.highest_bound = std::max(result.highest_bound, bucket.upper);
            result.largest_lift = std::max(result.largest_lift, before - bucket.count);
        }
        bucket.count = before;
    }
}

}  // namespace

Estimate quantile(double q, const FloatHistogram& histogram) {
    if (q < 0) return {-kInfinity};
    if (q > 1) return {kInfinity};
    if (histogram.count == 0 || std::isnan(q)) return {kNan};

    // From the nearer end, so that rounding adds up less. With NaN observations only the lower end is known.
    bool nan_sum = std::isnan(histogram.sum);
    bool upwards = nan_sum || q < 0.5;
    double rank = (upwards ? q : 1 - q) * histogram.count;
    std::vector<Bucket> buckets = histogram.buckets();
    if (!upwards) std::reverse(buckets.begin(), buckets.end());
    Bucket bucket;
    double count = 0;
    auto at = buckets.begin();
    while (at != buckets.end()) {
        bucket = *at++;
        count += bucket.count;
        if (bucket.count != 0 && count >= rank) break;
    }

    bool custom = histogram.uses_custom_bounds();
    if (!custom && bucket.lower < 0 && bucket.upper > 0) clip_at_zero(bucket, histogram);
    if (custom && bucket.lower == -kInfinity) {
        if (bucket.upper <= 0) return {bucket.upper};
        bucket.lower = 0;
    } else if (custom && bucket.upper == kInfinity) {
        return {bucket.lower};
    }
    count = std::min(count, histogram.count);
    if (count < rank) {
        if (nan_sum) return {kNan, NanEffect::kResultIsNan};
        return {bucket.upper};
    }

    rank = upwards ? rank - (count - bucket.count) : count - rank;
    Estimate estimate{value_inside(bucket, rank / bucket.count, custom)};
    if (nan_sum) {
        while (at != buckets.end()) count += (at++)->count;
        if (count < histogram.count) estimate.nan_effect = NanEffect::kSkewed;
    }
    return estimate;
}

Estimate fraction(double lower, double upper, const FloatHistogram& histogram) {
    if (histogram.count == 0 || std::isnan(lower) || std::isnan(upper)) return {kNan};
    if (lower >= upper) return {0};
    RankBelow below_lower(lower), below_upper(upper);
    double rank = 0;
    for (Bucket bucket : histogram.buckets()) {
        bool around_zero = bucket.lower <= 0 && bucket.upper >= 0;
        bool linear = around_zero || histogram.uses_custom_bounds();
        if (around_zero) clip_at_zero(bucket, histogram);
        // A bucket without an end cannot be divided: none of it lies above -Inf, none of it below +Inf.
        auto inside = [&](double bound) {
            if (bucket.lower == -kInfinity) return rank + bucket.count;
            if (bucket.upper == kInfinity) return rank;
            return rank + bucket.count * part_below(bucket, bound, linear);
        };
        below_lower.visit(bucket.lower, bucket.upper, rank, inside);
        below_upper.visit(bucket.lower, bucket.upper, rank, inside);
        rank += bucket.count;
    }
    bool has_nan = std::isnan(histogram.sum);
    double total = has_nan ? rank : histogram.count;
    Estimate estimate{(below_upper.rank(total) - below_lower.rank(total)) / histogram.count};
    if (has_nan && rank < histogram.count) estimate.nan_effect = NanEffect::kSkewed;
    return estimate;
}

double variance(const FloatHistogram& histogram) {
    double mean = histogram.sum / histogram.count;
    KahanSum squares;
    for (const Bucket& bucket : histogram.buckets()) {
        if (bucket.count == 0) continue;
        double middle = 0;
        if (histogram.uses_custom_bounds()) {
            middle = (bucket.upper + bucket.lower) / 2;
        } else if (bucket.lower > 0 || bucket.upper < 0) {
            middle = std::copysign(std::sqrt(bucket.upper * bucket.lower), bucket.upper);
        }
        squares.add(bucket.count * (middle - mean) * (middle - mean));
    }
    return squares.value() / histogram.count;
}

ClassicQuantile quantile(double q, std::vector<ClassicBucket>& buckets) {
    ClassicQuantile result{kNan};
    if (std::isnan(q)) return result;
    if (q < 0 || q > 1) {
        result.value = q < 0 ? -kInfinity : kInfinity;
        return result;
    }
    if (!arrange(buckets)) return result;
    make_monotonic(buckets, result);
    double observations = buckets.back().count;
    if (buckets.size() < 2 || observations == 0) return result;

    double rank = q * observations;
    auto last = buckets.end() - 1;
    auto at = std::find_if(buckets.begin(), last, [&](const ClassicBucket& b) { return b.count >= rank; });
    if (at == last) {
        result.value = (last - 1)->upper;
    } else if (at == buckets.begin() && at->upper <= 0) {
        result.value = at->upper;
    } else {
        ClassicBucket below = at == buckets.begin() ? ClassicBucket{} : *(at - 1);
        double part = (rank - below.count) / (at->count - below.count);
        result.value = below.upper + (at->upper - below.upper) * part;
    }
    return result;
}

double fraction(double lower, double upper, std::vector<ClassicBucket>& buckets) {
    if (!arrange(buckets)) return kNan;
    double total = buckets.back().count;
    if (total == 0 || std::isnan(lower) || std::isnan(upper)) return kNan;
    if (lower >= upper) return 0;
    RankBelow below_lower(lower), below_upper(upper);
    double rank = 0;
    // Without bounds below zero nothing was observed there.
    double bucket_lower = buckets[0].upper <= 0 ? -kInfinity : 0;
    for (const ClassicBucket& bucket : buckets) {
        auto inside = [&](double bound) {
            if (bucket_lower == -kInfinity) return bucket.count;
            return rank + (bucket.count - rank) * (bound - bucket_lower) / (bucket.upper - bucket_lower);
        };
        below_lower.visit(bucket_lower, bucket.upper, rank, inside);
        below_upper.visit(bucket_lower, bucket.upper, rank, inside);
        rank = bucket.count;
        bucket_lower = bucket.upper;
    }
    return (below_upper.rank(total) - below_lower.rank(total)) / total;
}

double quantile(double q, std::vector<double>& values) {
    if (values.empty() || std::isnan(q)) return kNan;
    if (q < 0) return -kInfinity;
    if (q > 1) return kInfinity;
    // NaN counts as the smallest.
    std::sort(values.begin(), values.end(), [](double a, double b) { return std::isnan(a) ? !std::isnan(b) : a < b; });
    double rank = q * static_cast<double>(values.size() - 1);
    auto lower = static_cast<std::size_t>(rank);
    std::size_t upper = std::min(lower + 1, values.size() - 1);
    double weight = rank - std::floor(rank);
    return values[lower] * (1 - weight) + values[upper] * weight;
}

}  // namespace ringside::agent::promql
