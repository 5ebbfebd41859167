// "Did you mean": the known names that are closest to what somebody typed.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringside {

// Up to `limit` of `known` that may have been meant by `typed`, nearest first: with few edits between them (insert, delete,
// replace, swap of neighbours; a third of the letters, and at least 2), or with all of `typed` in them. Each once; the views
// are those of `known`. Words of more than 128 bytes are never near: a stranger may have sent them.
std::vector<std::string_view> nearest_names(std::string_view typed, std::span<const std::string_view> known,
                                            std::size_t limit = 3);

// "a, b or c", for the second half of a message.
std::string list_names(std::span<const std::string_view> names);

// "; did you mean a, b or c?" for what nearest_names found, "" when it found nothing.
std::string did_you_mean(std::span<const std::string_view> nearest);

}  // namespace ringside
