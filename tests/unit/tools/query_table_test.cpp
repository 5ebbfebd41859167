#include "tools/ringsidectl/query_table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tools/ringsidectl/query_ask.h"
#include "tools/ringsidectl/query_names.h"

namespace ringside::ctl {
namespace {

namespace promql = agent::promql;

constexpr std::int64_t kNoonMs = 1'700'049'600'000;  // 2023-11-15T12:00:00Z
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

promql::Labels labels(agent::LabelSet set) { return promql::Labels(std::move(set)); }

AskedAnswer asked(promql::QueryValue value, std::int64_t step_ms = 0) {
    AskedAnswer made;
    made.query = {"x", kNoonMs, kNoonMs + 2 * step_ms, step_ms, 0};
    made.answer.value = std::move(value);
    made.now_ns = static_cast<std::uint64_t>(kNoonMs + 500) * 1'000'000;
    return made;
}

std::vector<std::string> headings(const Section& section) {
    std::vector<std::string> texts;
    for (const Column& column : section.columns) texts.push_back(column.heading.empty() ? column.name : column.heading);
    return texts;
}

using Strings = std::vector<std::string>;

TEST(QueryTable, HasLabelsThatDifferInColumns) {
    const promql::VectorValue vector{
        {labels({{"__name__", "up"}, {"device", "a"}, {"job", "r"}, {"vm_id", "1"}}), 2, nullptr},
        {labels({{"__name__", "up"}, {"job", "r"}, {"vm_id", "2"}}), kNan, nullptr}};
    const auto tables = answer_tables(asked(vector), 0);
    ASSERT_EQ(tables.size(), 1u);
    EXPECT_EQ(tables[0].title, "up{job=\"r\"} at 2023-11-15T12:00:00Z");
    EXPECT_EQ(headings(tables[0]), (Strings{"VM_ID", "DEVICE", "VALUE"}));
    EXPECT_EQ(tables[0].rows[0], (std::vector<Value>{"1", "a", "2"}));
    EXPECT_EQ(tables[0].rows[1], (std::vector<Value>{"2", "", "NaN"}));
}

TEST(QueryTable, HasOneColumnForTheLabelsOfDifferentMetrics) {
    const promql::VectorValue vector{
        {labels({{"__name__", "a_bytes"}, {"b", "1"}, {"vm_id", "1"}}), 2048, nullptr},
        {labels({{"__name__", "c_seconds_total"}, {"d", "2"}, {"vm_id", "1"}}), 0.5, nullptr}};
    const auto tables = answer_tables(asked(vector), 0);
    EXPECT_EQ(tables[0].title, "{vm_id=\"1\"} at 2023-11-15T12:00:00Z");
    EXPECT_EQ(headings(tables[0]), (Strings{"series", "VALUE"}));
    EXPECT_EQ(tables[0].rows[0], (std::vector<Value>{"a_bytes{b=\"1\"}", "2KiB"}));
    EXPECT_EQ(tables[0].rows[1], (std::vector<Value>{"c_seconds_total{d=\"2\"}", "500ms"}));
}

promql::HistogramPtr histogram_of(double count, double sum) {
    auto histogram = std::make_shared<promql::FloatHistogram>();
    histogram->count = count;
    histogram->sum = sum;
    histogram->zero_threshold = 0.001;
    if (count > 0) histogram->positive = {{1, count}};  // (1, 2]
    return histogram;
}

TEST(QueryTable, TellsOfHistogramsWhatPeopleLookFor) {
    promql::VectorValue vector{{labels({{"vm_id", "1"}}), 0, histogram_of(4, 6)},
                               {labels({{"vm_id", "2"}}), 0, histogram_of(0, 0)}};
    AskedAnswer made = asked(vector);
    made.query.text = "rate(latency_seconds[1m])";
    const Section table = answer_tables(made, 0)[0];
    EXPECT_EQ(headings(table), (Strings{"VM_ID", "COUNT [1/s]", "mean", "p50", "p90", "p99"}));
    EXPECT_EQ(table.rows[0], (std::vector<Value>{"1", "4", "1.5s", "1.41s", "1.87s", "1.99s"}));
    EXPECT_EQ(table.rows[1], (std::vector<Value>{"2", "0", Value(), Value(), Value(), Value()}));
    vector.push_back({labels({{"vm_id", "3"}}), 7, nullptr});
    made.answer.value = vector;
    const Section mixed = answer_tables(made, 0)[0];
    ASSERT_EQ(mixed.columns.size(), 7u);
    EXPECT_EQ(mixed.rows[0][1], Value());
    EXPECT_EQ(mixed.rows[2], (std::vector<Value>{"3", "7", Value(), Value(), Value(), Value(), Value()}));
}

TEST(QueryTable, HasValuesInTheUnitOfTheQuery) {
    AskedAnswer made = asked(promql::VectorValue{{labels({{"vm_id", "1"}}), 3 * 1048576.0, nullptr}});
    made.query.text = "sum by (vm_id) (rate(received_bytes_total[1m]))";
    const Section table = answer_tables(made, 0)[0];
    EXPECT_EQ(headings(table), (Strings{"VALUE [B/s]"}));
    EXPECT_EQ(table.rows[0], (std::vector<Value>{"3MiB"}));
    made.query.text = "rate(requests_total[1m])";
    EXPECT_EQ(headings(answer_tables(made, 0)[0]), (Strings{"VALUE [1/s]"}));
}

promql::MatrixValue matrix_of(int series) {
    promql::MatrixValue matrix;
    for (int i = 0; i < series; ++i) {
        matrix.push_back({labels({{"__name__", "x"}, {"vm_id", std::to_string(i)}}),
                          {{kNoonMs, 1.0 * i}, {kNoonMs + 2000, 2.0 * i}},
                          {}});
    }
    return matrix;
}

TEST(QueryTable, PutsARangeSideBySideWhereThereIsRoom) {
    promql::MatrixValue matrix = matrix_of(2);
    matrix[1].points.erase(matrix[1].points.begin());
    const auto wide = answer_tables(asked(matrix, 1000), 0);
    ASSERT_EQ(wide.size(), 1u);
    EXPECT_EQ(wide[0].title, "x by vm_id");
    EXPECT_EQ(headings(wide[0]), (Strings{"TIME", "0", "1"}));
    ASSERT_EQ(wide[0].rows.size(), 2u);
    EXPECT_EQ(wide[0].rows[0][2], Value());
    EXPECT_EQ(wide[0].rows[1][2], Value("2"));
    EXPECT_EQ(wide[0].columns[0].unit, Unit::kTime);
    const auto narrow = answer_tables(asked(matrix, 1000), 25);
    ASSERT_EQ(narrow.size(), 2u);
    EXPECT_EQ(narrow[1].title, "x{vm_id=\"1\"}");
    EXPECT_EQ(headings(narrow[1]), (Strings{"TIME", "VALUE"}));
    EXPECT_EQ(answer_tables(asked(matrix_of(13), 1000), 0).size(), 13u);
}

TEST(QueryTable, ShowsMillisecondsWhereThereAreAny) {
    promql::MatrixValue matrix = matrix_of(1);
    matrix[0].points[0].time_ms += 1;
    EXPECT_EQ(answer_tables(asked(matrix, 1000), 0)[0].columns[0].unit, Unit::kTimeMs);
}

TEST(QueryRows, HasARowForEachSampleInCsv) {
    promql::MatrixValue matrix = matrix_of(1);
    auto histogram = std::make_shared<promql::FloatHistogram>();
    histogram->count = 1;
    histogram->sum = 5;
    histogram->positive = {{1, 1}};
    matrix[0].histograms.push_back({kNoonMs + 1000, histogram});
    const auto rows = sample_rows(asked(matrix, 1000));
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(rows[0][0], Value("x"));
    EXPECT_EQ(rows[0][1], Value(Labels{{"vm_id", "0"}}));
    EXPECT_EQ(rows[0][2], Value(static_cast<std::uint64_t>(kNoonMs) * 1'000'000));
    EXPECT_EQ(rows[1][3], Value());
    EXPECT_EQ(rows[1][4], Value("{count:1, sum:5, (1,2]:1}"));
    EXPECT_EQ(rows[2][3], Value(0.0));
    EXPECT_EQ(sample_rows(asked(promql::ScalarValue{-INFINITY}))[0][3], Value("-Inf"));
    EXPECT_EQ(sample_rows(asked(promql::StringValue{"s"}))[0][3], Value("s"));
}

TEST(QueryRows, ExplainsTiersColumnsAndAge) {
    AskedAnswer made = asked(promql::VectorValue{});
    made.answer.reports = {
        {"{a=\"b\"}", {{1, 2}, {300, 3}}, agent::kColumnSum | agent::kColumnCount, 10, 2048, kNoonMs},
        {"{c=\"d\"}", {}, 0, 0, 0, 0}};
    const auto tables = explain_tables(made, 0);
    EXPECT_FALSE(tables[1].as_records);
    EXPECT_TRUE(explain_tables(made, 60)[1].as_records);
    ASSERT_EQ(tables.size(), 2u);
    const auto& row = tables[1].rows[0];
    EXPECT_EQ(row[1], Value(Texts{"1s", "5m"}));
    EXPECT_EQ(row[2], Value(Texts{"count", "sum"}));
    EXPECT_EQ(row[3], Value(std::uint64_t{5}));
    EXPECT_EQ(row[7], Value(std::uint64_t{500'000'000}));
    EXPECT_EQ(tables[1].rows[1][6], Value());
    EXPECT_NE(nothing_found(made, true).find("no series fits {c=\"d\"}"), std::string::npos);
    EXPECT_NE(nothing_found(made, false).find("segment dump"), std::string::npos);
}

TEST(QueryNames, TellSeriesApart) {
    EXPECT_EQ(short_names({labels({{"a", "1"}, {"b", "x"}}), labels({{"a", "2"}, {"b", "x"}})}), (Strings{"1", "2"}));
    const std::vector<promql::Labels> two{labels({{"a", "1"}, {"vm_id", "x"}}), labels({{"a", "2"}})};
    EXPECT_EQ(short_names(two), (Strings{"x,1", "-,2"}));
    EXPECT_EQ(short_names_of(names_of(two)), "vm_id,a");
    EXPECT_EQ(short_names({labels({{"__name__", "n"}, {"a", "1"}})}), (Strings{""}));
    EXPECT_EQ(short_names({labels({})}), (Strings{""}));
    EXPECT_EQ(series_text(two[0]), "{a=\"1\",vm_id=\"x\"}");
}

TEST(QueryRows, SaturatesTimesBeyondNanoseconds) {
    EXPECT_EQ(ns_of(INT64_MAX), INT64_MAX);
    EXPECT_EQ(ns_of(INT64_MIN), INT64_MIN);
    EXPECT_EQ(ns_of(-5), -5'000'000);
}

TEST(QueryAsk, StepsAreRoundAndFewEnough) {
    constexpr std::uint64_t kSecond = 1'000'000'000;
    EXPECT_EQ(step_for(10 * kSecond, 60), kSecond);
    EXPECT_EQ(step_for(600 * kSecond, 60), 10 * kSecond);
    EXPECT_EQ(step_for(610 * kSecond, 60), 15 * kSecond);
    EXPECT_EQ(step_for(86'400 * kSecond, 100), 900 * kSecond);
    EXPECT_EQ(step_for(10'000 * 86'400 * kSecond, 100) % (86'400 * kSecond), 0u);
    for (std::uint64_t range_s = 1; range_s < 1'000'000; range_s += 997) {
        EXPECT_LE(range_s * kSecond / step_for(range_s * kSecond, 100), 100u) << range_s;
    }
}

}  // namespace
}  // namespace ringside::ctl
