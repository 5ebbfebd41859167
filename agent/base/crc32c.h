// CRC-32C (Castagnoli; RFC 3720 section 12.1), the checksum of every block that the agent writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringside::agent {

// Continues from `crc`; start with 0. crc32c(crc32c(0, a), b) is the sum of a followed by b.
std::uint32_t crc32c(std::uint32_t crc, const void* bytes, std::size_t size);

inline std::uint32_t crc32c(std::string_view bytes) { return crc32c(0, bytes.data(), bytes.size()); }

}  // namespace ringside::agent
