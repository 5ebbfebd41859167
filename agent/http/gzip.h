// Answers compressed, for clients that ask for it.
#pragma once

#include <string>
#include <string_view>

namespace ringside::agent {

// Below this the headers weigh more than what is saved.
inline constexpr std::size_t kGzipMinBytes = 1024;

// The gzip form of `plain`, or "" when there is no memory for it.
std::string gzipped(std::string_view plain);

}  // namespace ringside::agent
