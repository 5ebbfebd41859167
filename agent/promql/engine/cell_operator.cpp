#include "agent/promql/engine/cell_operator.h"

#include <cmath>

#include "agent/promql/value/histogram_trim.h"

namespace ringside::agent::promql {
namespace {

bool compare(BinaryOp op, double left, double right) {
    switch (op) {
        case BinaryOp::kEqual: return left == right;
        case BinaryOp::kNotEqual: return left != right;
        case BinaryOp::kLess: return left < right;
        case BinaryOp::kLessOrEqual: return left <= right;
        case BinaryOp::kGreater: return left > right;
        case BinaryOp::kGreaterOrEqual: return left >= right;
        default: return false;
    }
}

double calculate(BinaryOp op, double left, double right) {
    switch (op) {
        case BinaryOp::kAdd: return left + right;
        case BinaryOp::kSub: return left - right;
        case BinaryOp::kMul: return left * right;
        case BinaryOp::kDiv: return left / right;
        case BinaryOp::kMod: return std::fmod(left, right);
        case BinaryOp::kPow: return std::pow(left, right);
        case BinaryOp::kAtan2: return std::atan2(left, right);
        default: return NAN;
    }
}

bool is_trim(BinaryOp op) { return op == BinaryOp::kTrimUpper || op == BinaryOp::kTrimLower; }

CellOutcome incompatible(BinaryOp op, const Cell& left, const Cell& right) {
    auto type = [](const Cell& cell) { return cell.histogram ? "histogram" : "float"; };
    return {{},
            false,
            PendingNote{NoteLevel::kInfo, note::incompatible_types(type(left), binary_op_text(op), type(right))}};
}

CellOutcome compacted(FloatHistogram histogram) {
    histogram.compact();
    return {Cell::of(std::move(histogram)), true, std::nullopt};
}

CellOutcome combine(BinaryOp op, const FloatHistogram& left, const FloatHistogram& right) {
    bool adds = op == BinaryOp::kAdd;
    std::string_view operation = adds ? note::kAddition : note::kSubtraction;
    FloatHistogram sum = left;
    Result<HistogramNote> note = adds ? sum.add(right) : sum.subtract(right);
    if (!note) return {{}, false, PendingNote{NoteLevel::kWarning, note::incompatible_layout(binary_op_text(op))}};
    // A sum across a reset would look like a counter and be none, so there is no result.
    if (note->reset_collision) {
        return {{}, false, PendingNote{NoteLevel::kWarning, note::reset_collision(operation)}};
    }
    if (!adds) sum.reset_hint = ResetHint::kGauge;
    CellOutcome outcome = compacted(std::move(sum));
    if (note->bounds_reconciled) outcome.note = PendingNote{NoteLevel::kInfo, note::bounds_reconciled(operation)};
    return outcome;
}

CellOutcome apply_to_histograms(BinaryOp op, const Cell& left, const Cell& right) {
    switch (op) {
        case BinaryOp::kAdd:
        case BinaryOp::kSub: return combine(op, *left.histogram, *right.histogram);
        case BinaryOp::kEqual: return {left, left.histogram->same_as(*right.histogram), std::nullopt};
        case BinaryOp::kNotEqual: return {left, !left.histogram->same_as(*right.histogram), std::nullopt};
        default: return incompatible(op, left, right);
    }
}

}  // namespace

CellOutcome apply(BinaryOp op, const Cell& left, const Cell& right) {
    if (left.histogram && right.histogram) return apply_to_histograms(op, left, right);
    if (!left.histogram && !right.histogram) {
        if (is_trim(op)) return incompatible(op, left, right);
        if (is_comparison(op)) return {left, compare(op, left.value, right.value), std::nullopt};
        return {Cell::of(calculate(op, left.value, right.value)), true, std::nullopt};
    }
    FloatHistogram histogram = left.histogram ? *left.histogram : *right.histogram;
    double value = left.histogram ? right.value : left.value;
    if (op == BinaryOp::kMul) {
        histogram.scale(value);
    } else if (op == BinaryOp::kDiv && left.histogram) {
        histogram.divide(value);
    } else if (is_trim(op) && left.histogram) {
        Keep keep = op == BinaryOp::kTrimUpper ? Keep::kBelow : Keep::kAbove;
        return {Cell::of(trim(std::move(histogram), value, keep)), true, std::nullopt};
    } else {
        return incompatible(op, left, right);
    }
    return compacted(std::move(histogram));
}

double apply_to_scalars(BinaryOp op, double left, double right) {
    if (is_comparison(op)) return compare(op, left, right) ? 1 : 0;
    return calculate(op, left, right);
}

bool changes_meaning(BinaryOp op) {
    switch (op) {
        case BinaryOp::kAdd:
        case BinaryOp::kSub:
        case BinaryOp::kMul:
        case BinaryOp::kDiv:
        case BinaryOp::kMod:
        case BinaryOp::kPow:
        case BinaryOp::kAtan2: return true;
        default: return false;
    }
}

}  // namespace ringside::agent::promql
