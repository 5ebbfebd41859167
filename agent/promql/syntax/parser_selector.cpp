// Selectors and what may follow them: ranges, subqueries, offset, @, anchored, smoothed.
#include <algorithm>
#include <cmath>

#include "agent/base/labels.h"
#include "agent/promql/syntax/parse_state.h"

namespace ringside::agent::promql {
namespace {

constexpr const char* kMatching = "label matching";

std::optional<MatchOp> match_op(TokenKind kind) {
    switch (kind) {
        case TokenKind::kAssign: return MatchOp::kEqual;
        case TokenKind::kNotEqual: return MatchOp::kNotEqual;
        case TokenKind::kRegexMatch: return MatchOp::kRegex;
        case TokenKind::kRegexNoMatch: return MatchOp::kNotRegex;
        default: return std::nullopt;
    }
}

bool starts_duration(TokenKind kind) {
    switch (kind) {
        case TokenKind::kNumber:
        case TokenKind::kDuration:
        case TokenKind::kAdd:
        case TokenKind::kSub:
        case TokenKind::kLeftParen:
        case TokenKind::kStep:
        case TokenKind::kRange:
        case TokenKind::kMinOf:
        case TokenKind::kMaxOf: return true;
        default: return false;
    }
}

// Where the modifiers of an expression live, if it is of those that have them.
struct Modifiable {
    Duration* offset = nullptr;
    AtModifier* at = nullptr;
    VectorSelector* selector = nullptr;  // null for a subquery
};

Modifiable modifiable(Expr& expr) {
    if (auto* selector = expr.as<VectorSelector>()) return {&selector->offset, &selector->at, selector};
    if (auto* matrix = expr.as<MatrixSelector>()) {
        return {&matrix->selector.offset, &matrix->selector.at, &matrix->selector};
    }
    if (auto* subquery = expr.as<Subquery>()) return {&subquery->offset, &subquery->at, nullptr};
    return {};
}

}  // namespace

bool ParseState::lone_selector(VectorSelector* selector) {
    if (at(TokenKind::kEnd)) return true;
    // Every word may name a metric here: no operator could stand in its place.
    const bool word = at(TokenKind::kIdentifier) || classify_word(token_.text) == token_.kind;
    if (!word && !at(TokenKind::kLeftBrace)) return unexpected("", "the name of a metric or \"{\"");
    ExprPtr expr = vector_selector(word ? std::optional<Token>(take()) : std::nullopt);
    if (!expr) return false;
    if (!at(TokenKind::kEnd)) return unexpected("", "the end of the selector");
    *selector = std::move(*expr->as<VectorSelector>());
    const auto names = std::ranges::count_if(selector->matchers, [&](const Matcher& matcher) {
        return matcher.label() == kNameLabel && (!selector->name.empty() || matcher.op() == MatchOp::kEqual);
    });
    return names < 2 || fail(expr->span, "the metric's name is set twice");
}

ExprPtr ParseState::vector_selector(std::optional<Token> name) {
    VectorSelector selector;
    Span span = name ? name->span : token_.span;
    if (at(TokenKind::kLeftBrace)) {
        Span closing;
        if (!label_matchers(&selector, &closing)) return nullptr;
        span = cover(span, closing);
    }
    if (name) {
        selector.name = std::string(name->text);
        if (!add_matcher(&selector, name->span, kNameLabel, MatchOp::kEqual, selector.name)) return nullptr;
    }
    return make(std::move(selector), span);
}

bool ParseState::label_matchers(VectorSelector* selector, Span* closing) {
    take();  // the brace
    for (;;) {
        if (accept(TokenKind::kRightBrace, closing)) return true;
        if (!label_matcher(selector)) return false;
        if (at(TokenKind::kRightBrace)) continue;
        if (!expect(TokenKind::kComma, kMatching, "\",\" or \"}\"")) return false;
    }
}

// label="value", "quoted label"="value", or "the metric's name" alone.
bool ParseState::label_matcher(VectorSelector* selector) {
    const Token first = token_;
    std::string label(first.text);
    if (at(TokenKind::kString)) {
        if (!string_value(&label)) return false;
        if (!match_op(token_.kind)) {
            return add_matcher(selector, first.span, kNameLabel, MatchOp::kEqual, std::move(label));
        }
    } else if (!accept(TokenKind::kIdentifier)) {
        return unexpected(kMatching, "identifier or \"}\"");
    }
    const auto op = match_op(token_.kind);
    if (!op) return unexpected(kMatching, "label matching operator");
    take();
    if (!at(TokenKind::kString)) return unexpected(kMatching, "string");
    std::string value;
    Span closing;
    if (!string_value(&value, &closing)) return false;
    return add_matcher(selector, cover(first.span, closing), std::move(label), *op, std::move(value));
}

bool ParseState::add_matcher(VectorSelector* selector, Span span, std::string label, MatchOp op, std::string value) {
    if (selector->matchers.size() == kSelectorMaxMatchers) {
        return fail(span, "a selector has at most " + std::to_string(kSelectorMaxMatchers) + " matchers");
    }
    auto matcher = Matcher::make(std::move(label), op, std::move(value));
    if (!matcher) return fail(span, matcher.error().context);
    patterns_cost_ += matcher->cost();
    if (patterns_cost_ > kPatternsMaxCost) {
        return fail(span, "the regular expressions up to here are too large together; use fewer, or simpler ones");
    }
    selector->matchers.push_back(std::move(*matcher));
    return true;
}

ExprPtr ParseState::with_postfixes(ExprPtr expr) {
    while (expr) {
        switch (token_.kind) {
            case TokenKind::kLeftBracket: expr = range_or_subquery(std::move(expr)); break;
            case TokenKind::kOffset: expr = with_offset(std::move(expr)); break;
            case TokenKind::kAt: expr = with_at(std::move(expr)); break;
            case TokenKind::kAnchored:
            case TokenKind::kSmoothed: expr = with_extension(std::move(expr)); break;
            default: return expr;
        }
    }
    return expr;
}

ExprPtr ParseState::range_or_subquery(ExprPtr expr) {
    const Token open = take();
    Duration range;
    Span closing;
    if (!range_duration(&range)) return nullptr;
    if (!accept(TokenKind::kColon)) {
        if (!expect(TokenKind::kRightBracket, "subquery or range", "\":\" or \"]\"", &closing)) return nullptr;
        return matrix_selector(std::move(expr), std::move(range), cover(open.span, closing));
    }
    Subquery subquery{nullptr, std::move(range), {}, {}, {}};
    const Span begin = expr->span;
    subquery.expr = std::move(expr);
    if (!accept(TokenKind::kRightBracket, &closing)) {
        if (!starts_duration(token_.kind)) {
            unexpected("subquery selector", "number, duration, step(), range(), or \"]\"");
            return nullptr;
        }
        if (!range_duration(&subquery.step)) return nullptr;
        if (!expect(TokenKind::kRightBracket, "subquery selector", "\"]\"", &closing)) return nullptr;
    }
    return make(std::move(subquery), cover(begin, closing));
}

ExprPtr ParseState::matrix_selector(ExprPtr expr, Duration range, Span brackets) {
    auto refuse = [&](const char* why) { return fail(brackets, why), nullptr; };
    auto* selector = expr->as<VectorSelector>();
    if (!selector) return refuse("ranges only allowed for vector selectors");
    if (selector->offset.is_set()) return refuse("no offset modifiers allowed before range");
    if (selector->at.is_set()) return refuse("no @ modifiers allowed before range");
    const Span span = expr->span;
    return make(MatrixSelector{std::move(*selector), span, std::move(range)}, cover(span, brackets));
}

ExprPtr ParseState::with_offset(ExprPtr expr) {
    take();
    Duration offset;
    if (!offset_duration(&offset)) return nullptr;
    const Modifiable target = modifiable(*expr);
    if (!target.offset) {
        fail(expr->span,
             "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery");
        return nullptr;
    }
    if (target.offset->is_set()) return fail(expr->span, "offset may not be set multiple times"), nullptr;
    *target.offset = std::move(offset);
    expr->span.end = last_end_;
    return expr;
}

ExprPtr ParseState::with_at(ExprPtr expr) {
    take();
    AtModifier at;
    if (!at_modifier(*expr, &at)) return nullptr;
    const Modifiable target = modifiable(*expr);
    if (!target.at) {
        fail(expr->span,
             "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery");
        return nullptr;
    }
    if (target.at->is_set()) return fail(expr->span, "@ <timestamp> may not be set multiple times"), nullptr;
    *target.at = at;
    expr->span.end = last_end_;
    return expr;
}

bool ParseState::at_modifier(const Expr& expr, AtModifier* at_time) {
    if (at(TokenKind::kStart) || at(TokenKind::kEndOfRange)) {
        at_time->kind = at(TokenKind::kStart) ? AtModifier::Kind::kStart : AtModifier::Kind::kEnd;
        take();
        return expect(TokenKind::kLeftParen, "@", "timestamp") && expect(TokenKind::kRightParen, "@", "timestamp");
    }
    const bool minus = at(TokenKind::kSub);
    if (minus || at(TokenKind::kAdd)) take();
    if (!at(TokenKind::kNumber) && !at(TokenKind::kDuration)) return unexpected("@", "timestamp");
    double seconds = 0;
    if (!number_value(&seconds)) return false;
    if (minus) seconds = -seconds;
    // Written so that NaN is refused, too. In milliseconds it must fit 64 bits.
    if (!(std::fabs(seconds) < 9.2e15)) {
        return fail(expr.span, "timestamp out of bounds for @ modifier: " + std::to_string(seconds));
    }
    at_time->kind = AtModifier::Kind::kTime;
    at_time->time_ms = static_cast<std::int64_t>(std::round(seconds * 1000));
    return true;
}

ExprPtr ParseState::with_extension(ExprPtr expr) {
    const Token word = take();
    const bool anchored = word.kind == TokenKind::kAnchored;
    const std::string name = anchored ? "anchored" : "smoothed";
    auto refuse = [&](std::string why) { return fail(expr->span, std::move(why)), nullptr; };
    if (!options_.extended_range_selectors) return refuse(name + " modifier is experimental and not enabled");
    VectorSelector* selector = modifiable(*expr).selector;
    if (expr->as<Subquery>()) return refuse(name + " modifier is not supported for subqueries");
    if (!selector) return refuse(name + " modifier not implemented");
    (anchored ? selector->anchored : selector->smoothed) = true;
    if (selector->anchored && selector->smoothed) {
        return refuse("anchored and smoothed modifiers cannot be used together");
    }
    return expr;
}

}  // namespace ringside::agent::promql
