// Queries over segments and archive files, without an agent.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/promql/run/run.h"
#include "agent/query/vm_samples.h"

namespace ringside::ctl {

using agent::Result;

struct QueriedFiles {
    agent::VmList vms;
    std::vector<std::string> unread;  // what was wrong with files that could not be opened
    std::uint64_t end_ns = 0;         // until when there is data: now, or the end of the VM that ended last
};

// Opens segments, archive files, and those that lie in folders. kNotFound when there is none, else the error of the only
// one if it cannot be opened; of several the others are answered from.
Result<QueriedFiles> open_queried_files(const std::vector<std::string>& paths, std::uint64_t now_ns);

// Without limits but that of the engine. Errors are those of check_query() and run_query().
Result<agent::QueryAnswer> query_files(const QueriedFiles& files, const agent::Query& query, std::uint64_t now_ns);

}  // namespace ringside::ctl
