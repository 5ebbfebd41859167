// How a command says that something went wrong: one line on stderr and an exit code of exit_codes.h.
#pragma once

#include <string>

#include "agent/base/result.h"
#include "tools/ringsidectl/exit_codes.h"
#include "tools/ringsidectl/output.h"

namespace ringside::ctl {

ExitCode exit_code_of(agent::Code code);

// Prints "ringsidectl: <text>", escaped for terminals, and hands the code back for `return fail(...)`. The text says what
// was wrong and the next step.
int fail(ExitCode code, const std::string& text);
int fail(const agent::Error& error);

// The same for what is worth knowing and changes nothing but a kExitOk into a kExitPartial, if the caller says so.
void note(const std::string& text);

// The end of every command: `code`, unless stdout could not take what was printed.
int finish(Output& output, ExitCode code = kExitOk);

}  // namespace ringside::ctl
