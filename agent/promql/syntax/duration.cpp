#include "agent/promql/syntax/duration.h"

#include <cmath>
#include <string>

namespace ringside::agent::promql {
namespace {

// Nanoseconds in 64 bits, as Prometheus counts durations: about 292 years.
constexpr double kSecondsMax = 9223372036.0;

// Where it stands in the query, as Prometheus says it: first byte and end.
Error error_at(Span span, const char* what) {
    return error(Code::kInvalid, std::to_string(span.begin) + ":" + std::to_string(span.end) + ": " + what);
}

Result<double> evaluate(const DurationNode& node, const DurationContext& context);

Result<double> evaluate_binary(const DurationNode& node, const DurationContext& context) {
    auto left = evaluate(*node.left, context);
    if (!left) return left;
    auto right = evaluate(*node.right, context);
    if (!right) return right;
    switch (node.op) {
        case DurationOp::kAdd: return *left + *right;
        case DurationOp::kSub: return *left - *right;
        case DurationOp::kMul: return *left * *right;
        case DurationOp::kDiv:
            if (*right == 0) return error_at(node.right->span, "division by zero");
            return *left / *right;
        case DurationOp::kMod:
            if (*right == 0) return error_at(node.right->span, "modulo by zero");
            return std::fmod(*left, *right);
        case DurationOp::kPow: return std::pow(*left, *right);
        case DurationOp::kMin: return std::fmin(*left, *right);
        default: return std::fmax(*left, *right);
    }
}

Result<double> evaluate(const DurationNode& node, const DurationContext& context) {
    switch (node.op) {
        case DurationOp::kNumber: return node.seconds;
        case DurationOp::kStep: return static_cast<double>(context.step_ms) / 1000;
        case DurationOp::kRange: return static_cast<double>(context.range_ms) / 1000;
        case DurationOp::kNegate: {
            auto value = evaluate(*node.right, context);
            if (!value) return value;
            return -*value;
        }
        default: return evaluate_binary(node, context);
    }
}

}  // namespace

Result<std::int64_t> resolve(const Duration& duration, const DurationContext& context, bool may_be_negative) {
    if (!duration.expr) return duration.ms;
    auto seconds = evaluate(*duration.expr, context);
    if (!seconds) return seconds.error();
    // Written so that NaN (0 ^ -1 * 0 and the like) is refused, too.
    const Span span = duration.expr->span;
    if (!may_be_negative && !(*seconds > 0)) return error_at(span, "duration must be greater than 0");
    if (!(std::fabs(*seconds) < kSecondsMax)) return error_at(span, "duration is out of range");
    return static_cast<std::int64_t>(*seconds * 1000);
}

}  // namespace ringside::agent::promql
