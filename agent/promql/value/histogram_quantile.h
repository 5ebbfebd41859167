// Quantiles and fractions of histograms, native and classic.
#pragma once

#include <vector>

#include "agent/promql/value/float_histogram.h"

namespace ringside::agent::promql {

// What NaN observations do to a result: they are in the count and in no bucket.
enum class NanEffect { kNone, kResultIsNan, kSkewed };

struct Estimate {
    double value = 0;
    NanEffect nan_effect = NanEffect::kNone;
};

// The value below which the share `q` of all observations lies. Inside a bucket observations are taken to lie evenly
// on a logarithmic scale, in the zero bucket and in custom buckets evenly as they are. -Inf for q < 0, +Inf for q > 1,
// NaN for a NaN or without observations.
Estimate quantile(double q, const FloatHistogram& histogram);

// The share of observations between `lower` and `upper`. NaN without observations or for a NaN bound; 0 where
// lower >= upper.
Estimate fraction(double lower, double upper, const FloatHistogram& histogram);

// The variance as far as buckets tell: each observation counts as the middle of its bucket.
double variance(const FloatHistogram& histogram);

// A bucket of a classic histogram: how many observations lie at or below the bound.
struct ClassicBucket {
    double upper = 0;
    double count = 0;
};

struct ClassicQuantile {
    double value = 0;
    // Counts that fall although the bound rises were lifted; between these bounds, by at most so much.
    bool forced_monotonic = false;
    double lowest_bound = 0, highest_bound = 0, largest_lift = 0;
};

// `buckets` in any order, not empty; sorted and mended in place. Differences of 1e-12 and less are rounding, not
// observations. NaN without a bucket for +Inf, with that one alone, and without observations.
ClassicQuantile quantile(double q, std::vector<ClassicBucket>& buckets);
double fraction(double lower, double upper, std::vector<ClassicBucket>& buckets);

// The quantile of plain values, between the two that are nearest. Sorts `values`; NaN without values.
double quantile(double q, std::vector<double>& values);

}  // namespace ringside::agent::promql
