// String literals of PromQL.
#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace ringside::agent {

// `value` as a literal in double quotes that unquote() turns back into it, byte by byte.
std::string quote(std::string_view value);

// Reads the literal that begins at text[*at] with ", ' or `, and moves *at past its end. Escapes
// are those of Go; within backquotes there are none. kInvalid, with *at where the trouble is.
Result<std::string> unquote(std::string_view text, std::size_t* at);

}  // namespace ringside::agent
