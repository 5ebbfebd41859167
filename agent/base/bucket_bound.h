// Where the buckets of a histogram metric begin and end.
#pragma once

#include <cmath>
#include <cstdint>

#include "agent/base/model.h"

namespace ringside::agent {

// base^index for base = 2^(2^-scale). In long double, whose 64 bits of fraction make the rounding to
// double the same with every C library that is right to one unit in the last place.
inline double bucket_bound(std::int64_t index, int scale) {
    if (scale <= 0) return std::ldexp(1.0, static_cast<int>(index * (std::int64_t{1} << -scale)));
    return static_cast<double>(std::exp2(static_cast<long double>(index) / static_cast<long double>(1 << scale)));
}

// The upper end of the zero bucket.
inline double zero_threshold(const MetricInfo& histogram) {
    return bucket_bound(std::int64_t{histogram.bucket_first} - 1, histogram.histogram_scale);
}

}  // namespace ringside::agent
