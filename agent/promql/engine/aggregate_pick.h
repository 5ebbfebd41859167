// Aggregations that keep series as they are: topk, bottomk, limitk, limit_ratio; and count_values.
#pragma once

#include "agent/promql/engine/evaluator.h"

namespace ringside::agent::promql {

// `parameters` is k, or the ratio, a step.
Result<Grid> pick(Evaluator& evaluator, const Expr& expr, const Aggregate& node, const Steps& steps,
                  const std::vector<double>& parameters);

Result<Grid> count_values(Evaluator& evaluator, const Aggregate& node, const Steps& steps);

}  // namespace ringside::agent::promql
