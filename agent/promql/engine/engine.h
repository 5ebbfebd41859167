// Answers queries. Pure: samples come from a source, limits from the caller; no clock, no globals, no threads. One
// engine may answer any number of queries at once.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "agent/base/result.h"
#include "agent/promql/engine/source.h"
#include "agent/promql/syntax/ast.h"
#include "agent/promql/value/notes.h"

namespace ringside::agent::promql {

struct EngineOptions {
    std::int64_t lookback_ms = 5 * 60 * 1000;           // how long a sample stands for its series
    std::int64_t default_subquery_step_ms = 60 * 1000;  // of a subquery without a step, as in [1h:]
    // What Prometheus hides behind feature flags.
    bool delayed_name_removal = false;  // names go at the end of a query instead of with each function
    bool start_timestamps = false;      // rate() and others heed since when a counter counts
    bool type_and_unit_labels = false;  // rate() asks __type__, not the name, whether it has a counter
};

struct EvaluationLimits {
    // In memory at once. A histogram counts as one for each 16 bytes of it, and each step of each series that an
    // expression comes to as one, with a value or without.
    std::uint64_t samples_max = 50'000'000;
    std::size_t depth_max = 512;  // of nested expressions
    // Asked now and then; a query ends with kTimeout once it says true. May be null.
    std::function<bool()> out_of_time;
};

struct Point {
    std::int64_t time_ms = 0;
    double value = 0;
};
struct HistogramPoint {
    std::int64_t time_ms = 0;
    HistogramPtr value;
};

// Points by rising time; floats and histograms apart.
struct Series {
    Labels labels;
    std::vector<Point> points;
    std::vector<HistogramPoint> histograms;
};
struct Sample {
    Labels labels;
    double value = 0;
    HistogramPtr histogram;  // if set, this is the value
};

struct ScalarValue {
    double value = 0;
};
struct StringValue {
    std::string value;
};
using VectorValue = std::vector<Sample>;  // in the order of the query: sort() and topk() mean it
using MatrixValue = std::vector<Series>;  // by labels
using QueryValue = std::variant<ScalarValue, StringValue, VectorValue, MatrixValue>;

struct QueryStats {
    std::uint64_t samples_read = 0;
    std::uint64_t samples_peak = 0;  // in memory at once, as samples_max counts them
};

struct QueryResult {
    QueryValue value;
    std::vector<Note> notes;
    std::vector<std::string> warnings;  // of the source
    QueryStats stats;
};

class Engine {
  public:
    explicit Engine(EngineOptions options = {}) : options_(options) {}
    const EngineOptions& options() const { return options_; }

    // The value at one time. Range selectors and strings are allowed.
    Result<QueryResult> instant(const Expr& expr, std::int64_t time_ms, SampleSource& source,
                                const EvaluationLimits& limits) const;

    // The values at begin, begin + step, ... up to end: always a MatrixValue. `step_ms` > 0, begin <= end.
    Result<QueryResult> range(const Expr& expr, std::int64_t begin_ms, std::int64_t end_ms, std::int64_t step_ms,
                              SampleSource& source, const EvaluationLimits& limits) const;

    // Errors of both, in Prometheus' words: kInvalid for what is wrong with query or data (duplicate series, many to
    // many), kExhausted for too many samples or too deep a query, kTimeout; and what the source fails with.

  private:
    EngineOptions options_;
};

}  // namespace ringside::agent::promql
