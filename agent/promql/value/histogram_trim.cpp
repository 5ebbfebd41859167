#include "agent/promql/value/histogram_trim.h"

#include <cmath>
#include <utility>

namespace ringside::agent::promql {
namespace {

// What stays of a bucket, and where it lies on average.
struct Kept {
    double count = 0;
    double middle = 0;
};

double middle_of(double lower, double upper, bool linear) {
    if (std::isinf(lower) && std::isinf(upper)) return 0;
    if (std::isinf(lower)) return upper > 0 ? upper / 2 : upper;
    if (std::isinf(upper)) return lower;
    if (linear) return (lower + upper) / 2;
    return std::copysign(std::sqrt(std::fabs(lower * upper)), lower + upper);
}

// A bucket whose distribution is unknown towards one end. If it starts below everything and ends above zero, its
// observations are taken to be positive.
Kept keep_open_ended(const Bucket& bucket, double bound, Keep keep) {
    bool positive = std::isfinite(bucket.upper) && bucket.upper > 0;
    if (std::isinf(bucket.lower)) {
        if (keep == Keep::kBelow) {
            if (positive && bound > 0) return {bucket.count * bound / bucket.upper, bound / 2};
            if (bucket.upper <= 0) return {bucket.count, bound};
        } else if (positive && bound >= 0) {
            return {bucket.count * (1 - bound / bucket.upper), (bound + bucket.upper) / 2};
        }
        return {};
    }
    if (keep == Keep::kAbove) return {bucket.count, bound};
    return {};
}

double share_below(const Bucket& bucket, double bound, bool linear) {
    if (linear) return (bound - bucket.lower) / (bucket.upper - bucket.lower);
    double lower = std::log2(std::fabs(bucket.lower)), upper = std::log2(std::fabs(bucket.upper));
    double at = std::log2(std::fabs(bound));
    if (bucket.upper > 0) return (at - lower) / (upper - lower);
    return 1 - (at - upper) / (lower - upper);
}

Kept keep_of(const Bucket& bucket, double bound, Keep keep, bool linear) {
    bool below = keep == Keep::kBelow;
    if (below ? bucket.upper <= bound : bucket.lower >= bound) {
        return {bucket.count, middle_of(bucket.lower, bucket.upper, linear)};
    }
    // Also for a NaN: nothing is known to lie on the right side of it.
    if (!(below ? bucket.lower < bound : bucket.upper > bound)) return {};
    if (std::isinf(bucket.lower) || std::isinf(bucket.upper)) return keep_open_ended(bucket, bound, keep);
    double share = share_below(bucket, bound, linear);
    if (below) return {bucket.count * share, middle_of(bucket.lower, bound, linear)};
    return {bucket.count * (1 - share), middle_of(bound, bucket.upper, linear)};
}

bool any_filled(const BucketCounts& buckets) {
    for (const BucketCount& bucket : buckets) {
        if (bucket.count != 0) return true;
    }
    return false;
}

}  // namespace

FloatHistogram trim(FloatHistogram histogram, double bound, Keep keep) {
    bool linear = histogram.uses_custom_bounds();
    bool has_positive = any_filled(histogram.positive), has_negative = any_filled(histogram.negative);
    double count = 0, sum = 0;
    bool changed = false;
    auto take = [&](double& bucket_count, const Kept& kept) {
        changed |= kept.count != bucket_count;
        bucket_count = kept.count;
        count += kept.count;
        sum += kept.count * kept.middle;
    };
    for (auto [side, is_negative] : {std::pair{&histogram.positive, false}, std::pair{&histogram.negative, true}}) {
        for (BucketCount& at : *side) {
            if (at.count != 0) take(at.count, keep_of(histogram.bucket(at, is_negative), bound, keep, linear));
        }
    }
    if (histogram.zero_count > 0) {
        // What fills one side only has nothing on the other side of zero.
        Bucket zero = histogram.zero_bucket();
        if (has_negative && !has_positive) zero.upper = 0;
        if (has_positive && !has_negative) zero.lower = 0;
        take(histogram.zero_count, keep_of(zero, bound, keep, true));
    }
    if (!changed) return histogram;
    histogram.count = count;
    histogram.sum = sum;
    histogram.compact();
    return histogram;
}

}  // namespace ringside::agent::promql
