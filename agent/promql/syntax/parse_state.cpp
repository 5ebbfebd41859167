#include "agent/promql/syntax/parse_state.h"

#include <algorithm>

#include "agent/base/text.h"
#include "agent/promql/syntax/literals.h"
#include "agent/promql/syntax/quoted.h"

namespace ringside::agent::promql {

ParseState::ParseState(std::string_view text, const ParseOptions& options)
    : text_(text), options_(options), lexer_(text) {
    take();
}

Error ParseState::error() const {
    const std::string_view before = text_.substr(0, std::min<std::size_t>(failed_at_.begin, text_.size()));
    const auto line = 1 + std::ranges::count(before, '\n');
    const std::size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
    return agent::error(Code::kInvalid, std::to_string(line) + ":" + std::to_string(before.size() - line_begin + 1) +
                                            ": parse error: " + failure_);
}

bool ParseState::fail(Span span, std::string message) {
    if (!failed_) {
        failed_ = true;
        failed_at_ = span;
        failure_ = std::move(message);
    }
    return false;
}

Span ParseState::operator_span(const Expr& left, const Expr& right) const {
    constexpr std::string_view kSpace = " \t\r\n";
    Span span{left.span.end, right.span.begin};
    while (span.begin < span.end && kSpace.find(text_[span.begin]) != kSpace.npos) ++span.begin;
    while (span.end > span.begin && kSpace.find(text_[span.end - 1]) != kSpace.npos) --span.end;
    return span;
}

Token ParseState::take() {
    const Token taken = token_;
    last_end_ = taken.span.end;
    token_ = lexer_.next();
    if (at(TokenKind::kError)) fail(token_.span, std::string(token_.text));
    return taken;
}

bool ParseState::accept(TokenKind kind, Span* span) {
    if (!at(kind)) return false;
    const Token taken = take();
    if (span) *span = taken.span;
    return true;
}

bool ParseState::expect(TokenKind kind, const char* context, const char* expected, Span* span) {
    return accept(kind, span) || unexpected(context, expected);
}

// The innermost construct that has something to say about its mistakes says it.
bool ParseState::unexpected(const char* context, const char* expected) {
    if (*context == '\0' && duration_context_) {
        context = duration_context_;
        expected = "number, duration, step(), or range()";
    } else if (*context == '\0' && in_aggregations_ > 0) {
        context = "aggregation";
    }
    std::string message = "unexpected " + describe(token_);
    if (*context != '\0') message += std::string(" in ") + context;
    if (*expected != '\0') message += std::string(", expected ") + expected;
    return fail(token_.span, std::move(message));
}

bool ParseState::number_value(double* value) {
    if (at(TokenKind::kNumber)) {
        auto number = parse_number_literal(token_.text);
        if (!number) return fail(token_.span, number.error().context);
        *value = *number;
    } else if (at(TokenKind::kDuration)) {
        auto ms = parse_duration_literal(token_.text);
        if (!ms) return fail(token_.span, ms.error().context);
        *value = static_cast<double>(*ms) / 1000;
    } else {
        return unexpected();
    }
    take();
    return true;
}

bool ParseState::string_value(std::string* value, Span* span) {
    std::size_t at = 0;
    auto text = unquote(token_.text, &at);
    if (!text) {
        return fail(token_.span, "error unquoting string " + quote(token_.text) + ": " + text.error().context);
    }
    *value = std::move(*text);
    const Token taken = take();
    if (span) *span = taken.span;
    return true;
}

ExprPtr ParseState::make(Expr::Node node, Span span) {
    auto expr = std::make_unique<Expr>();
    expr->node = std::move(node);
    expr->span = span;
    for (const Expr* child : children(*expr)) expr->height = std::max(expr->height, child->height + 1);
    return may_nest(expr->height) ? std::move(expr) : nullptr;
}

bool ParseState::may_nest(std::size_t count) {
    if (count <= options_.limits.depth_max) return true;
    return fail(token_.span,
                "the query nests expressions more than " + std::to_string(options_.limits.depth_max) + " deep");
}

}  // namespace ringside::agent::promql
