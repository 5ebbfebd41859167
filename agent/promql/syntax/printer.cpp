#include "agent/promql/syntax/printer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "agent/base/labels.h"
#include "agent/base/text.h"
#include "agent/promql/syntax/literals.h"

namespace ringside::agent::promql {
namespace {

constexpr std::size_t kLineMax = 100;

std::string seconds_text(double seconds) {
    const std::string sign = std::signbit(seconds) ? "-" : "";
    return sign + format_duration(std::llround(std::fabs(seconds) * 1000));
}

std::string duration_text(const DurationNode& node) {
    std::string out;
    switch (node.op) {
        case DurationOp::kNumber:
            out = node.written_as_time ? seconds_text(node.seconds) : format_number(node.seconds);
            break;
        case DurationOp::kStep: out = "step()"; break;
        case DurationOp::kRange: out = "range()"; break;
        case DurationOp::kNegate: out = "-" + duration_text(*node.right); break;
        case DurationOp::kMin:
        case DurationOp::kMax:
            out = std::string(node.op == DurationOp::kMin ? "min_of(" : "max_of(") + duration_text(*node.left) + ", " +
                  duration_text(*node.right) + ")";
            break;
        default: {
            constexpr const char* kSymbols[] = {"+", "-", "*", "/", "%", "^"};
            const auto index = static_cast<std::size_t>(node.op) - static_cast<std::size_t>(DurationOp::kAdd);
            out = duration_text(*node.left) + " " + kSymbols[index] + " " + duration_text(*node.right);
        }
    }
    return node.in_parentheses ? "(" + out + ")" : out;
}

std::string duration_text(const Duration& duration) {
    if (duration.expr) return duration_text(*duration.expr);
    return (duration.ms < 0 ? "-" : "") + format_duration(std::abs(duration.ms));
}

std::string at_text(const AtModifier& at) {
    switch (at.kind) {
        case AtModifier::Kind::kNone: return "";
        case AtModifier::Kind::kStart: return " @ start()";
        case AtModifier::Kind::kEnd: return " @ end()";
        case AtModifier::Kind::kTime: break;
    }
    std::string digits = std::to_string(std::abs(at.time_ms) % 1000);
    digits.insert(0, 3 - digits.size(), '0');
    return std::string(" @ ") + (at.time_ms < 0 ? "-" : "") + std::to_string(std::abs(at.time_ms / 1000)) + "." +
           digits;
}

std::string offset_text(const Duration& offset) { return offset.is_set() ? " offset " + duration_text(offset) : ""; }

std::string extension_text(const VectorSelector& selector) {
    return selector.anchored ? " anchored" : selector.smoothed ? " smoothed" : "";
}

std::string label_list(const std::vector<std::string>& labels) {
    std::string out = "(";
    for (const std::string& label : labels) {
        if (out.size() > 1) out += ", ";
        out += is_label_name(label) ? label : quote(label);
    }
    return out + ")";
}

// The name and the matchers, without modifiers.
std::string series_text(const VectorSelector& selector) {
    std::vector<std::string> matchers;
    for (const Matcher& matcher : selector.matchers) {
        const bool is_name = matcher.label() == kNameLabel && matcher.op() == MatchOp::kEqual;
        if (is_name && !selector.name.empty() && matcher.value() == selector.name) continue;
        matchers.push_back(matcher.text());
    }
    if (matchers.empty() && !selector.name.empty()) return selector.name;
    std::ranges::sort(matchers);
    std::string out = selector.name + "{";
    for (const std::string& matcher : matchers) {
        if (out.back() != '{') out += ',';
        out += matcher;
    }
    return out + "}";
}

// The shortest digits; an exponent where the number is very large or very small.
std::string fill_text(double value) {
    const double size = std::fabs(value);
    if (size == 0 || !std::isfinite(value) || (size >= 1e-4 && size < 1e21)) return format_number(value);
    std::array<char, 64> digits;
    const auto done = std::to_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::scientific);
    return std::string(digits.data(), done.ptr);
}

std::string fills_text(const VectorMatching& matching) {
    const auto& left = matching.fill_left;
    const auto& right = matching.fill_right;
    const bool same = left && right && (*left == *right || (std::isnan(*left) && std::isnan(*right)));
    if (same) return " fill (" + fill_text(*left) + ")";
    std::string out;
    if (left) out += " fill_left (" + fill_text(*left) + ")";
    if (right) out += " fill_right (" + fill_text(*right) + ")";
    return out;
}

// The left operand. A sign in front of a power would be the power's: of the numbers, only infinity has one there.
std::string base_text(const Binary& binary) {
    std::string out = text(*binary.left);
    const bool signed_base = binary.op == BinaryOp::kPow && out.starts_with('+') && binary.left->as<NumberLiteral>();
    return signed_base ? out.substr(1) : out;
}

// The operator with its modifiers.
std::string operator_text(const Binary& binary) {
    std::string out = binary_op_text(binary.op);
    if (binary.return_bool) out += " bool";
    if (!binary.matching) return out;
    const VectorMatching& matching = *binary.matching;
    const bool grouped =
        matching.cardinality == Cardinality::kManyToOne || matching.cardinality == Cardinality::kOneToMany;
    if (matching.on || grouped || !matching.labels.empty()) {
        out += (matching.on ? " on " : " ignoring ") + label_list(matching.labels);
    }
    if (grouped) {
        out += matching.cardinality == Cardinality::kManyToOne ? " group_left " : " group_right ";
        out += label_list(matching.include);
    }
    return out + fills_text(matching);
}

// `sum by (a) `, without the arguments.
std::string aggregation_text(const Aggregate& aggregate) {
    std::string out = aggregate_op_text(aggregate.op);
    if (aggregate.without) return out + " without " + label_list(aggregate.grouping) + " ";
    return aggregate.grouping.empty() ? out : out + " by " + label_list(aggregate.grouping) + " ";
}

// What follows the expression of a subquery.
std::string window_text(const Subquery& subquery) {
    const std::string step = subquery.step.is_set() ? duration_text(subquery.step) : "";
    return "[" + duration_text(subquery.range) + ":" + step + "]" + at_text(subquery.at) + offset_text(subquery.offset);
}

struct Printer {
    std::string operator()(const NumberLiteral& n) const {
        return n.written_as_time ? seconds_text(n.value) : format_number(n.value);
    }
    std::string operator()(const StringLiteral& n) const { return quote(n.value); }
    std::string operator()(const VectorSelector& n) const {
        return series_text(n) + at_text(n.at) + extension_text(n) + offset_text(n.offset);
    }
    std::string operator()(const MatrixSelector& n) const {
        return series_text(n.selector) + "[" + duration_text(n.range) + "]" + extension_text(n.selector) +
               at_text(n.selector.at) + offset_text(n.selector.offset);
    }
    std::string operator()(const Subquery& n) const { return text(*n.expr) + window_text(n); }
    std::string operator()(const Unary& n) const { return (n.minus ? "-" : "+") + text(*n.expr); }
    std::string operator()(const Binary& n) const {
        return base_text(n) + " " + operator_text(n) + " " + text(*n.right);
    }
    std::string operator()(const Aggregate& n) const {
        const std::string parameter = n.parameter ? text(*n.parameter) + ", " : "";
        return aggregation_text(n) + "(" + parameter + text(*n.expr) + ")";
    }
    std::string operator()(const Call& n) const {
        std::string out;
        for (const ExprPtr& argument : n.arguments) out += (out.empty() ? "" : ", ") + text(*argument);
        return std::string(n.function->name) + "(" + out + ")";
    }
    std::string operator()(const Paren& n) const { return "(" + text(*n.expr) + ")"; }
};

// Splits an expression that is too long for one line.
class Splitter {
  public:
    std::string split(const Expr& expr, std::size_t level) const {
        const std::string indent(2 * level, ' ');
        if (const auto* unary = expr.as<Unary>()) {
            // The sign takes the operand's place, which then stands right behind it.
            return indent + (unary->minus ? "-" : "+") + std::string(trimmed(split(*unary->expr, level)));
        }
        const std::string line = text(expr);
        const auto* subquery = expr.as<Subquery>();
        if (line.size() <= kLineMax) return (subquery ? "" : indent) + line;
        if (subquery) return split(*subquery->expr, level) + window_text(*subquery);
        if (const auto* binary = expr.as<Binary>()) {
            const std::string left = binary->left->as<NumberLiteral>() ? indent + "  " + base_text(*binary)
                                                                       : split(*binary->left, level + 1);
            return left + "\n" + indent + operator_text(*binary) + "\n" + split(*binary->right, level + 1);
        }
        if (const auto* aggregate = expr.as<Aggregate>()) {
            const std::string parameter = aggregate->parameter ? split(*aggregate->parameter, level + 1) + ",\n" : "";
            return indent + aggregation_text(*aggregate) + "(\n" + parameter + split(*aggregate->expr, level + 1) +
                   "\n" + indent + ")";
        }
        if (const auto* call = expr.as<Call>(); call && !call->arguments.empty()) {
            std::string arguments;
            for (const ExprPtr& argument : call->arguments) {
                arguments += (arguments.empty() ? "" : ",\n") + split(*argument, level + 1);
            }
            return indent + std::string(call->function->name) + "(\n" + arguments + "\n" + indent + ")";
        }
        if (const auto* paren = expr.as<Paren>()) {
            return indent + "(\n" + split(*paren->expr, level + 1) + "\n" + indent + ")";
        }
        return indent + line;
    }
};

}  // namespace

std::string text(const Expr& expr) { return std::visit(Printer(), expr.node); }

std::string format_query(const Expr& expr) { return Splitter().split(expr, 0); }

}  // namespace ringside::agent::promql
