// Answers of queries as rows with raw values, for CSV; and what they were read from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "agent/promql/run/run.h"
#include "tools/ringsidectl/output.h"

namespace ringside::ctl {

// An answer with what was asked.
struct AskedAnswer {
    agent::Query query;
    agent::QueryAnswer answer;
    std::uint64_t now_ns = 0;  // when it was asked
};

// What was asked, a row for each sample, and a row for each selection. The second is that of the CSV.
Document answer_document(const AskedAnswer& asked);

// One row of the second for each sample: `metric`, `labels`, `time_ns`, `value`, `histogram`.
std::vector<Column> sample_columns();
std::vector<std::vector<Value>> sample_rows(const AskedAnswer& asked);

// For people: what the answer has cost, and from which tiers and columns each selector was read: a table where `width` columns
// (0: no limit) are enough.
std::vector<Section> explain_tables(const AskedAnswer& asked, std::size_t width);

// A point of either kind.
struct AnyPoint {
    std::int64_t time_ms = 0;
    double value = 0;
    agent::promql::HistogramPtr histogram;  // if it is there, this is the value
};
std::vector<AnyPoint> points_of(const agent::promql::Series& series);  // by rising time

std::int64_t ns_of(std::int64_t time_ms);  // saturates
Value time_of(std::int64_t time_ms);       // ns since 1970

}  // namespace ringside::ctl
