// The exit codes of ringsidectl. This table is the only one: --help and the man page print it,
// scripts rely on the numbers, so a number is never given another meaning.
#pragma once

#include <array>

namespace ringside::ctl {

enum ExitCode : int {
    kExitOk = 0,
    kExitError = 1,
    kExitUsage = 2,
    kExitNotFound = 3,
    kExitUnavailable = 4,
    kExitPartial = 5,
    kExitDenied = 6,
    kExitInvalid = 7,
    kExitRefused = 8,
};

struct ExitCodeText {
    ExitCode code;
    const char* text;
};

inline constexpr std::array<ExitCodeText, 9> kExitCodes{{
    {kExitOk, "done"},
    {kExitError, "failed for a reason that has no number of its own; the message says which"},
    {kExitUsage, "the command line is wrong; nothing was done"},
    {kExitNotFound, "no such VM, series, schema or file"},
    {kExitUnavailable, "the agent is not running or did not answer in time"},
    {kExitPartial, "an answer was printed, but part of it is missing; stderr says which"},
    {kExitDenied, "not permitted"},
    {kExitInvalid, "what was checked breaks a rule (schema, segment or archive file)"},
    {kExitRefused,
     "the agent or the system refused: a budget or memory is full, it exists already, or its state forbids it"},
}};

}  // namespace ringside::ctl
