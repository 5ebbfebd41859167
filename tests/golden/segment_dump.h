// The text beside each golden segment: what a reader must find in it, word for word.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ringside::golden {

// First what stands in the file, by the decoder of the tests; then what the agent makes of it.
std::string dump(const std::vector<std::uint8_t>& bytes);

}  // namespace ringside::golden
