// What a tree must satisfy beyond its grammar: types, counts of arguments, which modifiers go together.
#pragma once

#include "agent/promql/syntax/ast.h"

namespace ringside::agent::promql {

class ParseState;

// Checks the whole tree, settles what only its types can tell (how vectors match, what does not change from step
// to step), and reports the first finding to `state`.
bool check(Expr& expr, ParseState& state);

}  // namespace ringside::agent::promql
