// Numbers and durations: text to value and back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace ringside::agent::promql {

// A number as the lexer takes it: 12, 1_000, 0x1F, 017 (octal), .5, 1e3, Inf, NaN. kInvalid: too large, or digits
// that make no number.
Result<double> parse_number_literal(std::string_view text);

// `1h30m`, units from the largest (y, w, d, h, m, s, ms), each once; `0` needs none. Milliseconds.
Result<std::int64_t> parse_duration_literal(std::string_view text);

// As PromQL prints them: the shortest decimal digits that read back the same, never with an exponent.
std::string format_number(double value);

// `1h30m`; `0s` for nothing. Not for negative ones.
std::string format_duration(std::int64_t ms);

}  // namespace ringside::agent::promql
