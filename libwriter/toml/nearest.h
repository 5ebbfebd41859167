// "Did you mean": the known name that is closest to what somebody typed.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ringside {

// The name of `known` with the fewest edits (insert, delete, replace, swap of neighbours) from `typed`; "" when none
// is near enough to be meant: a third of the letters, and at least 2 for names of up to 8 letters.
std::string_view nearest_name(std::string_view typed, std::span<const std::string_view> known);

// "a, b or c", for the second half of a message.
std::string list_names(std::span<const std::string_view> names);

}  // namespace ringside
