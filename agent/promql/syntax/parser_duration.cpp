// Durations: what stands in brackets and after `offset`.
#include <cmath>

#include "agent/promql/syntax/literals.h"
#include "agent/promql/syntax/parse_state.h"

namespace ringside::agent::promql {
namespace {

// Nanoseconds in 64 bits.
constexpr double kSecondsMax = 9223372036.854775808;

constexpr int kAdditive = 1;
constexpr int kMultiplicative = 2;
constexpr int kPower = 3;

int precedence(TokenKind kind) {
    switch (kind) {
        case TokenKind::kAdd:
        case TokenKind::kSub: return kAdditive;
        case TokenKind::kMul:
        case TokenKind::kDiv:
        case TokenKind::kMod: return kMultiplicative;
        case TokenKind::kPow: return kPower;
        default: return 0;
    }
}

DurationOp duration_op(TokenKind kind) {
    switch (kind) {
        case TokenKind::kAdd: return DurationOp::kAdd;
        case TokenKind::kSub: return DurationOp::kSub;
        case TokenKind::kMul: return DurationOp::kMul;
        case TokenKind::kDiv: return DurationOp::kDiv;
        case TokenKind::kMod: return DurationOp::kMod;
        case TokenKind::kPow: return DurationOp::kPow;
        case TokenKind::kStep: return DurationOp::kStep;
        case TokenKind::kRange: return DurationOp::kRange;
        case TokenKind::kMinOf: return DurationOp::kMin;
        default: return DurationOp::kMax;
    }
}

// Says for messages where a duration is being read, and takes it back.
class Context {
  public:
    Context(const char** place, const char* context) : place_(place), before_(*place) { *place = context; }
    ~Context() { *place_ = before_; }
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

  private:
    const char** place_;
    const char* before_;
};

std::unique_ptr<DurationNode> node(DurationOp op, Span span) {
    auto made = std::make_unique<DurationNode>();
    made->op = op;
    made->span = span;
    return made;
}

}  // namespace

bool ParseState::range_duration(Duration* duration) {
    const Context context(&duration_context_, "subquery or range selector");
    duration_nodes_ = 0;
    return finish(duration_expr(kAdditive), false, duration);
}

// After `offset` a literal ends the duration: `x offset 1m + 1m` adds a minute to x. Arithmetic stands in
// parentheses.
bool ParseState::offset_duration(Duration* duration) {
    const Context context(&duration_context_, "offset");
    duration_nodes_ = 0;
    if (!at(TokenKind::kAdd) && !at(TokenKind::kSub)) return finish(duration_primary(), true, duration);
    const Token sign = take();
    return finish(negate(sign, duration_primary()), true, duration);
}

bool ParseState::finish(DurationPtr parsed, bool may_be_negative, Duration* duration) {
    if (!parsed) return false;
    if (parsed->op != DurationOp::kNumber) {
        duration->expr = std::move(parsed);
        return true;
    }
    duration->ms = static_cast<std::int64_t>(std::round(parsed->seconds * 1e9) / 1e6);
    if (!may_be_negative && duration->ms <= 0) return fail(parsed->span, "duration must be greater than 0");
    return true;
}

ParseState::DurationPtr ParseState::duration_expr(int precedence_min) {
    const Depth depth(*this);
    if (!may_nest(depth_)) return nullptr;
    DurationPtr left = duration_unary();
    while (left && precedence(token_.kind) >= precedence_min) {
        const Token op = take();
        const int own = precedence(op.kind);
        DurationPtr right = duration_expr(own == kPower ? own : own + 1);
        if (!right) return nullptr;
        left = join(op, std::move(left), std::move(right));
    }
    return left;
}

ParseState::DurationPtr ParseState::join(Token op, DurationPtr left, DurationPtr right) {
    if (right->op == DurationOp::kNumber && right->seconds == 0) {
        if (op.kind == TokenKind::kDiv) return fail(op.span, "division by zero"), nullptr;
        if (op.kind == TokenKind::kMod) return fail(op.span, "modulo by zero"), nullptr;
    }
    if (!may_nest(++duration_nodes_)) return nullptr;
    DurationPtr joined = node(duration_op(op.kind), cover(left->span, right->span));
    joined->left = std::move(left);
    joined->right = std::move(right);
    return joined;
}

ParseState::DurationPtr ParseState::duration_unary() {
    if (!at(TokenKind::kAdd) && !at(TokenKind::kSub)) return duration_primary();
    const Token sign = take();
    return negate(sign, duration_expr(kPower));
}

ParseState::DurationPtr ParseState::negate(Token op, DurationPtr operand) {
    if (!operand) return nullptr;
    if (op.kind == TokenKind::kAdd) return operand;
    const Span span = cover(op.span, operand->span);
    if (operand->op == DurationOp::kNumber) {
        operand->seconds = -operand->seconds;
        operand->in_parentheses = false;
        operand->span = span;
        return operand;
    }
    if (!may_nest(++duration_nodes_)) return nullptr;
    DurationPtr negated = node(DurationOp::kNegate, span);
    negated->right = std::move(operand);
    return negated;
}

ParseState::DurationPtr ParseState::duration_primary() {
    switch (token_.kind) {
        case TokenKind::kNumber:
        case TokenKind::kDuration: return duration_literal();
        case TokenKind::kStep:
        case TokenKind::kRange:
        case TokenKind::kMinOf:
        case TokenKind::kMaxOf: return duration_call();
        case TokenKind::kLeftParen: break;
        default: unexpected(); return nullptr;
    }
    take();
    DurationPtr inner = duration_expr(kAdditive);
    if (!inner || !expect(TokenKind::kRightParen)) return nullptr;
    // Around a literal they say nothing, unless a power would come before its sign.
    inner->in_parentheses = inner->op != DurationOp::kNumber || std::signbit(inner->seconds);
    return inner;
}

ParseState::DurationPtr ParseState::duration_literal() {
    const Token literal = token_;
    DurationPtr number = node(DurationOp::kNumber, literal.span);
    number->written_as_time = literal.kind == TokenKind::kDuration;
    if (!number_value(&number->seconds)) return nullptr;
    if (!(std::fabs(number->seconds) < kSecondsMax)) return fail(literal.span, "duration out of range"), nullptr;
    return number;
}

// step(), range(), min_of(a, b), max_of(a, b)
ParseState::DurationPtr ParseState::duration_call() {
    const Token name = take();
    DurationPtr call = node(duration_op(name.kind), name.span);
    if (!expect(TokenKind::kLeftParen)) return nullptr;
    if (name.kind == TokenKind::kMinOf || name.kind == TokenKind::kMaxOf) {
        call->left = duration_expr(kAdditive);
        if (!call->left || !expect(TokenKind::kComma)) return nullptr;
        call->right = duration_expr(kAdditive);
        if (!call->right) return nullptr;
    }
    Span closing;
    if (!expect(TokenKind::kRightParen, "", "", &closing)) return nullptr;
    call->span = cover(name.span, closing);
    return call;
}

}  // namespace ringside::agent::promql
