// A query that nobody lives to see the answer of.
#pragma once

namespace ringside::agent {

// It sorts 300,000 values 60,000 times.
inline constexpr const char* kVeryLong = "sum_over_time(quantile_over_time(0.5, vector(1)[5m:1ms])[10m:10ms])";

}  // namespace ringside::agent
