// A binary operator on one value of each side.
#pragma once

#include <optional>
#include <string>

#include "agent/promql/engine/grid.h"
#include "agent/promql/syntax/ast.h"
#include "agent/promql/value/notes.h"

namespace ringside::agent::promql {

// A note that is kept only if no later one replaces it: Prometheus tells one a step, the last one.
struct PendingNote {
    NoteLevel level = NoteLevel::kWarning;
    std::string text;
};

struct CellOutcome {
    Cell cell;          // none: these values have no result
    bool holds = true;  // of a comparison; the cell is the left value then
    std::optional<PendingNote> note;
};

// Any operator but the set operators.
CellOutcome apply(BinaryOp op, const Cell& left, const Cell& right);

// Two floats; a comparison gives 1 or 0.
double apply_to_scalars(BinaryOp op, double left, double right);

// Whether the result is a different thing than its operands, so that it loses the metric's name.
bool changes_meaning(BinaryOp op);

}  // namespace ringside::agent::promql
