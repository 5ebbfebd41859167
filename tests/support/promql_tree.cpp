#include "tests/support/promql_tree.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace ringside::agent::promql {
namespace {

std::string number(double value) {
    if (std::isnan(value)) return "nan";
    char text[40];
    std::snprintf(text, sizeof text, "%a", value);
    return text;
}

std::string node(const DurationNode& duration) {
    std::string out = "(" + std::to_string(static_cast<int>(duration.op));
    if (duration.op == DurationOp::kNumber) out += " " + number(duration.seconds);
    if (duration.left) out += " " + node(*duration.left);
    if (duration.right) out += " " + node(*duration.right);
    return out + (duration.in_parentheses ? " wrapped)" : ")");
}

std::string duration(const Duration& duration) {
    return duration.expr ? node(*duration.expr) : std::to_string(duration.ms);
}

std::string at(const AtModifier& at) {
    return " @" + std::to_string(static_cast<int>(at.kind)) + ":" + std::to_string(at.time_ms);
}

std::string list(const std::vector<std::string>& names) {
    std::string out = " [";
    for (const std::string& name : names) out += std::to_string(name.size()) + ":" + name + ",";
    return out + "]";
}

std::string selector(const VectorSelector& selector) {
    std::vector<std::string> matchers;
    for (const Matcher& matcher : selector.matchers) matchers.push_back(matcher.text());
    std::ranges::sort(matchers);
    return "select '" + selector.name + "'" + list(matchers) + " offset " + duration(selector.offset) +
           at(selector.at) + (selector.anchored ? " anchored" : "") + (selector.smoothed ? " smoothed" : "") +
           (selector.of_info ? " of_info" : "");
}

std::string matching(const VectorMatching& matching) {
    std::string out = " card" + std::to_string(static_cast<int>(matching.cardinality)) + (matching.on ? " on" : "") +
                      list(matching.labels) + list(matching.include);
    if (matching.fill_left) out += " left " + number(*matching.fill_left);
    if (matching.fill_right) out += " right " + number(*matching.fill_right);
    return out;
}

struct Head {
    std::string operator()(const NumberLiteral& n) const {
        return "number " + number(n.value) + (n.written_as_time ? " time" : "");
    }
    std::string operator()(const StringLiteral& n) const { return "string " + n.value; }
    std::string operator()(const VectorSelector& n) const { return selector(n); }
    std::string operator()(const MatrixSelector& n) const {
        return selector(n.selector) + " range " + duration(n.range);
    }
    std::string operator()(const Subquery& n) const {
        return "subquery " + duration(n.range) + ":" + duration(n.step) + " offset " + duration(n.offset) + at(n.at);
    }
    std::string operator()(const Unary& n) const { return n.minus ? "minus" : "plus"; }
    std::string operator()(const Binary& n) const {
        return std::string(binary_op_text(n.op)) + (n.return_bool ? " bool" : "") +
               (n.matching ? matching(*n.matching) : " scalar");
    }
    std::string operator()(const Aggregate& n) const {
        return std::string(aggregate_op_text(n.op)) + (n.without ? " without" : " by") + list(n.grouping);
    }
    std::string operator()(const Call& n) const { return "call " + std::string(n.function->name); }
    std::string operator()(const Paren&) const { return "paren"; }
};

}  // namespace

std::string tree_text(const Expr& expr) {
    std::string out = "(" + std::visit(Head(), expr.node);
    if (expr.step_invariant) out += " invariant";
    for (const Expr* child : children(expr)) out += " " + tree_text(*child);
    return out + ")";
}

}  // namespace ringside::agent::promql
