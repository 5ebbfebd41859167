// One query, from its text to its answer: what HTTP, gRPC and the command line have in common.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/promql/engine/engine.h"
#include "agent/promql/run/backend.h"
#include "agent/promql/run/host.h"
#include "agent/promql/run/query.h"
#include "agent/promql/syntax/ast.h"

namespace ringside::agent {

// Steps of a range query but the first.
inline constexpr std::int64_t kQueryStepsMax = 11'000;

struct QueryAnswer {
    promql::QueryValue value;
    std::vector<std::string> warnings, infos;  // each once; with their place in the text where they have one
    promql::QueryStats stats;
    std::vector<ReadReport> reports;
    std::chrono::nanoseconds took{0};
};

// The tree of a query that may be run. kInvalid: what is wrong with the text, begins with "line:column: "; or with the
// range: more steps than there may be, an end before its begin, a type that has no value at each step.
Result<promql::ExprPtr> check_query(const Query& query, const QueryLimits& limits);

// Where the text is wrong, from the error of check_query(). Lines and columns (in bytes) count from 1.
struct QueryPosition {
    std::uint32_t line = 0, column = 0;
};
std::optional<QueryPosition> query_position(const Error& error);

// `expr` is that of the query's text. Ends early (kTimeout) once `out_of_time` says true, which is asked often. Errors are those
// of promql::Engine, and kExhausted where there is no memory. Any thread; as long as the query takes.
Result<QueryAnswer> run_query(const Query& query, const promql::Expr& expr, const QueryLimits& limits,
                              QuerySession& session, const std::function<bool()>& out_of_time);

}  // namespace ringside::agent
