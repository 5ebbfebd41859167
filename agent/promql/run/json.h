// Results as JSON, written straight into a string: a range query may have ten million samples.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/promql/engine/engine.h"
#include "agent/promql/run/run.h"

namespace ringside::agent {

void append_json(std::string& out, std::string_view text);      // in quotes; what is no UTF-8 becomes U+FFFD
void append_json_value(std::string& out, double value);         // in quotes, as Prometheus writes it
void append_json_time(std::string& out, std::int64_t time_ms);  // seconds
void append_json(std::string& out, const promql::Labels& labels);
void append_json(std::string& out, const promql::FloatHistogram& histogram);

// `"resultType":"matrix","result":[...]`. Asks `room` after each series whether so many bytes in all may stay.
Result<void> append_json(std::string& out, const promql::QueryValue& value, std::int64_t time_ms,
                         const std::function<Result<void>(std::size_t bytes)>& room);

// The same as an object: what the HTTP API has under "data". With `stats` also what the answer has cost as Prometheus tells it,
// and under "ringside" where the samples came from.
Result<void> append_json(std::string& out, const QueryAnswer& answer, std::int64_t time_ms, bool stats,
                         const std::function<Result<void>(std::size_t bytes)>& room);

}  // namespace ringside::agent
