// The whole of a query's tree as one line, so that two trees can be compared and a difference be seen.
#pragma once

#include <string>

#include "agent/promql/syntax/ast.h"

namespace ringside::agent::promql {

// Everything but positions. Matchers come sorted: their order means nothing.
std::string tree_text(const Expr& expr);

}  // namespace ringside::agent::promql
