// The operators `</` and `>/`: a histogram without what lies on the far side of a bound.
#pragma once

#include "agent/promql/value/float_histogram.h"

namespace ringside::agent::promql {

enum class Keep { kBelow, kAbove };

// Of a bucket that the bound cuts, as much stays as interpolation says; a bucket without an end goes or stays whole.
// If anything was cut, count and sum follow from the buckets that are left, and the sum is an estimate.
FloatHistogram trim(FloatHistogram histogram, double bound, Keep keep);

}  // namespace ringside::agent::promql
