// Results in expectations: a value where an error was expected is a failed test and no crash.
#pragma once

#include <optional>
#include <ostream>
#include <string>

#include "agent/base/result.h"

namespace ringside::agent {

// Nothing when it is a value.
template <typename T>
std::optional<Code> code_of(const Result<T>& result) {
    if (result.ok()) return std::nullopt;
    return result.error().code;
}

template <typename T>
std::string message_of(const Result<T>& result) {
    return result.ok() ? "(no error)" : result.error().message();
}

inline void PrintTo(Code code, std::ostream* out) { *out << code_name(code); }

}  // namespace ringside::agent
