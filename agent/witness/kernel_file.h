// Files that the kernel makes up while they are read: they have no size, and each read takes what is true then.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ringside::agent {

// The whole text; empty when it cannot be read or is longer than `max_bytes`.
std::string read_kernel_file(const std::string& path, std::size_t max_bytes);

// Cuts the next line off `text`, and gives it without its end.
std::string_view next_line(std::string_view* text);

}  // namespace ringside::agent
