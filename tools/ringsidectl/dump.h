// Prints a segment or an archive file: `segment dump`, and `blackbox show`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/ringsidectl/session.h"

namespace ringside::ctl {

struct DumpOptions {
    std::string path;
    std::optional<std::string> series;  // a selector: also the windows of these
    std::string tier;                   // empty: the finest
    std::vector<std::string> columns;
    std::string section;  // of the answer; empty: all
};

// The exit code.
int run_dump(const Session& session, const DumpOptions& options);

}  // namespace ringside::ctl
