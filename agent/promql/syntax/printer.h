// Trees back to text. parse_query() of what either function prints makes the same tree again.
#pragma once

#include <string>

#include "agent/promql/syntax/ast.h"

namespace ringside::agent::promql {

// On one line, as Prometheus writes it.
std::string text(const Expr& expr);

// As Prometheus' format_query: what fits into 100 characters stays on one line, all else is split at its operands
// and arguments and indented by two spaces a level.
std::string format_query(const Expr& expr);

}  // namespace ringside::agent::promql
