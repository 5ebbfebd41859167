// The parser of PromQL as of Prometheus 3.14. Pure: no clock, no globals; limits come in as arguments.
#pragma once

#include <cstddef>
#include <string_view>

#include "agent/base/result.h"
#include "agent/promql/syntax/ast.h"

namespace ringside::agent::promql {

// What a query may cost before anything is evaluated.
struct ParseLimits {
    std::size_t bytes_max = 64 * 1024;
    // Nesting of expressions. Every later walk over the tree recurses as deep, on stacks of 8 MiB.
    std::size_t depth_max = 256;
};

// Parts of the language that Prometheus hides behind feature flags.
struct ParseOptions {
    bool experimental_functions = false;    // and aggregations
    bool extended_range_selectors = false;  // anchored, smoothed
    bool fill_modifiers = false;            // fill, fill_left, fill_right
    ParseLimits limits = {};

    static ParseOptions all() { return {true, true, true, {}}; }
};

// A checked tree. kInvalid with "line:column: parse error: what is wrong", both counted from 1 (columns in bytes),
// in the words of Prometheus. Never throws.
Result<ExprPtr> parse_query(std::string_view text, const ParseOptions& options);

}  // namespace ringside::agent::promql
