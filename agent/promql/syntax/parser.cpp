// Expressions: precedence climbing over operators, and what stands between them.
#include "agent/promql/syntax/parser.h"

#include "agent/promql/syntax/check.h"
#include "agent/promql/syntax/parse_state.h"

namespace ringside::agent::promql {
namespace {

constexpr int kOrPrecedence = 1;
constexpr int kMulPrecedence = 5;
constexpr int kPowPrecedence = 6;

// Higher binds tighter; 0 for what is no binary operator.
int precedence(TokenKind kind) {
    switch (kind) {
        case TokenKind::kOr: return kOrPrecedence;
        case TokenKind::kAnd:
        case TokenKind::kUnless: return 2;
        case TokenKind::kEqual:
        case TokenKind::kNotEqual:
        case TokenKind::kLess:
        case TokenKind::kLessOrEqual:
        case TokenKind::kGreater:
        case TokenKind::kGreaterOrEqual:
        case TokenKind::kTrimUpper:
        case TokenKind::kTrimLower: return 3;
        case TokenKind::kAdd:
        case TokenKind::kSub: return 4;
        case TokenKind::kMul:
        case TokenKind::kDiv:
        case TokenKind::kMod:
        case TokenKind::kAtan2: return kMulPrecedence;
        case TokenKind::kPow: return kPowPrecedence;
        default: return 0;
    }
}

BinaryOp binary_op(TokenKind kind) {
    static_assert(static_cast<int>(TokenKind::kTrimLower) - static_cast<int>(TokenKind::kAdd) ==
                  static_cast<int>(BinaryOp::kTrimLower));
    return static_cast<BinaryOp>(static_cast<int>(kind) - static_cast<int>(TokenKind::kAdd));
}

}  // namespace

ExprPtr ParseState::query() {
    if (at(TokenKind::kEnd)) {
        fail({}, "no expression found in input");
        return nullptr;
    }
    ExprPtr expr = binary_expr(kOrPrecedence);
    if (!expr) return nullptr;
    if (!at(TokenKind::kEnd)) return unexpected(), nullptr;
    return check(*expr, *this) ? std::move(expr) : nullptr;
}

ExprPtr ParseState::binary_expr(int precedence_min) {
    const Depth depth(*this);
    if (!may_nest(depth_)) return nullptr;
    ExprPtr left = unary_expr();
    while (left && is_binary_operator(token_.kind) && precedence(token_.kind) >= precedence_min) {
        const Token op = take();
        BinaryModifiers modifiers;
        if (!binary_modifiers(&modifiers)) return nullptr;
        // Powers lean to the right, all others to the left.
        const int own = precedence(op.kind);
        ExprPtr right = binary_expr(own == kPowPrecedence ? own : own + 1);
        if (!right) return nullptr;
        left = join(op, std::move(left), std::move(right), std::move(modifiers));
    }
    return left;
}

ExprPtr ParseState::join(Token op, ExprPtr left, ExprPtr right, BinaryModifiers modifiers) {
    const Span span = cover(left->span, right->span);
    VectorMatching& matching = modifiers.matching;
    if (!options_.fill_modifiers && (matching.fill_left || matching.fill_right)) {
        fail(span, "binop fill modifiers are experimental and not enabled");
        return nullptr;
    }
    Binary binary{binary_op(op.kind), std::move(left), std::move(right), modifiers.return_bool, std::move(matching)};
    return make(std::move(binary), span);
}

// [bool] [on|ignoring (labels) [group_left|group_right [(labels)]]] [fill ...]
bool ParseState::binary_modifiers(BinaryModifiers* modifiers) {
    modifiers->return_bool = accept(TokenKind::kBool);
    VectorMatching& matching = modifiers->matching;
    if (at(TokenKind::kOn) || at(TokenKind::kIgnoring)) {
        matching.on = at(TokenKind::kOn);
        take();
        if (!labels_of_modifier(&matching.labels, nullptr)) return false;
        if (at(TokenKind::kGroupLeft) || at(TokenKind::kGroupRight)) {
            matching.cardinality = at(TokenKind::kGroupLeft) ? Cardinality::kManyToOne : Cardinality::kOneToMany;
            take();
            if (at(TokenKind::kLeftParen) && !labels_of_modifier(&matching.include, nullptr)) return false;
        }
    }
    return fill_modifiers(&matching);
}

bool ParseState::fill_modifiers(VectorMatching* matching) {
    if (accept(TokenKind::kFill)) {
        if (!fill_value(&matching->fill_left)) return false;
        matching->fill_right = matching->fill_left;
        return true;
    }
    // In either order, each at most once.
    for (int i = 0; i < 2; ++i) {
        if (at(TokenKind::kFillLeft) && !matching->fill_left) {
            take();
            if (!fill_value(&matching->fill_left)) return false;
        } else if (at(TokenKind::kFillRight) && !matching->fill_right) {
            take();
            if (!fill_value(&matching->fill_right)) return false;
        }
    }
    return true;
}

bool ParseState::fill_value(std::optional<double>* value) {
    if (!expect(TokenKind::kLeftParen)) return false;
    const bool minus = at(TokenKind::kSub);
    if (minus || at(TokenKind::kAdd)) take();
    double number = 0;
    if (!number_value(&number)) return false;
    *value = minus ? -number : number;
    return expect(TokenKind::kRightParen);
}

// A sign binds as * does: -2^2 is -(2^2), and -2*3 is (-2)*3.
ExprPtr ParseState::unary_expr() {
    if (!at(TokenKind::kAdd) && !at(TokenKind::kSub)) return with_postfixes(primary_expr());
    const Token op = take();
    const bool minus = op.kind == TokenKind::kSub;
    ExprPtr operand = binary_expr(kPowPrecedence);
    if (!operand) return nullptr;
    const Span span = cover(op.span, operand->span);
    if (auto* number = operand->as<NumberLiteral>()) {
        if (minus) number->value = -number->value;
        operand->span = span;
        return operand;
    }
    return make(Unary{minus, std::move(operand)}, span);
}

ExprPtr ParseState::primary_expr() {
    switch (token_.kind) {
        case TokenKind::kNumber:
        case TokenKind::kDuration: return number_expr();
        case TokenKind::kString: return string_expr();
        case TokenKind::kLeftParen: return paren_expr();
        case TokenKind::kLeftBrace: return vector_selector(std::nullopt);
        default: break;
    }
    if (may_name_metric(token_.kind)) return word_expr();
    unexpected();
    return nullptr;
}

ExprPtr ParseState::paren_expr() {
    const Token open = take();
    ExprPtr inner = binary_expr(kOrPrecedence);
    Span closing;
    if (!inner || !expect(TokenKind::kRightParen, "", "", &closing)) return nullptr;
    return make(Paren{std::move(inner)}, cover(open.span, closing));
}

ExprPtr ParseState::number_expr() {
    const Token literal = token_;
    double value = 0;
    if (!number_value(&value)) return nullptr;
    return make(NumberLiteral{value, literal.kind == TokenKind::kDuration}, literal.span);
}

ExprPtr ParseState::string_expr() {
    StringLiteral literal;
    Span span;
    if (!string_value(&literal.value, &span)) return nullptr;
    return make(std::move(literal), span);
}

Result<ExprPtr> parse_query(std::string_view text, const ParseOptions& options) {
    if (text.size() > options.limits.bytes_max) {
        return error(Code::kInvalid, "the query has " + std::to_string(text.size()) + " bytes; at most " +
                                         std::to_string(options.limits.bytes_max) + " are allowed");
    }
    ParseState state(text, options);
    ExprPtr expr = state.query();
    if (!expr) return state.error();
    return expr;
}

}  // namespace ringside::agent::promql
