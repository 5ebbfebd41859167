// promql_answers < questions.json: what our engine answers to range queries over series in memory, for comparison with
// another engine over the same samples. One JSON document in, one out:
//
//   {"lookback_ms": L, "series": [{"labels": {...}, "samples": [[ms, value], ...]}],
//    "queries": [{"query": Q, "begin_ms": B, "end_ms": E, "step_ms": S}]}
//   [{"error": text} or {"series": [{"labels": {...}, "points": [[ms, "value"], ...]}]}, ...]
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "agent/promql/engine/engine.h"
#include "agent/promql/syntax/parser.h"
#include "agent/promql/value/number.h"
#include "tests/support/promql_memory_source.h"

namespace ringside::agent::promql {
namespace {

using nlohmann::json;

MemorySource source_of(const json& all) {
    MemorySource source;
    for (const json& one : all) {
        LabelsBuilder builder;
        for (const auto& [name, value] : one["labels"].items()) builder.set(name, value.get<std::string>());
        const Labels labels = builder.labels();
        for (const json& sample : one["samples"]) {
            // JSON has no stale marker: null is one.
            source.add(labels, sample[0].get<std::int64_t>(),
                       sample[1].is_null() ? stale_value() : sample[1].get<double>());
        }
    }
    return source;
}

json series_json(const Series& series) {
    json labels = json::object(), points = json::array();
    for (const Label& label : series.labels.set()) labels[label.name] = label.value;
    for (const Point& point : series.points) points.push_back({point.time_ms, plain_number(point.value)});
    return {{"labels", labels}, {"points", points}};
}

json answer_to(const json& query, const Engine& engine, SampleSource& source) {
    const auto expr = parse_query(query["query"].get<std::string>(), {});
    if (!expr.ok()) return {{"error", expr.error().context}};
    const auto answer = engine.range(**expr, query["begin_ms"], query["end_ms"], query["step_ms"], source, {});
    if (!answer.ok()) return {{"error", answer.error().context}};
    json series = json::array();
    for (const Series& one : std::get<MatrixValue>(answer->value)) series.push_back(series_json(one));
    return {{"series", series}};
}

int run() {
    const json questions = json::parse(std::string(std::istreambuf_iterator<char>(std::cin), {}));
    MemorySource source = source_of(questions["series"]);
    EngineOptions options;
    options.lookback_ms = questions["lookback_ms"];
    const Engine engine(options);
    json answers = json::array();
    for (const json& query : questions["queries"]) answers.push_back(answer_to(query, engine, source));
    std::cout << answers.dump() << "\n";
    return 0;
}

}  // namespace
}  // namespace ringside::agent::promql

int main() { return ringside::agent::promql::run(); }
