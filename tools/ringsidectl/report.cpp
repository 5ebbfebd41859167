#include "tools/ringsidectl/report.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "tools/ringsidectl/text.h"

namespace ringside::ctl {

ExitCode exit_code_of(agent::Code code) {
    switch (code) {
        case agent::Code::kInvalid: return kExitUsage;
        case agent::Code::kNotFound: return kExitNotFound;
        case agent::Code::kDenied: return kExitDenied;
        case agent::Code::kExists:
        case agent::Code::kPrecondition:
        case agent::Code::kExhausted: return kExitRefused;
        case agent::Code::kUnavailable:
        case agent::Code::kTimeout: return kExitUnavailable;
        case agent::Code::kCorrupt: return kExitInvalid;
        case agent::Code::kIo:
        case agent::Code::kInternal: break;
    }
    return kExitError;
}

int fail(ExitCode code, const std::string& text) {
    note(text);
    return code;
}

int fail(const agent::Error& error) { return fail(exit_code_of(error.code), error.message()); }

void note(const std::string& text) {
    std::fflush(stdout);  // what was printed before stands before
    std::fprintf(stderr, "ringsidectl: %s\n", printable(text).c_str());
}

int finish(Output& output, ExitCode code) {
    if (output.flush()) return code;
    const int cause = errno;
    return fail(kExitError, std::string("cannot write to stdout: ") + std::strerror(cause));
}

}  // namespace ringside::ctl
