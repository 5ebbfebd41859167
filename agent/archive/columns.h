// How one column of a block becomes bytes: the smallest of the encodings that fit its values. docs/archive.md,
// "Columns", has the bytes. Pure. Internal to agent/archive.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/archive/layout.h"
#include "agent/base/result.h"

namespace ringside::agent {

struct PackedColumn {
    Encoding encoding = Encoding::kPlain;
    std::string bytes;
};

// Any values; at least one.
PackedColumn pack_integers(std::span<const std::uint64_t> values);
// Bits of floats. Exact for every one, NaNs with a payload included.
PackedColumn pack_floats(std::span<const std::uint64_t> values);
// Either: counters hold integers or the bits of floats, and the values tell.
PackedColumn pack_counter(std::span<const std::uint64_t> values);
// `stride` values a window, each bucket a counter of its own.
PackedColumn pack_buckets(std::span<const std::uint64_t> values, std::size_t stride);

// `points` windows of `stride` values each; kCorrupt when the bytes are not just that, kUnavailable for an encoding that
// this program does not know. Not for kSame and kTimes.
Result<std::vector<std::uint64_t>> unpack_column(Encoding encoding, std::string_view bytes, std::size_t points,
                                                 std::size_t stride);

// Ends of windows, rising, of a tier of this resolution; the first one lies in window `first_window`.
std::string pack_times(std::span<const std::uint64_t> end_ns, std::uint64_t resolution_ns, std::uint64_t first_window);
Result<std::vector<std::uint64_t>> unpack_times(std::string_view bytes, std::size_t points, std::uint64_t resolution_ns,
                                                std::uint64_t first_window);

}  // namespace ringside::agent
