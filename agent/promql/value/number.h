// Numbers as Prometheus writes them. All of these use the fewest digits that read back as the same number, and write
// NaN, +Inf and -Inf.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ringside::agent::promql {

// Never an exponent: 100000000000000000000000, 0.000001. In values of the API, in count_values().
std::string plain_number(double value);

// An exponent below 1e-4 and from 1e21 on: 1e+21, 1e-05. In texts and messages (Go's %g).
std::string short_number(double value);

// With a point or an exponent, so that `1` reads "1.0": the value of a `le` or `quantile` label.
std::string open_metrics_number(double value);

// What the value of a `le` label means. Decimal or hexadecimal floating point, Inf, NaN; nothing else and nothing
// around it.
std::optional<double> parse_number(std::string_view text);

}  // namespace ringside::agent::promql
