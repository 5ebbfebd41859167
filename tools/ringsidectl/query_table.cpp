#include "tools/ringsidectl/query_table.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "agent/base/labels.h"
#include "agent/promql/value/histogram_quantile.h"
#include "agent/promql/value/number.h"
#include "tools/ringsidectl/query_names.h"
#include "tools/ringsidectl/query_unit.h"
#include "tools/ringsidectl/text.h"

namespace ringside::ctl {
namespace {

namespace promql = agent::promql;
using agent::kNameLabel;
using promql::MatrixValue;
using promql::VectorValue;

constexpr std::size_t kColumnsMax = 12;  // of series beside each other

std::string number_cell(double value, const QueryUnit& unit) {
    if (!std::isfinite(value)) return promql::short_number(value);
    const bool has_text = unit.unit == "bytes" || (unit.unit == "seconds" && !unit.per_second);
    return has_text ? value_text(value, unit.unit) : number_text(value);
}

// "VALUE", of rates with their unit, which the cells do not tell.
std::string value_heading(const std::string& name, const QueryUnit& unit) {
    return unit.per_second ? name + " [" + unit_text(unit.unit, true) + "]" : name;
}

// The columns of values: one for numbers, five for histograms, or both where there are both.
class ValueColumns {
  public:
    explicit ValueColumns(QueryUnit unit) : unit_(std::move(unit)) {}

    void see(const promql::HistogramPtr& histogram) { (histogram ? has_histograms_ : has_numbers_) = true; }
    void add_to(std::vector<Column>& columns) const {
        if (has_numbers_) columns.push_back({"value", Unit::kNumber, value_heading("VALUE", unit_)});
        if (!has_histograms_) return;
        columns.push_back({"count", Unit::kNumber, value_heading("COUNT", {"", unit_.per_second})});
        for (const char* name : {"mean", "p50", "p90", "p99"}) columns.push_back({name, Unit::kNumber});
    }
    void add_to(std::vector<Value>& row, const AnyPoint& point, const QueryUnit& unit) const {
        if (has_numbers_) row.push_back(point.histogram ? Value() : Value(number_cell(point.value, unit)));
        if (!has_histograms_) return;
        if (!point.histogram) return row.resize(row.size() + 5);
        const promql::FloatHistogram& histogram = *point.histogram;
        const QueryUnit of_each{unit.unit, false};  // also where the count is a rate
        row.emplace_back(number_cell(histogram.count, {}));
        if (histogram.count == 0) return row.resize(row.size() + 4);
        row.emplace_back(number_cell(histogram.sum / histogram.count, of_each));
        for (const double q : {0.5, 0.9, 0.99}) {
            row.emplace_back(number_cell(promql::quantile(q, histogram).value, of_each));
        }
    }

  private:
    const QueryUnit unit_;
    bool has_numbers_ = false, has_histograms_ = false;
};

// Whole seconds need no decimals.
Unit time_unit(const std::set<std::int64_t>& times_ms) {
    const bool whole = std::ranges::all_of(times_ms, [](std::int64_t ms) { return ms % 1000 == 0; });
    return whole ? Unit::kTime : Unit::kTimeMs;
}

std::string upper(std::string text) {
    std::ranges::transform(text, text.begin(),
                           [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    return text;
}

// "http_requests_total{job="ringside"} at 2026-11-21T20:40:55Z".
std::string title_at(const promql::Labels& common, std::int64_t time_ms) {
    const std::string text = series_text(common);
    return (text.empty() ? "at " : text + " at ") + cell_text(time_of(time_ms), time_unit({time_ms}));
}

// Values that still have their metric's name have its unit, others that of the query.
QueryUnit unit_of(const promql::Labels& labels, const QueryUnit& of_query) {
    return labels.metric_name().empty() ? of_query : unit_of_metric(labels.metric_name());
}

// A column a label; of different metrics, which differ in most labels, one for all of them.
Section vector_table(const VectorValue& vector, std::int64_t time_ms, const QueryUnit& unit) {
    std::vector<promql::Labels> series;
    ValueColumns values(unit);
    for (const promql::Sample& sample : vector) {
        series.push_back(sample.labels);
        values.see(sample.histogram);
    }
    const SeriesNames names = names_of(series);
    const bool are_metrics = !names.differing.empty() && names.differing.front() == kNameLabel;
    Section table{.name = "samples", .title = title_at(names.common, time_ms)};
    if (are_metrics) {
        table.columns.push_back({"series"});
    } else {
        for (const std::string& name : names.differing) {
            table.columns.push_back({name, Unit::kText, printable(upper(name))});
        }
    }
    values.add_to(table.columns);
    for (const promql::Sample& sample : vector) {
        std::vector<Value>& row = table.rows.emplace_back();
        if (are_metrics) {
            row.emplace_back(series_text(only(sample.labels, names.differing)));
        } else {
            for (const std::string& name : names.differing) row.emplace_back(std::string(sample.labels.get(name)));
        }
        values.add_to(row, {time_ms, sample.value, sample.histogram}, unit_of(sample.labels, unit));
    }
    return table;
}

// A line a point.
Section series_table(const promql::Series& series, const std::string& title, const QueryUnit& of_query) {
    const QueryUnit unit = unit_of(series.labels, of_query);
    const std::vector<AnyPoint> points = points_of(series);
    ValueColumns values(unit);
    std::set<std::int64_t> times;
    for (const AnyPoint& point : points) {
        values.see(point.histogram);
        times.insert(point.time_ms);
    }
    Section table{.name = "samples", .title = title, .columns = {{"time_ns", time_unit(times), "TIME"}}};
    values.add_to(table.columns);
    for (const AnyPoint& point : points) {
        std::vector<Value>& row = table.rows.emplace_back();
        row.push_back(time_of(point.time_ms));
        values.add_to(row, point, unit);
    }
    return table;
}

// A column a series of numbers.
Section side_by_side(const MatrixValue& matrix, const std::vector<promql::Labels>& series, const QueryUnit& of_query) {
    const SeriesNames names = names_of(series);
    const std::string common = series_text(names.common);
    std::set<std::int64_t> times;
    std::vector<std::map<std::int64_t, double>> values;
    for (const promql::Series& one : matrix) {
        auto& of_series = values.emplace_back();
        for (const promql::Point& point : one.points) {
            of_series.emplace(point.time_ms, point.value);
            times.insert(point.time_ms);
        }
    }
    Section table{.name = "samples",
                  .title = value_heading(common + (common.empty() ? "by " : " by ") + short_names_of(names), of_query),
                  .columns = {{"time_ns", time_unit(times), "TIME"}}};
    for (const std::string& name : short_names(series)) {
        table.columns.push_back({"value", Unit::kNumber, printable(name)});
    }
    for (std::int64_t time_ms : times) {
        std::vector<Value>& row = table.rows.emplace_back();
        row.push_back(time_of(time_ms));
        for (std::size_t i = 0; i < values.size(); ++i) {
            const auto found = values[i].find(time_ms);
            row.push_back(found == values[i].end() ? Value()
                                                   : Value(number_cell(found->second, unit_of(series[i], of_query))));
        }
    }
    return table;
}

std::vector<Section> matrix_tables(const MatrixValue& matrix, std::size_t width, const QueryUnit& unit) {
    std::vector<promql::Labels> series;
    for (const promql::Series& one : matrix) series.push_back(one.labels);
    const bool are_numbers =
        std::ranges::all_of(matrix, [](const promql::Series& one) { return one.histograms.empty(); });
    if (are_numbers && matrix.size() > 1 && matrix.size() <= kColumnsMax) {
        Section table = side_by_side(matrix, series, unit);
        if (width == 0 || table_width(table) <= width) return {std::move(table)};
    }
    std::vector<Section> tables;
    for (const promql::Series& one : matrix) tables.push_back(series_table(one, series_text(one.labels), unit));
    return tables;
}

}  // namespace

std::vector<Section> answer_tables(const AskedAnswer& asked, std::size_t width) {
    const promql::QueryValue& value = asked.answer.value;
    const QueryUnit unit = unit_of_query(asked.query.text);
    if (const auto* vector = std::get_if<VectorValue>(&value)) {
        return {vector_table(*vector, asked.query.begin_ms, unit)};
    }
    if (const auto* matrix = std::get_if<MatrixValue>(&value)) return matrix_tables(*matrix, width, unit);
    Section single{.name = "samples", .columns = {{"value", Unit::kNumber}}};
    if (const auto* scalar = std::get_if<promql::ScalarValue>(&value)) {
        single.rows.push_back({number_cell(scalar->value, unit)});
    } else {
        single.rows.push_back({std::get<promql::StringValue>(value).value});
    }
    return {single};
}

std::string nothing_found(const AskedAnswer& asked, bool has_agent) {
    for (const agent::ReadReport& report : asked.answer.reports) {
        if (report.windows > 0) continue;
        const std::string files = "`ringsidectl segment dump FILE` lists the series and times of a file";
        const std::string live =
            "`ringsidectl ls --all` lists VMs and `ringsidectl show VM --series` the series of one";
        const bool has_series = !report.series_by_resolution_s.empty();
        return std::string(has_series ? "no window of a series that fits " : "no series fits ") +
               (report.selector.empty() ? "the query" : report.selector) +
               (has_series ? " lies in the time that was asked for; move it with --time; "
                           : " in the time that was asked for; ") +
               (has_agent ? live : files);
    }
    return "no series is left of what was read; --explain tells what that was";
}

}  // namespace ringside::ctl
