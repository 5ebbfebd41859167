#include "agent/promql/engine/engine.h"

#include <algorithm>

#include "agent/promql/engine/evaluator.h"

namespace ringside::agent::promql {
namespace {

// 36 million years. Times within it can be moved by any duration that a query can write, without overflow.
constexpr std::int64_t kTimeMaxMs = std::int64_t{1} << 60;

Result<void> check_time(std::int64_t time_ms) {
    if (time_ms >= -kTimeMaxMs && time_ms <= kTimeMaxMs) return {};
    return error(Code::kInvalid, "the query's time is out of range; give seconds since 1970");
}

void fix(AtModifier& at, const QueryTimes& times) {
    if (at.kind == AtModifier::Kind::kStart) at.time_ms = times.begin_ms;
    if (at.kind == AtModifier::Kind::kEnd) at.time_ms = times.end_ms;
    at.time_ms = std::clamp(at.time_ms, -kTimeMaxMs, kTimeMaxMs);  // There is nothing out there, anyway.
}

// Replaces `@ start()` and `@ end()` by the times that they stand for.
void fix_at_modifiers(Expr& expr, const QueryTimes& times) {
    if (auto* selector = expr.as<VectorSelector>()) fix(selector->at, times);
    if (auto* range = expr.as<MatrixSelector>()) fix(range->selector.at, times);
    if (auto* inner = expr.as<Subquery>()) {
        fix(inner->at, times);
        fix_at_modifiers(*inner->expr, times);
    }
    if (auto* sign = expr.as<Unary>()) fix_at_modifiers(*sign->expr, times);
    if (auto* paren = expr.as<Paren>()) fix_at_modifiers(*paren->expr, times);
    if (auto* binary = expr.as<Binary>()) {
        fix_at_modifiers(*binary->left, times);
        fix_at_modifiers(*binary->right, times);
    }
    if (auto* aggregate = expr.as<Aggregate>()) {
        fix_at_modifiers(*aggregate->expr, times);
        if (aggregate->parameter) fix_at_modifiers(*aggregate->parameter, times);
    }
    if (auto* call = expr.as<Call>()) {
        for (ExprPtr& argument : call->arguments) fix_at_modifiers(*argument, times);
    }
}

Result<ExprPtr> prepared(const Expr& expr, const QueryTimes& times) {
    ExprPtr copy = clone(expr);
    DurationContext context{times.step_ms, times.end_ms - times.begin_ms};
    if (Result<void> resolved = resolve_durations(*copy, context); !resolved) return resolved.error();
    fix_at_modifiers(*copy, times);
    return copy;
}

// Names that functions have marked go, and what then has the same labels becomes one.
Result<void> finish_names(const Evaluator& evaluator, Grid& grid) {
    if (!evaluator.options.delayed_name_removal) return {};
    for (std::size_t row = 0; row < grid.rows(); ++row) {
        if (grid.drop_name(row)) grid.set_labels(row, grid.labels(row).without_metadata());
    }
    return evaluator.merge_same_labels(grid);
}

void sort_by_labels(MatrixValue& matrix) {
    std::sort(matrix.begin(), matrix.end(), [](const Series& a, const Series& b) { return a.labels < b.labels; });
}

QueryResult finished(Evaluator& evaluator, QueryValue value) {
    return {std::move(value), evaluator.notes.list(), std::move(evaluator.warnings), evaluator.stats};
}

Result<QueryValue> instant_value(Evaluator& evaluator, const Expr& expr, std::int64_t time_ms) {
    Steps steps{time_ms, 1, 1};
    if (expr.type() == ValueType::kString)
        return QueryValue(StringValue{without_parens(expr).as<StringLiteral>()->value});
    if (expr.type() == ValueType::kMatrix) {
        Result<MatrixValue> matrix = evaluator.matrix(without_parens(expr), steps);
        if (!matrix) return matrix.error();
        sort_by_labels(*matrix);
        return QueryValue(std::move(*matrix));
    }
    Result<Grid> grid = evaluator.grid(expr, steps);
    if (!grid) return grid.error();
    if (Result<void> named = finish_names(evaluator, *grid); !named) return named.error();
    if (expr.type() == ValueType::kScalar) return QueryValue(ScalarValue{grid->value(0, 0)});
    VectorValue vector;
    for (std::size_t row = 0; row < grid->rows(); ++row) {
        Cell cell = grid->cell(row, 0);
        if (cell) vector.push_back({grid->labels(row), cell.value, std::move(cell.histogram)});
    }
    return QueryValue(std::move(vector));
}

}  // namespace

Result<QueryResult> Engine::instant(const Expr& expr, std::int64_t time_ms, SampleSource& source,
                                    const EvaluationLimits& limits) const {
    if (Result<void> time = check_time(time_ms); !time) return time.error();
    QueryTimes times{time_ms, time_ms, 0};
    Result<ExprPtr> query = prepared(expr, times);
    if (!query) return query.error();
    Evaluator evaluator(options_, source, limits, times);
    Result<QueryValue> value = instant_value(evaluator, **query, time_ms);
    if (!value) return value.error();
    return finished(evaluator, std::move(*value));
}

Result<QueryResult> Engine::range(const Expr& expr, std::int64_t begin_ms, std::int64_t end_ms, std::int64_t step_ms,
                                  SampleSource& source, const EvaluationLimits& limits) const {
    if (expr.type() != ValueType::kScalar && expr.type() != ValueType::kVector) {
        return error(Code::kInvalid, "invalid expression type \"" + std::string(value_type_text(expr.type())) +
                                         "\" for range query, must be Scalar or instant Vector");
    }
    if (step_ms <= 0 || end_ms < begin_ms) {
        return error(Code::kInvalid, "a range query needs a step above zero and an end that is not before its begin");
    }
    for (std::int64_t time_ms : {begin_ms, end_ms, step_ms}) {
        if (Result<void> time = check_time(time_ms); !time) return time.error();
    }
    QueryTimes times{begin_ms, end_ms, step_ms};
    Result<ExprPtr> query = prepared(expr, times);
    if (!query) return query.error();
    Evaluator evaluator(options_, source, limits, times);
    auto count = static_cast<std::uint64_t>(end_ms - begin_ms) / static_cast<std::uint64_t>(step_ms) + 1;
    // Before anything is allocated: one row on its way is the least that there can be.
    if (Result<void> room = evaluator.check(count); !room) return room.error();
    Steps steps{begin_ms, step_ms, static_cast<std::size_t>(count)};
    Result<Grid> grid = evaluator.grid(**query, steps);
    if (!grid) return grid.error();
    if (Result<void> named = finish_names(evaluator, *grid); !named) return named.error();
    MatrixValue matrix = series_of(*grid, steps);
    sort_by_labels(matrix);
    return finished(evaluator, std::move(matrix));
}

}  // namespace ringside::agent::promql
