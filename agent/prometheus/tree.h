// The tree of a query as JSON, for user interfaces that draw it.
#pragma once

#include <string>

#include "agent/promql/syntax/ast.h"

namespace ringside::agent {

// As Prometheus' parse_query has it. Recurses as deep as the parser's limit allows.
void append_json_tree(std::string& out, const promql::Expr& expr);

}  // namespace ringside::agent
