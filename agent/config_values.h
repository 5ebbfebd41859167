// How the single values of options are read and written. Each reader gives kInvalid with the value and the form it
// should have had.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/labels.h"
#include "agent/base/result.h"
#include "agent/config.h"

namespace ringside::agent {

// "forms" that are named in errors and in --help alike.
Result<std::string> parse_path(const std::string& text);  // absolute, without a final slash
Result<mode_t> parse_mode(const std::string& text);       // octal, permission bits only
std::string mode_text(mode_t mode);
Result<bool> parse_bool(const std::string& text);              // true, false (and on, off, yes, no, 1, 0)
Result<std::uint32_t> parse_percent(const std::string& text);  // 0 to 100, no sign
Result<std::uint32_t> parse_user(const std::string& text);     // a number, or a name that this host knows
Result<std::uint32_t> parse_group(const std::string& text);
// "ADDRESS:PORT", "[ADDRESS]:PORT" with a numeric address, or "off" for ("", 0).
Result<std::pair<std::string, std::uint16_t>> parse_listen(const std::string& text);
std::string listen_text(const std::string& address, std::uint16_t port);
Result<UpstreamConfig> parse_upstream(const std::string& text);  // NAME=URL
Result<Label> parse_label(const std::string& text);              // NAME=VALUE
Result<std::string> parse_log_level(const std::string& text);
Result<LogFormat> parse_log_format(const std::string& text);
const char* log_format_name(LogFormat format);

}  // namespace ringside::agent
