// Durations and sizes as people write them: "15d", "1h30m", "64MiB".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace ringside::agent {

// A number with one of ms, s, m, h, d, w, or several of them, largest unit first and each at most once: "1h30m",
// "500ms". Nanoseconds. kInvalid without a unit (but "0" is fine), or when it does not fit.
Result<std::uint64_t> parse_duration(std::string_view text);
std::string duration_text(std::uint64_t ns);  // whole milliseconds; parse_duration gives it back

// A whole number of bytes, or a number with KiB, MiB, GiB, TiB (or kB, MB, GB, TB for powers of 1000): "64MiB".
Result<std::uint64_t> parse_size(std::string_view text);
std::string size_text(std::uint64_t bytes);  // exact, with the largest binary unit that divides it

// A whole number in decimal digits.
Result<std::uint64_t> parse_number(std::string_view text);

}  // namespace ringside::agent
