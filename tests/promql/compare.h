// Whether a result is what a script expects.
#pragma once

#include <optional>
#include <string>

#include "agent/promql/engine/engine.h"
#include "tests/promql/script.h"

namespace ringside::agent::promql::script {

// Why it is not; nothing if it is. Values are equal within a relative 1e-6, NaN equals NaN.
std::optional<std::string> compare(const Eval& eval, const QueryValue& value);

// The notes against the `expect` lines; without such lines anything goes.
std::optional<std::string> compare_notes(const Eval& eval, const std::vector<Note>& notes);

// A failed query against `expect fail`.
std::optional<std::string> compare_failure(const Eval& eval, const Error& error);

// Series must come by rising labels, each once.
std::optional<std::string> unsorted(const MatrixValue& matrix);

}  // namespace ringside::agent::promql::script
