// Numbers, bytes, durations and times as people write and read them, and the way back. Pure
// functions: the clock comes in as an argument. All times are nanoseconds since 1970 and are shown
// in UTC.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace ringside::ctl {

using agent::Result;

// "0B", "512B", "2.1MiB". No blank, so that a column stays one field for awk.
std::string bytes_text(double bytes);

// "0s", "850ns", "12.3ms", "4.2s", "4m12s", "3h05m", "2d03h": at most two units.
std::string duration_text(double ns);

// "2026-11-21T20:40:55Z", with `digits` (0 .. 9) decimals of the second, cut and not rounded.
std::string time_text(std::uint64_t ns, int digits = 0);

// At most five digits and a suffix from 100,000 upwards: "0.125", "12345", "12.3M". "-" for what is
// not a number.
std::string compact_text(double value);

// The shortest text that reads back as the same double. Not for infinities and NaN, which give
// "inf" and "nan".
std::string exact_text(double value);

// For people: all digits of a whole number, six of any other. "0.0120826", "4142887", "3.18e-05".
std::string number_text(double value);

// A value in the unit of its metric ("bytes", "seconds", anything else), compact; `per_second` for
// rates. A rate of seconds is a share: "0.25" means 250 ms of each second.
std::string value_text(double value, std::string_view unit, bool per_second = false);

// The unit that a table's heading shows: "B", "s", "B/s", "s/s", "1/s", "" for a plain number.
std::string unit_text(std::string_view unit, bool per_second = false);

// "90" and nothing but digits, at most `max`. kInvalid for all else.
Result<std::uint64_t> parse_count(std::string_view text, std::uint64_t max = UINT64_MAX);

// "90s", "1h30m", "250ms", "1.5h"; a bare number is seconds. kInvalid for all else, for negative
// values and for what does not fit 64 bits of ns.
Result<std::uint64_t> parse_duration_ns(std::string_view text);

// A point in time, seen from `now_ns`: "now", "-5m" or "5m ago", "@1763757655.5", "2026-11-21",
// "2026-11-21T20:40:55.5Z" (also with a blank for the T, without seconds, and with an offset like
// +01:00; without one it is UTC), "20:40" of the UTC day of now_ns. kInvalid for all else.
Result<std::uint64_t> parse_time_ns(std::string_view text, std::uint64_t now_ns);

// "4096", "64k", "1.5MiB", "2GB" as bytes; k, M, G and T count by 1024 as KiB does, kB, MB, GB and
// TB by 1000.
Result<std::uint64_t> parse_bytes(std::string_view text);

// What may go to a terminal: control bytes, bytes that are not UTF-8 and the direction marks that
// reorder a line become \xNN or \u{NNNN}. Names and texts that a VM chose pass through here before
// a person sees them.
std::string printable(std::string_view text);

// Columns that `text` takes on a terminal, counting each code point as one.
std::size_t width_of(std::string_view text);

// At most `columns` of it, the last one "…" where that is not all.
std::string shortened(std::string_view text, std::size_t columns);

}  // namespace ringside::ctl
