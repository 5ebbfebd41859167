#include "agent/promql/value/float_histogram.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "agent/promql/value/number.h"

namespace ringside::agent::promql {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The fractions in [0.5, 1) that the bounds of the finest schema have; coarser ones use every 2nd, 4th, ... of them.
const std::array<double, 1 << kSchemaMax>& bound_fractions() {
    static const auto fractions = [] {
        std::array<double, 1 << kSchemaMax> table{};
        for (std::size_t i = 0; i < table.size(); ++i) {
            table[i] = 0.5 * std::exp2(static_cast<double>(i) / static_cast<double>(table.size()));
        }
        return table;
    }();
    return fractions;
}

double custom_bound(const std::vector<double>& bounds, std::int32_t index) {
    if (index < 0) return -kInfinity;
    auto at = static_cast<std::size_t>(index);
    return at < bounds.size() ? bounds[at] : kInfinity;
}

bool any_infinite(const BucketCounts& buckets) {
    return std::any_of(buckets.begin(), buckets.end(), [](const BucketCount& b) { return std::isinf(b.count); });
}

bool same_filled(const BucketCounts& a, const BucketCounts& b) {
    auto filled = [](BucketCounts buckets) {
        std::erase_if(buckets, [](const BucketCount& bucket) { return bucket.count == 0; });
        return buckets;
    };
    return a == b || filled(a) == filled(b);
}

void reduce(BucketCounts& buckets, int shift) {
    BucketCounts reduced;
    for (const BucketCount& bucket : buckets) {
        // Buckets are named by their upper bound, so an index rounds up.
        std::int32_t index = ((bucket.index - 1) >> shift) + 1;
        if (!reduced.empty() && reduced.back().index == index) {
            reduced.back().count += bucket.count;
        } else {
            reduced.push_back({index, bucket.count});
        }
    }
    buckets = std::move(reduced);
}

}  // namespace

double exponential_bound(std::int32_t index, std::int32_t schema) {
    // The bucket that holds the largest double ends there; the one behind it holds the infinities.
    constexpr double kLargest = std::numeric_limits<double>::max();
    if (schema <= 0) {
        std::int64_t exponent = static_cast<std::int64_t>(index) << -schema;
        if (exponent == 1024) return kLargest;
        return std::ldexp(1.0, static_cast<int>(std::clamp<std::int64_t>(exponent, -2000, 2000)));
    }
    std::int32_t mask = (1 << schema) - 1;
    double fraction = bound_fractions()[static_cast<std::size_t>(index & mask) << (kSchemaMax - schema)];
    int exponent = (index >> schema) + 1;
    if (fraction == 0.5 && exponent == 1025) return kLargest;
    return std::ldexp(fraction, exponent);
}

std::vector<BucketSpan> bucket_spans(const BucketCounts& buckets) {
    std::vector<BucketSpan> spans;
    std::int32_t next = 0;
    for (const BucketCount& bucket : buckets) {
        if (spans.empty() || bucket.index != next) spans.push_back({bucket.index - next, 0});
        ++spans.back().length;
        next = bucket.index + 1;
    }
    return spans;
}

Result<BucketCounts> bucket_counts(const std::vector<BucketSpan>& spans, const std::vector<double>& counts) {
    BucketCounts buckets;
    std::int64_t index = 0;
    for (std::size_t i = 0; i < spans.size(); ++i) {
        if (i > 0 && spans[i].offset < 0)
            return error(Code::kInvalid, "a run of buckets goes back; send them in order");
        index += spans[i].offset;
        if (index + spans[i].length > std::numeric_limits<std::int32_t>::max() ||
            spans[i].length > counts.size() - buckets.size()) {
            return error(Code::kInvalid, "runs of buckets have more buckets than there are counts");
        }
        for (std::uint32_t k = 0; k < spans[i].length; ++k, ++index) {
            buckets.push_back({static_cast<std::int32_t>(index), counts[buckets.size()]});
        }
    }
    if (buckets.size() != counts.size()) return error(Code::kInvalid, "there are more counts than buckets");
    return buckets;
}

std::string Bucket::text() const {
    return (lower_inclusive ? "[" : "(") + short_number(lower) + "," + short_number(upper) +
           (upper_inclusive ? "]:" : "):") + short_number(count);
}

bool FloatHistogram::has_infinity() const {
    return std::isinf(count) || std::isinf(sum) || std::isinf(zero_count) || any_infinite(positive) ||
           any_infinite(negative);
}

Bucket FloatHistogram::bucket(const BucketCount& bucket_count, bool negative_side) const {
    std::int32_t index = bucket_count.index;
    if (uses_custom_bounds()) {
        return {custom_bound(custom_bounds, index - 1), custom_bound(custom_bounds, index), bucket_count.count,
                index == 0, true};
    }
    double far = exponential_bound(index, schema), near = exponential_bound(index - 1, schema);
    if (negative_side) return {-far, -near, bucket_count.count, true, false};
    return {near, far, bucket_count.count, false, true};
}

std::vector<Bucket> FloatHistogram::buckets() const {
    std::vector<Bucket> all;
    all.reserve(negative.size() + positive.size() + 1);
    for (auto at = negative.rbegin(); at != negative.rend(); ++at) {
        all.push_back(bucket(*at, true));
        all.back().upper = std::min(all.back().upper, -zero_threshold);
    }
    if (zero_count > 0) all.push_back(zero_bucket());
    for (const BucketCount& at : positive) {
        all.push_back(bucket(at, false));
        double& lower = all.back().lower;
        if (lower > 0 && lower < zero_threshold) lower = zero_threshold;
    }
    return all;
}

void FloatHistogram::scale(double factor) {
    zero_count *= factor;
    count *= factor;
    sum *= factor;
    for (BucketCount& b : positive) b.count *= factor;
    for (BucketCount& b : negative) b.count *= factor;
    if (factor < 0) reset_hint = ResetHint::kGauge;
}

void FloatHistogram::divide(double divisor) {
    zero_count /= divisor;
    count /= divisor;
    sum /= divisor;
    if (divisor == 0) {
        positive.clear();
        negative.clear();
        return;
    }
    for (BucketCount& b : positive) b.count /= divisor;
    for (BucketCount& b : negative) b.count /= divisor;
    if (divisor < 0) reset_hint = ResetHint::kGauge;
}

void FloatHistogram::compact() {
    auto empty = [](const BucketCount& b) { return b.count == 0; };
    std::erase_if(positive, empty);
    std::erase_if(negative, empty);
}

void FloatHistogram::reduce_resolution(std::int32_t target) {
    if (target >= schema) return;
    reduce(positive, schema - target);
    reduce(negative, schema - target);
    schema = target;
}

bool FloatHistogram::same_as(const FloatHistogram& other) const {
    bool same_sum = sum == other.sum || (std::isnan(sum) && std::isnan(other.sum));
    return same_sum && schema == other.schema && count == other.count && zero_threshold == other.zero_threshold &&
           zero_count == other.zero_count && custom_bounds == other.custom_bounds &&
           same_filled(positive, other.positive) && same_filled(negative, other.negative);
}

std::string FloatHistogram::text() const {
    std::string text = "{count:" + short_number(count) + ", sum:" + short_number(sum);
    for (const Bucket& b : buckets()) {
        if (b.count != 0) text += ", " + b.text();
    }
    return text + "}";
}

}  // namespace ringside::agent::promql
