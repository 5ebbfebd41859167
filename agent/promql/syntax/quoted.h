// String literals of PromQL. The way back is quote() of base/text.h.
#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace ringside::agent {

// The first character of `text` in single quotes, as messages show it.
std::string quote_character(std::string_view text);

// The first character of `text` by its number, as messages about escapes show it: U+006C 'l'.
std::string character_code(std::string_view text);

// Why an escape cannot be read.
enum class EscapeFault { kNone, kEnd, kUnknown, kDigit, kValue };

// Reads the escape that follows a backslash at text[*at], appends what it stands for and moves *at past it. At a
// fault *at is where the trouble is.
EscapeFault read_escape(std::string_view text, std::size_t* at, char quote, std::string* out);

// Reads the literal that begins at text[*at] with ", ' or `, and moves *at past its end. Escapes
// are those of Go; within backquotes there are none. kInvalid, with *at where the trouble is.
Result<std::string> unquote(std::string_view text, std::size_t* at);

}  // namespace ringside::agent
