// Text that others wrote: UTF-8, letters and blanks.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ringside::agent {

// Length of the UTF-8 character at the start of `text`, which is not empty; 0 when it is none. As RFC 3629 has it: no
// overlong forms, no surrogates, nothing above U+10FFFF.
std::size_t utf8_character_bytes(std::string_view text);

bool is_utf8(std::string_view text);

// `text` with every byte that is no UTF-8 replaced by U+FFFD: protobuf strings and receivers take nothing else.
std::string clean_utf8(std::string_view text);

// `text` in double quotes, with the escapes of C and \\x.. for other control characters and bytes that are no UTF-8: as Go
// and PromQL write a string, and as messages show what others wrote.
std::string quote(std::string_view text);

// With A to Z made small, and every other byte as it is: names of HTTP headers.
std::string lower_ascii(std::string_view text);

// Without spaces, tabs and line ends at its begin and end.
std::string_view trimmed(std::string_view text);

}  // namespace ringside::agent
