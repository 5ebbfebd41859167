// The agent's log: one line a fact, on standard error. The only file that knows spdlog is log.cpp.
#pragma once

#include <string>

#include "agent/config.h"

namespace ringside::agent {

// Before this, lines go out as text at level info. `level` is one that parse_log_level took. LogFormat::kAuto asks
// whether standard error is the journal's own stream. Any thread may log, also while the level changes.
void start_log(LogFormat format, const std::string& level);
void set_log_level(const std::string& level);

// Newlines in `text` become spaces: what a VM wrote can never look like a line of its own.
void log_debug(const std::string& text);
void log_info(const std::string& text);
void log_warning(const std::string& text);
void log_error(const std::string& text);

}  // namespace ringside::agent
