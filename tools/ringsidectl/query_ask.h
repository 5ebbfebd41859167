// Asks a query of the agent, or of files: what `query` and `graph` have in common.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "tools/ringsidectl/command.h"
#include "tools/ringsidectl/exit_codes.h"
#include "tools/ringsidectl/query_table.h"

namespace ringside::ctl {

struct QueryOptions {
    std::string expression;
    std::vector<std::string> files;  // empty: the agent is asked
    std::optional<std::uint64_t> time_ns;
    std::uint64_t range_ns = 0;  // 0: at one time
    std::uint64_t step_ns = 0;   // 0: chosen so that there are at most `points` of them
    std::uint64_t lookback_ns = 0;
    std::uint64_t points = 60;
};

// EXPRESSION, FILE, --time, --range, --step, --lookback.
void add_query_options(Command& command, QueryOptions& options, const std::string& range_help);

// A round span of at least a second that cuts `range_ns` into `points` at most.
std::uint64_t step_for(std::uint64_t range_ns, std::uint64_t points);

// Of options by their names, where 0 stands for one that was left out: kInvalid if PromQL cannot tell it from 0.
Result<void> check_spans(std::initializer_list<std::pair<const char*, std::uint64_t>> spans_ns);

Result<AskedAnswer> ask(const Session& session, const QueryOptions& options);

// As fail(); of an error in the text of a query also the line and a mark below the place.
int fail_query(const agent::Error& error, const std::string& expression);

// Warnings and infos on stderr; kExitPartial if there were warnings.
ExitCode note_gaps(const agent::QueryAnswer& answer);

bool is_empty(const agent::QueryAnswer& answer);

}  // namespace ringside::ctl
