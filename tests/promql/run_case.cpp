#include "tests/promql/run_case.h"

#include <re2/re2.h>

#include "agent/promql/syntax/parser.h"
#include "agent/promql/syntax/printer.h"
#include "tests/promql/compare.h"

namespace ringside::agent::promql::script {
namespace {

using Failure = std::optional<std::string>;

constexpr std::int64_t kMinuteMs = 60'000;

// The settings that the scripts assume.
const Engine& engine() {
    static const Engine kEngine = [] {
        EngineOptions options;
        options.delayed_name_removal = true;
        options.start_timestamps = true;
        return Engine(options);
    }();
    return kEngine;
}

EvaluationLimits limits() {
    EvaluationLimits limits;
    limits.samples_max = 10'000;
    return limits;
}

// Whether the value hangs on when the query runs, whatever its selectors are fixed at.
bool uses_time(const Expr& expr) {
    if (const auto* call = expr.as<Call>()) {
        const Function& function = *call->function;
        if (function.uses_time || function.name == "start" || function.name == "end") return true;
    }
    for (const Expr* child : children(expr)) {
        if (uses_time(*child)) return true;
    }
    return false;
}

// Fixes each selector at `time_ms`, but for those within a subquery, which is fixed as a whole.
void fix(Expr& expr, std::int64_t time_ms) {
    AtModifier* at = nullptr;
    if (auto* selector = expr.as<VectorSelector>()) at = &selector->at;
    if (auto* matrix = expr.as<MatrixSelector>()) at = &matrix->selector.at;
    auto* subquery = expr.as<Subquery>();
    if (subquery) at = &subquery->at;
    if (at && at->kind != AtModifier::Kind::kTime) *at = {AtModifier::Kind::kTime, time_ms};
    if (subquery) return;
    for (const Expr* child : children(expr)) fix(const_cast<Expr&>(*child), time_ms);
}

// What a range query gives at one of its steps, as an instant query would give it.
VectorValue at_step(const MatrixValue& matrix, std::int64_t time_ms) {
    VectorValue vector;
    for (const Series& series : matrix) {
        for (const Point& point : series.points) {
            if (point.time_ms == time_ms) vector.push_back({series.labels, point.value, nullptr});
        }
        for (const HistogramPoint& point : series.histograms) {
            if (point.time_ms == time_ms) vector.push_back({series.labels, 0, point.value});
        }
    }
    return vector;
}

Failure judge(const Eval& eval, const Result<QueryResult>& result) {
    if (!result) {
        if (eval.expects(Expectation::Kind::kFail)) return compare_failure(eval, result.error());
        return "failed: " + result.error().context;
    }
    if (eval.expects(Expectation::Kind::kFail)) return "expected to fail, but it did not";
    if (auto wrong = compare_notes(eval, result->notes)) return wrong;
    return compare(eval, result->value);
}

// As the middle one of three steps. Nothing to check where the query asks for its own range.
Failure run_in_range(const Eval& eval, const std::string& query, const Expr& expr, std::int64_t time_ms,
                     SampleSource& source, bool is_scalar) {
    if (eval.instant_only || RE2::PartialMatch(query, "(start|end|range|step)\\(\\)")) return std::nullopt;
    auto result = engine().range(expr, time_ms - kMinuteMs, time_ms + kMinuteMs, kMinuteMs, source, limits());
    if (!result) return "failed: " + result.error().context;
    if (eval.expects(Expectation::Kind::kOrdered)) return std::nullopt;
    const auto& matrix = std::get<MatrixValue>(result->value);
    if (auto wrong = unsorted(matrix)) return wrong;
    VectorValue vector = at_step(matrix, time_ms);
    if (!is_scalar) return compare(eval, vector);
    if (vector.size() != 1) return "expected one series for a scalar";
    return compare(eval, ScalarValue{vector[0].value});
}

Failure run_instant(const Eval& eval, const std::string& query, std::int64_t time_ms, SampleSource& source) {
    auto expr = parse_query(query, ParseOptions::all());
    if (!expr) return judge(eval, expr.error());
    auto result = engine().instant(**expr, time_ms, source, limits());
    if (auto wrong = judge(eval, result)) return wrong;
    if (!result) return std::nullopt;
    const bool is_scalar = std::holds_alternative<ScalarValue>(result->value);
    if (auto wrong = run_in_range(eval, query, **expr, time_ms, source, is_scalar))
        return "as a range query: " + *wrong;
    return std::nullopt;
}

Failure run_fixed(const Eval& eval, SampleSource& source) {
    auto expr = parse_query(eval.query, ParseOptions::all());
    if (!expr || uses_time(**expr)) return std::nullopt;
    fix(**expr, eval.time_ms);
    const std::string query = text(**expr);
    std::vector<std::int64_t> times = {-10 * eval.time_ms, 0, eval.time_ms / 5, eval.time_ms, 10 * eval.time_ms};
    if (eval.time_ms == 0) times = {-1000, 0, 1000};
    for (const std::int64_t time_ms : times) {
        if (auto wrong = run_instant(eval, query, time_ms, source)) {
            return query + " at " + std::to_string(time_ms) + " ms: " + *wrong;
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::string> run_case(const Eval& eval, SampleSource& source) {
    if (!eval.is_range) {
        if (auto wrong = run_instant(eval, eval.query, eval.time_ms, source)) return wrong;
        return run_fixed(eval, source);
    }
    auto expr = parse_query(eval.query, ParseOptions::all());
    if (!expr) return judge(eval, expr.error());
    return judge(eval, engine().range(**expr, eval.begin_ms, eval.end_ms, eval.step_ms, source, limits()));
}

}  // namespace ringside::agent::promql::script
