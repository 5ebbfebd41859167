#include "tools/ringsidectl/query_rows.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "agent/promql/value/number.h"
#include "tools/ringsidectl/points.h"
#include "tools/ringsidectl/query_names.h"
#include "tools/ringsidectl/text.h"

namespace ringside::ctl {
namespace {

namespace promql = agent::promql;

constexpr std::int64_t kNsPerMs = 1'000'000;

Value value_of(double value) {
    if (std::isfinite(value)) return value;
    return promql::short_number(value);
}

const char* type_name(const promql::QueryValue& value) {
    if (std::holds_alternative<promql::ScalarValue>(value)) return "scalar";
    if (std::holds_alternative<promql::StringValue>(value)) return "string";
    return std::holds_alternative<promql::VectorValue>(value) ? "vector" : "matrix";
}

Section selections_section(const AskedAnswer& asked) {
    Section section{.name = "selections",
                    .title = "Selections",
                    .columns = {{"selector"},
                                {"tiers"},
                                {"columns"},
                                {"series_count", Unit::kNumber, "SERIES"},
                                {"windows", Unit::kNumber},
                                {"bytes", Unit::kBytes},
                                {"newest_ns", Unit::kTimeMs},
                                {"newest_age_ns", Unit::kDuration, "AGE"}}};
    for (const agent::ReadReport& report : asked.answer.reports) {
        Texts tiers;
        std::uint64_t series = 0;
        for (const auto& [resolution_s, count] : report.series_by_resolution_s) {
            tiers.push_back(duration_text(resolution_s * 1e9));
            series += count;
        }
        const auto newest_ns = static_cast<std::uint64_t>(ns_of(report.newest_ms));
        const bool known = report.newest_ms > 0;
        section.rows.push_back({report.selector, tiers, column_names(report.columns), series, report.windows,
                                report.bytes, known ? Value(newest_ns) : Value(),
                                known ? Value(asked.now_ns > newest_ns ? asked.now_ns - newest_ns : 0) : Value()});
    }
    return section;
}

Section query_section(const AskedAnswer& asked) {
    const agent::Query& query = asked.query;
    const bool is_range = query.step_ms != 0;
    return {.name = "query",
            .title = "Query",
            .columns = {{"expression"},
                        {"type"},
                        {"begin_ns", Unit::kTimeMs},
                        {"end_ns", Unit::kTimeMs},
                        {"step_ns", Unit::kDuration},
                        {"samples_read", Unit::kNumber},
                        {"samples_peak", Unit::kNumber},
                        {"evaluation_ns", Unit::kDuration},
                        {"warnings"},
                        {"infos"}},
            .rows = {{query.text, std::string(type_name(asked.answer.value)), time_of(query.begin_ms),
                      time_of(is_range ? query.end_ms : query.begin_ms),
                      is_range ? Value(static_cast<std::uint64_t>(ns_of(query.step_ms))) : Value(),
                      asked.answer.stats.samples_read, asked.answer.stats.samples_peak,
                      static_cast<std::uint64_t>(asked.answer.took.count()), Texts(asked.answer.warnings),
                      Texts(asked.answer.infos)}},
            .single = true};
}

}  // namespace

std::int64_t ns_of(std::int64_t time_ms) {
    if (time_ms > INT64_MAX / kNsPerMs) return INT64_MAX;
    if (time_ms < INT64_MIN / kNsPerMs) return INT64_MIN;
    return time_ms * kNsPerMs;
}

Value time_of(std::int64_t time_ms) {
    const std::int64_t ns = ns_of(time_ms);
    return ns >= 0 ? Value(static_cast<std::uint64_t>(ns)) : Value(ns);
}

std::vector<AnyPoint> points_of(const promql::Series& series) {
    std::vector<AnyPoint> points;
    points.reserve(series.points.size() + series.histograms.size());
    for (const promql::Point& point : series.points) points.push_back({point.time_ms, point.value, nullptr});
    for (const promql::HistogramPoint& point : series.histograms) points.push_back({point.time_ms, 0, point.value});
    std::ranges::stable_sort(points, {}, &AnyPoint::time_ms);
    return points;
}

std::vector<Column> sample_columns() {
    return {{"metric"}, {"labels"}, {"time_ns", Unit::kTimeMs}, {"value", Unit::kNumber}, {"histogram"}};
}

std::vector<std::vector<Value>> sample_rows(const AskedAnswer& asked) {
    std::vector<std::vector<Value>> rows;
    const auto add = [&rows](const promql::Labels& labels, std::int64_t time_ms, Value value, Value histogram) {
        rows.push_back({std::string(labels.metric_name()), labels_of(labels), time_of(time_ms), std::move(value),
                        std::move(histogram)});
    };
    const auto add_point = [&add](const promql::Labels& labels, const AnyPoint& point) {
        if (point.histogram) {
            add(labels, point.time_ms, {}, point.histogram->text());
        } else {
            add(labels, point.time_ms, value_of(point.value), {});
        }
    };
    const promql::QueryValue& value = asked.answer.value;
    const std::int64_t time_ms = asked.query.begin_ms;
    if (const auto* scalar = std::get_if<promql::ScalarValue>(&value)) {
        add({}, time_ms, value_of(scalar->value), {});
    } else if (const auto* text = std::get_if<promql::StringValue>(&value)) {
        add({}, time_ms, text->value, {});
    } else if (const auto* vector = std::get_if<promql::VectorValue>(&value)) {
        for (const promql::Sample& sample : *vector)
            add_point(sample.labels, {time_ms, sample.value, sample.histogram});
    } else {
        for (const promql::Series& series : std::get<promql::MatrixValue>(value)) {
            for (const AnyPoint& point : points_of(series)) add_point(series.labels, point);
        }
    }
    return rows;
}

Document answer_document(const AskedAnswer& asked) {
    Document document{.kind = "query", .csv = 1};
    document.sections = {query_section(asked),
                         {.name = "samples", .columns = sample_columns(), .rows = sample_rows(asked)},
                         selections_section(asked)};
    return document;
}

std::vector<Section> explain_tables(const AskedAnswer& asked, std::size_t width) {
    Section query = query_section(asked);
    // Notes stand on stderr, and the expression on the line above.
    std::vector<const char*> left_out{"infos", "warnings", "expression"};
    if (asked.query.step_ms == 0) {
        left_out.insert(left_out.end(), {"end_ns", "step_ns"});
        std::ranges::find(query.columns, "begin_ns", &Column::name)->heading = "TIME";
    }
    for (const char* name : left_out) {
        const auto at = std::ranges::find(query.columns, name, &Column::name) - query.columns.begin();
        query.columns.erase(query.columns.begin() + at);
        query.rows[0].erase(query.rows[0].begin() + at);
    }
    std::vector<Section> tables{std::move(query)};
    if (asked.answer.reports.empty()) return tables;
    Section selections = selections_section(asked);
    selections.as_records = width != 0 && table_width(selections) > width;
    tables.push_back(std::move(selections));
    return tables;
}

}  // namespace ringside::ctl
