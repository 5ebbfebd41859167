// Strings as people sort them: `cpu2` before `cpu10`.
#pragma once

#include <string_view>

namespace ringside::agent::promql {

// Runs of digits compare as numbers of any length, all else byte by byte. Strings that differ in leading zeros alone
// are the same here: neither is less.
bool natural_less(std::string_view a, std::string_view b);

}  // namespace ringside::agent::promql
