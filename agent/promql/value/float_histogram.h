// A native histogram as a value: float counts in buckets whose bounds follow from the schema or are given one by one.
//
// I1  Buckets of a side stand by rising index, each index once. A count of zero may stand there and means the same as
//     no bucket at all.
// I2  With custom bounds there is no negative side and no zero bucket.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/result.h"

namespace ringside::agent::promql {

// Whether counters were reset between the sample before and this one, as far as whoever made the sample knows.
enum class ResetHint : std::uint8_t { kUnknown, kReset, kNotReset, kGauge };

inline constexpr std::int32_t kSchemaMin = -4, kSchemaMax = 8;
inline constexpr std::int32_t kCustomSchema = -53;

struct BucketCount {
    std::int32_t index = 0;
    double count = 0;
    bool operator==(const BucketCount&) const = default;
};
using BucketCounts = std::vector<BucketCount>;

// A run of neighbouring buckets. The first one's offset is an index, later ones' are gaps to the run before.
struct BucketSpan {
    std::int32_t offset = 0;
    std::uint32_t length = 0;
    bool operator==(const BucketSpan&) const = default;
};
std::vector<BucketSpan> bucket_spans(const BucketCounts& buckets);
// kInvalid: runs and counts do not fit, or a run goes back.
Result<BucketCounts> bucket_counts(const std::vector<BucketSpan>& spans, const std::vector<double>& counts);

// A bucket with its bounds.
struct Bucket {
    double lower = 0, upper = 0;
    double count = 0;
    bool lower_inclusive = false, upper_inclusive = false;

    std::string text() const;  // (1,2]:3
};

// What adding or subtracting had to do on the way.
struct HistogramNote {
    bool reset_collision = false;    // one side was marked as reset, the other as not reset
    bool bounds_reconciled = false;  // custom bounds differed; the result has those that both have
};

struct FloatHistogram {
    ResetHint reset_hint = ResetHint::kUnknown;
    std::int32_t schema = 0;
    double zero_threshold = 0;
    double zero_count = 0;
    double count = 0;
    double sum = 0;
    BucketCounts positive, negative;    // the negative side's index counts from zero downwards
    std::vector<double> custom_bounds;  // rising upper bounds of all buckets but the last one, which has none

    bool uses_custom_bounds() const { return schema == kCustomSchema; }
    bool has_infinity() const;  // in any count or in the sum
    Bucket zero_bucket() const { return {-zero_threshold, zero_threshold, zero_count, true, true}; }
    // From the lowest to the highest, the zero bucket among them if it is not empty. Bounds inside the zero bucket are
    // moved to its edge.
    std::vector<Bucket> buckets() const;
    Bucket bucket(const BucketCount& count, bool negative_side) const;

    void scale(double factor);    // a negative factor makes it a gauge
    void divide(double divisor);  // by zero: no buckets are left, and sums and counts are infinite or NaN
    void compact();               // drops empty buckets
    // To wider buckets: `target` is not above the schema, neither of them custom.
    void reduce_resolution(std::int32_t target);

    // *this += other and -= other. Of two schemas the wider wins, of two zero buckets the larger one, grown until it
    // cuts no filled bucket; of custom bounds the ones that both have. Errors (kInvalid), and *this as it was: custom
    // bounds on one side only.
    Result<HistogramNote> add(const FloatHistogram& other);
    Result<HistogramNote> subtract(const FloatHistogram& other);

    // Whether a counter must have been reset between `previous` and *this: by the hint, or because something counts
    // less than before.
    bool is_reset_after(const FloatHistogram& previous) const;

    // The same filled buckets, counts and sum (NaN equals NaN in the sum); the hint does not count.
    bool same_as(const FloatHistogram& other) const;

    std::string text() const;  // {count:4, sum:5, [-0.001,0.001]:1, (1,2]:3}
};
using HistogramPtr = std::shared_ptr<const FloatHistogram>;

// A sum of histograms that keeps what rounding would lose, bucket by bucket.
class HistogramSum {
  public:
    explicit HistogramSum(FloatHistogram first) : sum_(std::move(first)) {}

    Result<HistogramNote> add(const FloatHistogram& other);  // errors as FloatHistogram::add
    void scale(double factor);
    void divide(double divisor);
    bool has_infinity() const { return sum_.has_infinity(); }
    FloatHistogram value() const;
    const FloatHistogram& uncorrected() const { return sum_; }  // value() but for its rounding; as large

  private:
    FloatHistogram sum_;
    FloatHistogram carry_;  // as many buckets as sum_, once has_carry_
    bool has_carry_ = false;
};

// The mean of histograms one by one, as KahanMean does it for numbers.
class HistogramMean {
  public:
    explicit HistogramMean(FloatHistogram first) : sum_(std::move(first)) {}

    Result<HistogramNote> add(const FloatHistogram& other);
    FloatHistogram value() const;
    const FloatHistogram& uncorrected() const { return sum_.uncorrected(); }

  private:
    HistogramSum sum_;
    double count_ = 1;
    bool incremental_ = false;
};

// The upper bound of bucket `index` (of its absolute values on the negative side), exact for powers of two.
double exponential_bound(std::int32_t index, std::int32_t schema);

}  // namespace ringside::agent::promql
