// A list of 64-bit numbers in few bits: what is left after a simple prediction, most of it near zero, in short codes.
// docs/archive.md, "Integers", has the bytes. Pure. Internal to agent/archive.
//
// All arithmetic is modulo 2^64, so any numbers come back as they were: counters that were reset, the bits of floats.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace ringside::agent {

// Residuals are coded in groups of so many, each with the code that suits it best.
inline constexpr std::size_t kGroupResiduals = 32;

// At least one value.
std::string encode_integers(std::span<const std::uint64_t> values);

// Exactly `count` values, at least one, from exactly these bytes; else kCorrupt. The caller bounds `count`: a hundred
// equal values take three bytes.
Result<std::vector<std::uint64_t>> decode_integers(std::string_view bytes, std::size_t count);

}  // namespace ringside::agent
