// One `eval` of a script against the engine, in each way in which its answer must be the same.
#pragma once

#include <optional>
#include <string>

#include "agent/promql/engine/engine.h"
#include "tests/promql/script.h"

namespace ringside::agent::promql::script {

// Why the case fails; nothing if it passes. An instant query also runs as the middle step of a range query, and with
// `@` its own time on each selector at other times.
std::optional<std::string> run_case(const Eval& eval, SampleSource& source);

}  // namespace ringside::agent::promql::script
