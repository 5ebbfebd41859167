// In which unit the values of a query are, as far as the names of its metrics tell.
#pragma once

#include <string>
#include <string_view>

#include "agent/promql/syntax/ast.h"

namespace ringside::ctl {

struct QueryUnit {
    std::string unit;         // "bytes", "seconds"; "": a plain number, or not known
    bool per_second = false;  // a rate of it
    bool operator==(const QueryUnit&) const = default;
};

// By the end of the metrics' names, `_bytes` and `_seconds` with or without `_total`, and what functions make of it.
// Says too little rather than something wrong.
QueryUnit unit_of(const agent::promql::Expr& expr);
QueryUnit unit_of_query(const std::string& text);  // {} where it cannot be read
QueryUnit unit_of_metric(std::string_view metric_name);

}  // namespace ringside::ctl
