// The functions of the language and their signatures. What they compute is the evaluator's.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace ringside::agent::promql {

enum class ValueType { kNone, kScalar, kVector, kMatrix, kString };

// As messages name it: "scalar", "instant vector", "range vector", "string", "none".
const char* value_type_text(ValueType type);

struct Function {
    std::string_view name;
    std::span<const ValueType> arguments;
    // 0: as many arguments as listed. N > 0: the last one may be missing or stand up to N times.
    // -1: the last one may be missing or stand any number of times.
    int variadic = 0;
    ValueType returns = ValueType::kVector;
    bool experimental = false;
    // Whether the result depends on the evaluation's time even if every argument is fixed by `@`.
    bool uses_time = false;
};

// All of them, by name in ascending order. They live as long as the program, so a Call points at its
// own; the position in this table serves as a small dense number of a function.
std::span<const Function> functions();

// Null for a name nobody knows. Names are lower case, and case counts.
const Function* find_function(std::string_view name);

inline std::size_t function_index(const Function& function) {
    return static_cast<std::size_t>(&function - functions().data());
}

}  // namespace ringside::agent::promql
