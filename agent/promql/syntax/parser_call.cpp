// What begins with a word: calls of functions, aggregations, and metrics that carry a word of the language.
#include "agent/base/text.h"
#include "agent/promql/syntax/parse_state.h"

namespace ringside::agent::promql {
namespace {

constexpr int kWholeExpression = 1;  // the precedence of the loosest operator

AggregateOp aggregate_op(TokenKind kind) {
    static_assert(static_cast<int>(TokenKind::kLimitRatio) - static_cast<int>(TokenKind::kSum) ==
                  static_cast<int>(AggregateOp::kLimitRatio));
    return static_cast<AggregateOp>(static_cast<int>(kind) - static_cast<int>(TokenKind::kSum));
}

bool is_experimental(AggregateOp op) { return op == AggregateOp::kLimitk || op == AggregateOp::kLimitRatio; }

// Functions whose names the language uses elsewhere, too.
bool names_function(TokenKind kind) {
    return kind == TokenKind::kIdentifier || (kind >= TokenKind::kStart && kind <= TokenKind::kMinOf);
}

}  // namespace

ExprPtr ParseState::word_expr() {
    const Token word = take();
    const bool modified = at(TokenKind::kBy) || at(TokenKind::kWithout);
    if (is_aggregation(word.kind) && (modified || at(TokenKind::kLeftParen))) return aggregation(word);
    if (names_function(word.kind) && at(TokenKind::kLeftParen)) return function_call(word);
    return vector_selector(word);
}

ExprPtr ParseState::function_call(Token name) {
    Call call;
    Span closing;
    if (!arguments(&call.arguments, &closing)) return nullptr;
    call.function = find_function(name.text);
    if (!call.function) {
        fail(name.span, "unknown function with name " + quote(name.text));
        return nullptr;
    }
    if (call.function->experimental && !options_.experimental_functions) {
        fail(name.span, "function " + quote(name.text) + " is not enabled");
        return nullptr;
    }
    return make(std::move(call), cover(name.span, closing));
}

// op [by|without (labels)] (arguments), or the modifier at the end.
ExprPtr ParseState::aggregation(Token op) {
    Aggregate aggregate;
    aggregate.op = aggregate_op(op.kind);
    std::vector<ExprPtr> found;
    Span closing;
    auto modifier = [&] {
        aggregate.without = at(TokenKind::kWithout);
        take();
        return labels_of_modifier(&aggregate.grouping, &closing);
    };
    const bool modified = !at(TokenKind::kLeftParen);
    if (modified && !modifier()) return nullptr;
    ++in_aggregations_;
    const bool complete = at(TokenKind::kLeftParen) ? arguments(&found, &closing) : unexpected();
    --in_aggregations_;
    if (!complete) return nullptr;
    if (!modified && (at(TokenKind::kBy) || at(TokenKind::kWithout)) && !modifier()) return nullptr;

    const Span span = cover(op.span, closing);
    auto refuse = [&](std::string message) { return fail(span, std::move(message)), nullptr; };
    if (found.empty()) return refuse("no arguments for aggregate expression provided");
    if (is_experimental(aggregate.op) && !options_.experimental_functions) {
        return refuse(std::string(aggregate_op_text(aggregate.op)) +
                      "() is experimental and must be enabled with --enable-feature=promql-experimental-functions");
    }
    const std::size_t wanted = has_parameter(aggregate.op) ? 2 : 1;
    if (found.size() != wanted) {
        return refuse("wrong number of arguments for aggregate expression provided, expected " +
                      std::to_string(wanted) + ", got " + std::to_string(found.size()));
    }
    if (wanted == 2) aggregate.parameter = std::move(found.front());
    aggregate.expr = std::move(found.back());
    return make(std::move(aggregate), span);
}

bool ParseState::arguments(std::vector<ExprPtr>* found, Span* closing) {
    take();  // the parenthesis that brought us here
    if (accept(TokenKind::kRightParen, closing)) return true;
    for (;;) {
        ExprPtr argument = binary_expr(kWholeExpression);
        if (!argument) return false;
        found->push_back(std::move(argument));
        if (accept(TokenKind::kRightParen, closing)) return true;
        Span comma;
        if (!expect(TokenKind::kComma, "", "", &comma)) return false;
        if (at(TokenKind::kRightParen)) return fail(comma, "trailing commas not allowed in function call args");
    }
}

// (a, b, "c d",)
bool ParseState::labels_of_modifier(std::vector<std::string>* labels, Span* closing) {
    if (!expect(TokenKind::kLeftParen, "grouping opts", "\"(\"")) return false;
    for (;;) {
        // A comma may stand at the end, but not alone.
        if (accept(TokenKind::kRightParen, closing)) return true;
        if (!label_name(labels)) return false;
        if (at(TokenKind::kRightParen)) continue;
        if (!expect(TokenKind::kComma, "grouping opts", "\",\" or \")\"")) return false;
    }
}

bool ParseState::label_name(std::vector<std::string>* labels) {
    std::string name(token_.text);
    const Span span = token_.span;
    if (at(TokenKind::kString)) {
        if (!string_value(&name)) return false;
    } else if (may_name_label(token_.kind)) {
        take();
    } else {
        return unexpected("grouping opts", "label");
    }
    if (name.empty() || !is_utf8(name)) return fail(span, "invalid label name for grouping: " + quote(name));
    labels->push_back(std::move(name));
    return true;
}

}  // namespace ringside::agent::promql
