// The columns of `stat`: what to take from which series, and the arithmetic over one interval.
#pragma once

#include <ringside/v1/schema.pb.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/promql/syntax/matcher.h"
#include "tools/ringsidectl/output.h"
#include "tools/ringsidectl/points.h"

namespace ringside::ctl {

namespace v1 = ringside::v1;
using agent::Result;

enum class StatFunction {
    kRate,      // counters: increase a second, summed over the series; histograms: observations a second
    kIncrease,  // the same without the division
    kLast,      // gauges: the newest value, summed over the series
    kAvg,       // gauges, histograms: mean over the interval, of all observations (levels: weighted by time)
    kMin,       // gauges
    kMax,       // gauges
    kQuantile,  // histograms, merged over the series
};

struct StatColumn {
    std::string name;
    agent::Selector selector;
    std::string metric;                    // that it selects by name
    std::optional<StatFunction> function;  // absent until resolved: the default of the kind
    double quantile = 0;

    // From the schema, by resolve_columns.
    v1::MetricKind kind = v1::METRIC_KIND_UNSPECIFIED;
    std::string unit;
    std::uint32_t resolution_s = 0;
};

// "name=metric{label="value"}:function", name and function optional, columns separated by commas. Functions: rate,
// increase, last, avg, min, max, p50, p90, p99, p99.9 and so on. kInvalid says which column is wrong and why.
Result<std::vector<StatColumn>> parse_columns(std::string_view text);

// Columns for a schema when none were asked for: a set made for it, or one column for each metric that has a sensible one.
std::vector<StatColumn> default_columns(const v1::Schema& schema);

// Finds each column's metric, its function where none was given (rate, last), and its tier: the
// finest that keeps what the function needs. kNotFound for a metric that the schema does not have, kInvalid for a
// function that the kind does not have, or that no tier keeps the columns for.
Result<void> resolve_columns(std::vector<StatColumn>& columns, const v1::Schema& schema);

// For the table: "1/s", "B/s", "s".
Column output_column(const StatColumn& column);

// The value over (begin_ns, end_ns], or unknown. `series` may hold others as well.
Value stat_value(const StatColumn& column, const std::vector<SeriesOfPoints>& series, std::uint64_t begin_ns,
                 std::uint64_t end_ns);

}  // namespace ringside::ctl
