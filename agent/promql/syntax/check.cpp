#include "agent/promql/syntax/check.h"

#include <algorithm>

#include "agent/base/labels.h"
#include "agent/base/text.h"
#include "agent/promql/syntax/parse_state.h"

namespace ringside::agent::promql {
namespace {

class Checker {
  public:
    explicit Checker(ParseState& state) : state_(state) {}

    bool visit(Expr& expr) {
        if (auto* selector = expr.as<VectorSelector>()) return visit(*selector, expr);
        if (auto* matrix = expr.as<MatrixSelector>()) return visit(matrix->selector, expr);
        if (auto* subquery = expr.as<Subquery>()) return visit(*subquery, expr);
        if (auto* unary = expr.as<Unary>()) return visit(*unary, expr);
        if (auto* binary = expr.as<Binary>()) return visit(*binary, expr);
        if (auto* aggregate = expr.as<Aggregate>()) return visit(*aggregate, expr);
        if (auto* call = expr.as<Call>()) return visit(*call, expr);
        if (auto* paren = expr.as<Paren>()) {
            if (!visit(*paren->expr)) return false;
            expr.step_invariant = paren->expr->step_invariant;
            return true;
        }
        expr.step_invariant = true;  // a literal
        return true;
    }

  private:
    bool visit(VectorSelector& selector, Expr& expr) {
        expr.step_invariant = selector.at.is_set();
        auto names = [](const Matcher& matcher) { return matcher.label() == kNameLabel; };
        if (!selector.name.empty()) {
            // The name's own matcher is the last one.
            const auto last = selector.matchers.end() - 1;
            const auto second = std::find_if(selector.matchers.begin(), last, names);
            if (second == last) return true;
            return fail(expr,
                        "metric name must not be set twice: " + quote(selector.name) + " or " + quote(second->value()));
        }
        // Whoever means to read everything has to say so: usually it is a typing error.
        if (selector.of_info ||
            std::ranges::any_of(selector.matchers, [](const Matcher& matcher) { return !matcher.matches_empty(); })) {
            return true;
        }
        return fail(expr, "vector selector must contain at least one non-empty matcher");
    }

    bool visit(Subquery& subquery, Expr& expr) {
        if (!visit(*subquery.expr)) return false;
        expr.step_invariant = subquery.at.is_set();
        const ValueType type = subquery.expr->type();
        if (type == ValueType::kVector) return true;
        return fail(expr,
                    std::string("subquery is only allowed on instant vector, got ") + short_type(type) + " instead");
    }

    bool visit(Unary& unary, Expr& expr) {
        if (!visit(*unary.expr)) return false;
        expr.step_invariant = unary.expr->step_invariant;
        const ValueType type = unary.expr->type();
        if (type == ValueType::kScalar || type == ValueType::kVector) return true;
        return fail(expr, "unary expression only allowed on expressions of type scalar or instant vector, got " +
                              quote(value_type_text(type)));
    }

    bool visit(Aggregate& aggregate, Expr& expr) {
        if (!expect(*aggregate.expr, ValueType::kVector, "aggregation expression")) return false;
        expr.step_invariant = aggregate.expr->step_invariant;
        if (!aggregate.parameter) return true;
        const ValueType wanted = aggregate.op == AggregateOp::kCountValues ? ValueType::kString : ValueType::kScalar;
        if (!expect(*aggregate.parameter, wanted, "aggregation parameter")) return false;
        expr.step_invariant = expr.step_invariant && aggregate.parameter->step_invariant;
        return true;
    }

    bool visit(Binary& binary, Expr& expr) {
        if (!visit(*binary.left) || !visit(*binary.right)) return false;
        expr.step_invariant = binary.left->step_invariant && binary.right->step_invariant;
        const ValueType left = binary.left->type();
        const ValueType right = binary.right->type();
        const Span op = state_.operator_span(*binary.left, *binary.right);
        if (binary.return_bool && !is_comparison(binary.op)) {
            return state_.fail(op, "bool modifier can only be used on comparison operators");
        }
        if (is_comparison(binary.op) && !binary.return_bool && expr.type() == ValueType::kScalar) {
            return state_.fail(op, "comparisons between scalars must use BOOL modifier");
        }
        if (!check_labels(*binary.matching, op)) return false;
        for (const Expr* side : {binary.left.get(), binary.right.get()}) {
            if (side->type() == ValueType::kScalar || side->type() == ValueType::kVector) continue;
            return fail(*side, "binary expression must contain only scalar and instant vector types");
        }
        if (left == ValueType::kVector && right == ValueType::kVector) return check_vectors(binary, expr);
        return check_scalars(binary, expr);
    }

    bool check_labels(const VectorMatching& matching, Span op) {
        if (!matching.on) return true;
        for (const std::string& label : matching.labels) {
            if (std::ranges::find(matching.include, label) == matching.include.end()) continue;
            return state_.fail(op, "label " + quote(label) + " must not occur in ON and GROUP clause at once");
        }
        return true;
    }

    bool check_vectors(Binary& binary, const Expr& expr) {
        if (!is_set_operator(binary.op)) return true;
        VectorMatching& matching = *binary.matching;
        if (matching.cardinality != Cardinality::kOneToOne) {
            return fail(expr, "no grouping allowed for " + quote(binary_op_text(binary.op)) + " operation");
        }
        if (matching.fill_left || matching.fill_right) {
            return fail(expr, "filling in missing series not allowed for set operators");
        }
        matching.cardinality = Cardinality::kManyToMany;
        return true;
    }

    bool check_scalars(Binary& binary, const Expr& expr) {
        if (!binary.matching->labels.empty()) {
            return fail(expr, "vector matching only allowed between instant vectors");
        }
        if (binary.matching->fill_left || binary.matching->fill_right) {
            return fail(expr, "filling in missing series only allowed between instant vectors");
        }
        if (is_set_operator(binary.op)) {
            return fail(
                expr, "set operator " + quote(binary_op_text(binary.op)) + " not allowed in binary scalar expression");
        }
        binary.matching.reset();
        return true;
    }

    bool visit(Call& call, Expr& expr) {
        if (!check_count(call, expr)) return false;
        const Function& function = *call.function;
        if (function.name == "info" && call.arguments.size() > 1 && !check_info(*call.arguments[1], expr)) {
            return false;
        }
        expr.step_invariant = !function.uses_time;
        for (std::size_t i = 0; i < call.arguments.size(); ++i) {
            const ValueType wanted = function.arguments[std::min(i, function.arguments.size() - 1)];
            const std::string where = "call to function " + quote(function.name);
            if (!expect(*call.arguments[i], wanted, where)) return false;
            expr.step_invariant = expr.step_invariant && call.arguments[i]->step_invariant;
        }
        return true;
    }

    bool check_count(const Call& call, const Expr& expr) {
        const Function& function = *call.function;
        const std::size_t listed = function.arguments.size();
        const std::size_t got = call.arguments.size();
        auto wrong = [&](const char* bound, std::size_t count) {
            return fail(expr, std::string("expected ") + bound + std::to_string(count) + " argument(s) in call to " +
                                  quote(function.name) + ", got " + std::to_string(got));
        };
        if (function.variadic == 0) return got == listed || wrong("", listed);
        if (got + 1 < listed) return wrong("at least ", listed - 1);
        if (function.variadic < 0) return true;
        const std::size_t most = listed - 1 + static_cast<std::size_t>(function.variadic);
        return got <= most || wrong("at most ", most);
    }

    // The second argument of info() says which labels to add. It looks like a selector and selects nothing.
    bool check_info(Expr& labels, const Expr& expr) {
        if (labels.type() != ValueType::kVector)
            return type_error(expr, ValueType::kVector, "call to function \"info\"", labels.type());
        auto* selector = labels.as<VectorSelector>();
        if (!selector) return fail(labels, "expected label selectors only");
        if (!selector->name.empty()) {
            return fail(labels, "expected label selectors only, got vector selector instead");
        }
        selector->of_info = true;
        return true;
    }

    bool expect(Expr& expr, ValueType wanted, const std::string& where) {
        if (!visit(expr)) return false;
        return expr.type() == wanted || type_error(expr, wanted, where, expr.type());
    }

    bool type_error(const Expr& at, ValueType wanted, const std::string& where, ValueType got) {
        return fail(at, std::string("expected type ") + value_type_text(wanted) + " in " + where + ", got " +
                            value_type_text(got));
    }

    static const char* short_type(ValueType type) {
        switch (type) {
            case ValueType::kVector: return "vector";
            case ValueType::kMatrix: return "matrix";
            default: return value_type_text(type);
        }
    }

    bool fail(const Expr& expr, std::string message) { return state_.fail(expr.span, std::move(message)); }

    ParseState& state_;
};

}  // namespace

bool check(Expr& expr, ParseState& state) { return Checker(state).visit(expr); }

}  // namespace ringside::agent::promql
