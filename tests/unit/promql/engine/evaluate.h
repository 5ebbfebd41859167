// Queries in one line, for tests of the engine.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "agent/promql/engine/engine.h"
#include "agent/promql/syntax/parser.h"
#include "agent/promql/value/number.h"
#include "tests/support/promql_memory_source.h"

namespace ringside::agent::promql {

inline Result<QueryResult> instant(const std::string& query, std::int64_t time_ms, SampleSource& source,
                                   EngineOptions options = {}, EvaluationLimits limits = {}) {
    Result<ExprPtr> expr = parse_query(query, ParseOptions::all());
    if (!expr) return expr.error();
    return Engine(options).instant(**expr, time_ms, source, limits);
}

inline Result<QueryResult> range(const std::string& query, std::int64_t begin_ms, std::int64_t end_ms,
                                 std::int64_t step_ms, SampleSource& source, EngineOptions options = {},
                                 EvaluationLimits limits = {}) {
    Result<ExprPtr> expr = parse_query(query, ParseOptions::all());
    if (!expr) return expr.error();
    return Engine(options).range(**expr, begin_ms, end_ms, step_ms, source, limits);
}

// {a="1"} 2; {a="2"} 3 - or why there is no such thing.
inline std::string text_of(const Result<QueryResult>& result) {
    if (!result) return "error: " + result.error().context;
    std::string text;
    auto append = [&](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
    if (const auto* scalar = std::get_if<ScalarValue>(&result->value)) append(short_number(scalar->value));
    if (const auto* string = std::get_if<StringValue>(&result->value)) append(string->value);
    if (const auto* vector = std::get_if<VectorValue>(&result->value)) {
        for (const Sample& sample : *vector) {
            append(sample.labels.text() + " " +
                   (sample.histogram ? sample.histogram->text() : short_number(sample.value)));
        }
    }
    if (const auto* matrix = std::get_if<MatrixValue>(&result->value)) {
        for (const Series& series : *matrix) {
            std::string line = series.labels.text();
            for (const Point& point : series.points) {
                line += " " + short_number(point.value) + "@" + std::to_string(point.time_ms / 1000);
            }
            append(line);
        }
    }
    return text;
}

}  // namespace ringside::agent::promql
