#include "tools/ringsidectl/query_unit.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "agent/promql/syntax/parser.h"

namespace ringside::ctl {
namespace {

using namespace agent::promql;

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
    return std::ranges::find(names, name) != names.end();
}

// The first argument that is about series.
const Expr* vector_argument(const Call& call) {
    for (const ExprPtr& argument : call.arguments) {
        if (argument->type() == ValueType::kVector || argument->type() == ValueType::kMatrix) return argument.get();
    }
    return nullptr;
}

QueryUnit unit_of_call(const Call& call) {
    static constexpr std::string_view kRates[] = {"rate", "irate", "deriv"};
    static constexpr std::string_view kKeep[] = {"abs",
                                                 "avg_over_time",
                                                 "ceil",
                                                 "clamp",
                                                 "clamp_max",
                                                 "clamp_min",
                                                 "delta",
                                                 "first_over_time",
                                                 "floor",
                                                 "histogram_avg",
                                                 "histogram_quantile",
                                                 "histogram_sum",
                                                 "idelta",
                                                 "increase",
                                                 "label_join",
                                                 "label_replace",
                                                 "last_over_time",
                                                 "max_over_time",
                                                 "min_over_time",
                                                 "predict_linear",
                                                 "quantile_over_time",
                                                 "round",
                                                 "sort",
                                                 "sort_by_label",
                                                 "sort_desc",
                                                 "stddev_over_time",
                                                 "sum_over_time"};
    const Expr* argument = vector_argument(call);
    if (!argument) return {};
    const std::string_view name = call.function->name;
    QueryUnit unit = unit_of(*argument);
    if (is_one_of(name, kRates)) return unit.per_second ? QueryUnit{} : QueryUnit{unit.unit, true};
    // The rate of a histogram counts observations a second; its quantile and its mean are observations again.
    if (name == "histogram_quantile" || name == "histogram_avg") return {unit.unit, false};
    return is_one_of(name, kKeep) ? unit : QueryUnit{};
}

QueryUnit unit_of_binary(const Binary& binary) {
    const QueryUnit left = unit_of(*binary.left), right = unit_of(*binary.right);
    const bool is_filter = is_comparison(binary.op) && !binary.return_bool;
    if (is_filter || binary.op == BinaryOp::kAnd || binary.op == BinaryOp::kUnless) {
        return binary.left->type() == ValueType::kScalar ? right : left;
    }
    const bool adds = binary.op == BinaryOp::kAdd || binary.op == BinaryOp::kSub || binary.op == BinaryOp::kOr;
    return adds && left == right ? left : QueryUnit{};
}

QueryUnit unit_of_aggregate(const Aggregate& aggregate) {
    switch (aggregate.op) {
        case AggregateOp::kCount:
        case AggregateOp::kGroup:
        case AggregateOp::kCountValues:
        case AggregateOp::kStdvar: return {};
        default: return unit_of(*aggregate.expr);
    }
}

}  // namespace

QueryUnit unit_of_metric(std::string_view name) {
    if (name.ends_with("_total")) name.remove_suffix(6);
    if (name.ends_with("_bytes")) return {"bytes", false};
    if (name.ends_with("_seconds")) return {"seconds", false};
    return {};
}

QueryUnit unit_of(const Expr& expr) {
    if (const auto* selector = expr.as<VectorSelector>()) return unit_of_metric(selector->name);
    if (const auto* matrix = expr.as<MatrixSelector>()) return unit_of_metric(matrix->selector.name);
    if (const auto* subquery = expr.as<Subquery>()) return unit_of(*subquery->expr);
    if (const auto* unary = expr.as<Unary>()) return unit_of(*unary->expr);
    if (const auto* paren = expr.as<Paren>()) return unit_of(*paren->expr);
    if (const auto* aggregate = expr.as<Aggregate>()) return unit_of_aggregate(*aggregate);
    if (const auto* binary = expr.as<Binary>()) return unit_of_binary(*binary);
    if (const auto* call = expr.as<Call>()) return unit_of_call(*call);
    return {};
}

QueryUnit unit_of_query(const std::string& text) {
    const auto expr = parse_query(text, ParseOptions::all());
    return expr ? unit_of(**expr) : QueryUnit{};
}

}  // namespace ringside::ctl
