#include "agent/promql/syntax/ast.h"

#include <algorithm>

namespace ringside::agent::promql {
namespace {

// One lambda a kind of node.
template <typename... Lambdas>
struct Overloaded : Lambdas... {
    using Lambdas::operator()...;
};
template <typename... Lambdas>
Overloaded(Lambdas...) -> Overloaded<Lambdas...>;

ExprPtr clone_or_null(const ExprPtr& expr) { return expr ? clone(*expr) : nullptr; }

Expr::Node clone_node(const Expr::Node& node) {
    return std::visit(
        Overloaded{
            [](const NumberLiteral& n) -> Expr::Node { return n; },
            [](const StringLiteral& n) -> Expr::Node { return n; },
            [](const VectorSelector& n) -> Expr::Node { return n; },
            [](const MatrixSelector& n) -> Expr::Node { return n; },
            [](const Subquery& n) -> Expr::Node {
                return Subquery{clone_or_null(n.expr), n.range, n.step, n.offset, n.at};
            },
            [](const Unary& n) -> Expr::Node {
                return Unary{n.minus, clone_or_null(n.expr)};
            },
            [](const Binary& n) -> Expr::Node {
                return Binary{n.op, clone_or_null(n.left), clone_or_null(n.right), n.return_bool, n.matching};
            },
            [](const Aggregate& n) -> Expr::Node {
                return Aggregate{n.op, clone_or_null(n.expr), clone_or_null(n.parameter), n.without, n.grouping};
            },
            [](const Call& n) -> Expr::Node {
                Call copy{n.function, {}};
                for (const ExprPtr& argument : n.arguments) copy.arguments.push_back(clone(*argument));
                return copy;
            },
            [](const Paren& n) -> Expr::Node { return Paren{clone_or_null(n.expr)}; },
        },
        node);
}

Result<void> settle(Duration& duration, const DurationContext& context, bool may_be_negative) {
    auto ms = resolve(duration, context, may_be_negative);
    if (!ms) return ms.error();
    duration.ms = *ms;
    return {};
}

// A duration that is not there (a subquery without a step, a selector without an offset) stays so.
Result<void> settle_own(Expr::Node& node, const DurationContext& context) {
    if (auto* selector = std::get_if<VectorSelector>(&node)) return settle(selector->offset, context, true);
    if (auto* matrix = std::get_if<MatrixSelector>(&node)) {
        if (auto done = settle(matrix->range, context, false); !done) return done;
        return settle(matrix->selector.offset, context, true);
    }
    if (auto* subquery = std::get_if<Subquery>(&node)) {
        if (auto done = settle(subquery->range, context, false); !done) return done;
        if (subquery->step.is_set()) {
            if (auto done = settle(subquery->step, context, false); !done) return done;
        }
        return settle(subquery->offset, context, true);
    }
    return {};
}

}  // namespace

const char* binary_op_text(BinaryOp op) {
    switch (op) {
        case BinaryOp::kAdd: return "+";
        case BinaryOp::kSub: return "-";
        case BinaryOp::kMul: return "*";
        case BinaryOp::kDiv: return "/";
        case BinaryOp::kMod: return "%";
        case BinaryOp::kPow: return "^";
        case BinaryOp::kAtan2: return "atan2";
        case BinaryOp::kEqual: return "==";
        case BinaryOp::kNotEqual: return "!=";
        case BinaryOp::kLess: return "<";
        case BinaryOp::kLessOrEqual: return "<=";
        case BinaryOp::kGreater: return ">";
        case BinaryOp::kGreaterOrEqual: return ">=";
        case BinaryOp::kAnd: return "and";
        case BinaryOp::kOr: return "or";
        case BinaryOp::kUnless: return "unless";
        case BinaryOp::kTrimUpper: return "</";
        case BinaryOp::kTrimLower: return ">/";
    }
    return "?";
}

bool is_comparison(BinaryOp op) { return op >= BinaryOp::kEqual && op <= BinaryOp::kGreaterOrEqual; }

bool is_set_operator(BinaryOp op) { return op >= BinaryOp::kAnd && op <= BinaryOp::kUnless; }

const char* aggregate_op_text(AggregateOp op) {
    switch (op) {
        case AggregateOp::kSum: return "sum";
        case AggregateOp::kAvg: return "avg";
        case AggregateOp::kCount: return "count";
        case AggregateOp::kMin: return "min";
        case AggregateOp::kMax: return "max";
        case AggregateOp::kGroup: return "group";
        case AggregateOp::kStddev: return "stddev";
        case AggregateOp::kStdvar: return "stdvar";
        case AggregateOp::kTopk: return "topk";
        case AggregateOp::kBottomk: return "bottomk";
        case AggregateOp::kCountValues: return "count_values";
        case AggregateOp::kQuantile: return "quantile";
        case AggregateOp::kLimitk: return "limitk";
        case AggregateOp::kLimitRatio: return "limit_ratio";
    }
    return "?";
}

bool has_parameter(AggregateOp op) { return op >= AggregateOp::kTopk; }

ValueType Expr::type() const {
    if (as<NumberLiteral>()) return ValueType::kScalar;
    if (as<StringLiteral>()) return ValueType::kString;
    if (as<MatrixSelector>() || as<Subquery>()) return ValueType::kMatrix;
    if (const auto* unary = as<Unary>()) return unary->expr->type();
    if (const auto* paren = as<Paren>()) return paren->expr->type();
    if (const auto* call = as<Call>()) return call->function->returns;
    if (const auto* binary = as<Binary>()) {
        const bool scalars = binary->left->type() == ValueType::kScalar && binary->right->type() == ValueType::kScalar;
        return scalars ? ValueType::kScalar : ValueType::kVector;
    }
    return ValueType::kVector;
}

const Expr& without_parens(const Expr& expr) {
    const Expr* inner = &expr;
    while (const auto* paren = inner->as<Paren>()) inner = paren->expr.get();
    return *inner;
}

std::vector<const Expr*> children(const Expr& expr) {
    std::vector<const Expr*> found;
    auto add = [&](const ExprPtr& child) {
        if (child) found.push_back(child.get());
    };
    if (const auto* subquery = expr.as<Subquery>()) add(subquery->expr);
    if (const auto* unary = expr.as<Unary>()) add(unary->expr);
    if (const auto* paren = expr.as<Paren>()) add(paren->expr);
    if (const auto* binary = expr.as<Binary>()) {
        add(binary->left);
        add(binary->right);
    }
    if (const auto* aggregate = expr.as<Aggregate>()) {
        add(aggregate->expr);
        add(aggregate->parameter);
    }
    if (const auto* call = expr.as<Call>()) {
        for (const ExprPtr& argument : call->arguments) add(argument);
    }
    return found;
}

ExprPtr clone(const Expr& expr) {
    return std::make_unique<Expr>(Expr{clone_node(expr.node), expr.span, expr.step_invariant, expr.height});
}

Result<void> resolve_durations(Expr& expr, const DurationContext& context) {
    if (auto done = settle_own(expr.node, context); !done) return done;
    for (const Expr* child : children(expr)) {
        // The tree is ours to change; children() is const for the many who only look.
        if (auto done = resolve_durations(const_cast<Expr&>(*child), context); !done) return done;
    }
    return {};
}

}  // namespace ringside::agent::promql
