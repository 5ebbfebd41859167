// Binary operators: scalars, a vector and a scalar, two vectors.
#include "agent/promql/engine/cell_operator.h"
#include "agent/promql/engine/evaluator.h"
#include "agent/promql/engine/vector_matching.h"

namespace ringside::agent::promql {
namespace {

Result<Grid> scalar_scalar(Evaluator& evaluator, const Binary& binary, const Steps& steps) {
    Result<std::vector<double>> left = evaluator.scalar(*binary.left, steps);
    if (!left) return left.error();
    Result<std::vector<double>> right = evaluator.scalar(*binary.right, steps);
    if (!right) return right.error();
    Grid grid(steps.count);
    grid.add_row({});
    for (std::size_t step = 0; step < steps.count; ++step) {
        grid.set(0, step, apply_to_scalars(binary.op, (*left)[step], (*right)[step]));
    }
    return grid;
}

Result<Grid> vector_scalar(Evaluator& evaluator, const Expr& expr, const Binary& binary, const Steps& steps) {
    bool scalar_left = binary.left->type() == ValueType::kScalar;
    Result<Grid> result = evaluator.grid(scalar_left ? *binary.right : *binary.left, steps);
    if (!result) return result;
    Result<std::vector<double>> scalars = evaluator.scalar(scalar_left ? *binary.left : *binary.right, steps);
    if (!scalars) return scalars.error();
    bool renames = changes_meaning(binary.op) || binary.return_bool;
    for (std::size_t row = 0; row < result->rows(); ++row) {
        for (std::size_t step = 0; step < steps.count; ++step) {
            Cell cell = result->cell(row, step);
            if (!cell) continue;
            Cell scalar = Cell::of((*scalars)[step]);
            CellOutcome outcome = scalar_left ? apply(binary.op, scalar, cell) : apply(binary.op, cell, scalar);
            if (outcome.note) {
                auto tell = outcome.note->level == NoteLevel::kInfo ? &Notes::inform : &Notes::warn;
                (evaluator.notes.*tell)(expr.span.begin, outcome.note->text);
            }
            if (!outcome.cell) {
                result->clear(row, step);
            } else if (binary.return_bool) {
                result->set(row, step, outcome.holds ? 1 : 0);
            } else if (!is_comparison(binary.op)) {
                result->set(row, step, std::move(outcome.cell));
            } else if (!outcome.holds) {
                result->clear(row, step);  // Otherwise the vector's value stays, on whichever side it stands.
            }
        }
        if (!renames) continue;
        result->set_labels(row, evaluator.renamed(result->labels(row)));
        result->set_drop_name(row, true);
    }
    result->drop_empty_rows();
    if (renames && !evaluator.options.delayed_name_removal) {
        if (Result<void> merged = evaluator.merge_same_labels(*result); !merged) return merged.error();
    }
    return result;
}

}  // namespace

Result<Grid> evaluate_binary(Evaluator& evaluator, const Expr& expr, const Binary& binary, const Steps& steps) {
    bool left_scalar = binary.left->type() == ValueType::kScalar;
    bool right_scalar = binary.right->type() == ValueType::kScalar;
    if (left_scalar && right_scalar) return scalar_scalar(evaluator, binary, steps);
    if (left_scalar || right_scalar) return vector_scalar(evaluator, expr, binary, steps);

    Result<Grid> left = evaluator.grid(*binary.left, steps);
    if (!left) return left;
    Result<Grid> right = evaluator.grid(*binary.right, steps);
    if (!right) return right;
    if (is_set_operator(binary.op)) return combine_sets(evaluator, binary.op, *binary.matching, *left, *right);
    return match_vectors(evaluator, expr, binary, *left, *right, steps);
}

}  // namespace ringside::agent::promql
