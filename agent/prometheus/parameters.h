// Parameters of the query API, as Prometheus reads them. Errors are kInvalid in its words, such as
// `invalid parameter "time": cannot parse "x" to a valid timestamp`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/http/form.h"
#include "agent/promql/syntax/matcher.h"

namespace ringside::agent {

// Seconds, or RFC 3339; in milliseconds. Within three centuries of 1970, so that nanoseconds fit as well.
Result<std::int64_t> parse_time_ms(const std::string& text);
// Seconds, or as the query language writes it: 1h30m.
Result<std::int64_t> parse_duration_ms(const std::string& text);

// The parameter, or `otherwise` where it is missing.
Result<std::int64_t> time_parameter(const HttpForm& form, const std::string& name, std::int64_t otherwise);
Result<std::int64_t> duration_parameter(const HttpForm& form, const std::string& name, std::int64_t otherwise);
// 0: no limit.
Result<std::size_t> limit_parameter(const HttpForm& form, const std::string& name);

inline constexpr std::int64_t kAllTimeMs = 9'000'000'000'000;

struct Period {
    std::int64_t begin_ms = 0, end_ms = 0;
};
// `start` and `end`, kAllTimeMs before and after 1970 where they are missing. The end may be before the start: nothing is
// between them then.
Result<Period> period_parameter(const HttpForm& form);

// Each `match[]`. Errors are those of the selector alone.
Result<std::vector<Selector>> match_parameter(const HttpForm& form);

Error invalid_parameter(const std::string& name, const std::string& why);

// A label's name out of a path: U__ begins one in which _XX_ stands for a character that a path or a label cannot have.
std::string unescaped_label(const std::string& name);

}  // namespace ringside::agent
