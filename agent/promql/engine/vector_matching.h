// Binary operators between two vectors: which series of one side goes with which of the other.
#pragma once

#include "agent/promql/engine/evaluator.h"

namespace ringside::agent::promql {

// and, or, unless.
Result<Grid> combine_sets(const Evaluator& evaluator, BinaryOp op, const VectorMatching& matching, const Grid& left,
                          const Grid& right);

// All others. kInvalid where the series of a step do not match as the query says.
Result<Grid> match_vectors(Evaluator& evaluator, const Expr& expr, const Binary& binary, const Grid& left,
                           const Grid& right, const Steps& steps);

}  // namespace ringside::agent::promql
