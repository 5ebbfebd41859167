#include "tools/ringsidectl/query_wire.h"

#include <gtest/gtest.h>

#include "agent/api/query_messages.h"

namespace ringside::ctl {
namespace {

namespace promql = agent::promql;

promql::Labels labels(const std::string& vm_id) { return promql::Labels({{"__name__", "x"}, {"vm_id", vm_id}}); }

// What the agent makes of an answer, put together again; `messages` takes how many there were.
agent::QueryAnswer round_trip(agent::QueryAnswer answer, int* messages = nullptr) {
    agent::QueryMessages cut(std::move(answer), 5'000, 6'000, 3);
    AnswerReader reader;
    v1::QueryResponse message;
    int count = 0;
    for (; cut.next(&message); message.Clear(), ++count) {
        EXPECT_FALSE(reader.is_whole());
        const auto added = reader.add(message);
        EXPECT_TRUE(added.ok());
    }
    EXPECT_TRUE(reader.is_whole());
    EXPECT_EQ(reader.time_ms(), 5'000);
    EXPECT_EQ(reader.dropped(), 3u);
    if (messages) *messages = count;
    return reader.take();
}

TEST(AnswerReader, PutsAVectorTogether) {
    agent::QueryAnswer answer;
    promql::VectorValue vector;
    for (int i = 0; i < 20'000; ++i) vector.push_back({labels("vm-" + std::to_string(i)), i / 2.0, nullptr});
    answer.value = std::move(vector);
    answer.warnings = {"w"};
    answer.infos = {"i", "j"};
    answer.stats = {7, 8};
    answer.took = std::chrono::nanoseconds(9);
    answer.reports = {{"x{}", {{1, 2}, {10, 3}}, agent::kColumnMax | agent::kColumnBuckets, 4, 5, 4'000}};
    int messages = 0;
    const agent::QueryAnswer got = round_trip(std::move(answer), &messages);
    EXPECT_GT(messages, 1);
    const auto& samples = std::get<promql::VectorValue>(got.value);
    ASSERT_EQ(samples.size(), 20'000u);
    EXPECT_EQ(samples[19'999].labels, labels("vm-19999"));
    EXPECT_EQ(samples[19'999].value, 19'999 / 2.0);
    EXPECT_EQ(got.warnings, (std::vector<std::string>{"w"}));
    EXPECT_EQ(got.infos.size(), 2u);
    EXPECT_EQ(got.stats.samples_read, 7u);
    EXPECT_EQ(got.stats.samples_peak, 8u);
    EXPECT_EQ(got.took.count(), 9);
    ASSERT_EQ(got.reports.size(), 1u);
    EXPECT_EQ(got.reports[0].selector, "x{}");
    EXPECT_EQ(got.reports[0].series_by_resolution_s, (std::map<std::uint32_t, std::uint64_t>{{1, 2}, {10, 3}}));
    EXPECT_EQ(got.reports[0].columns, agent::kColumnMax | agent::kColumnBuckets);
    EXPECT_EQ(got.reports[0].windows, 4u);
    EXPECT_EQ(got.reports[0].bytes, 5u);
    EXPECT_EQ(got.reports[0].newest_ms, 4'000);
}

TEST(AnswerReader, PutsLongSeriesTogether) {
    promql::FloatHistogram histogram;
    histogram.schema = 3;
    histogram.count = 6;
    histogram.sum = 1.5;
    histogram.zero_threshold = 0.25;
    histogram.zero_count = 1;
    histogram.positive = {{-2, 1}, {5, 3}};
    histogram.negative = {{1, 1}};
    promql::FloatHistogram custom;
    custom.schema = promql::kCustomSchema;
    custom.custom_bounds = {1, 2};
    custom.positive = {{0, 2}, {2, 1}};
    promql::MatrixValue matrix;
    for (int series = 0; series < 3; ++series) {
        promql::Series& one = matrix.emplace_back();
        one.labels = labels(std::to_string(series));
        for (int i = 0; i < 40'000; ++i) one.points.push_back({i - 10, i * 1.0 + series});
        for (int i = 0; i < 8'000; ++i) {
            one.histograms.push_back(
                {50'000 + i, std::make_shared<promql::FloatHistogram>(i % 2 == 0 ? histogram : custom)});
        }
    }
    agent::QueryAnswer answer;
    answer.value = std::move(matrix);
    int messages = 0;
    const agent::QueryAnswer got = round_trip(std::move(answer), &messages);
    EXPECT_GT(messages, 5);
    const auto& series = std::get<promql::MatrixValue>(got.value);
    ASSERT_EQ(series.size(), 3u);
    for (std::size_t s = 0; s < 3; ++s) {
        EXPECT_EQ(series[s].labels, labels(std::to_string(s)));
        ASSERT_EQ(series[s].points.size(), 40'000u);
        for (std::size_t i = 0; i < 40'000; ++i) {
            ASSERT_EQ(series[s].points[i].time_ms, static_cast<std::int64_t>(i) - 10);
            ASSERT_EQ(series[s].points[i].value, static_cast<double>(i + s));
        }
        ASSERT_EQ(series[s].histograms.size(), 8'000u);
        ASSERT_TRUE(series[s].histograms[7'998].value->same_as(histogram));
        ASSERT_TRUE(series[s].histograms[7'999].value->same_as(custom));
        EXPECT_EQ(series[s].histograms[7'999].time_ms, 57'999);
    }
}

TEST(AnswerReader, PutsScalarsStringsAndNothingTogether) {
    agent::QueryAnswer answer;
    answer.value = promql::ScalarValue{4.5};
    EXPECT_EQ(std::get<promql::ScalarValue>(round_trip(answer).value).value, 4.5);
    answer.value = promql::StringValue{"text"};
    EXPECT_EQ(std::get<promql::StringValue>(round_trip(answer).value).value, "text");
    answer.value = promql::VectorValue{};
    EXPECT_TRUE(std::get<promql::VectorValue>(round_trip(answer).value).empty());
    answer.value = promql::MatrixValue{};
    EXPECT_TRUE(std::get<promql::MatrixValue>(round_trip(answer).value).empty());
}

TEST(AnswerReader, IsReadyForTheNextAnswer) {
    AnswerReader reader;
    v1::QueryResponse message;
    message.set_type(v1::QUERY_RESULT_TYPE_SCALAR);
    message.set_last(true);
    message.set_scalar(1);
    ASSERT_TRUE(reader.add(message).ok());
    EXPECT_EQ(std::get<promql::ScalarValue>(reader.take().value).value, 1);
    message.set_scalar(2);
    ASSERT_TRUE(reader.add(message).ok());
    EXPECT_EQ(std::get<promql::ScalarValue>(reader.take().value).value, 2);
}

TEST(AnswerReader, RefusesMessagesThatContradictThemselves) {
    v1::QueryResponse message;
    message.set_type(v1::QUERY_RESULT_TYPE_MATRIX);
    message.add_series()->set_continued(true);
    EXPECT_FALSE(AnswerReader().add(message).ok());
    message.mutable_series(0)->set_continued(false);
    message.mutable_series(0)->add_time_ms(1);
    EXPECT_FALSE(AnswerReader().add(message).ok());
    message.mutable_series(0)->add_value(1);
    EXPECT_TRUE(AnswerReader().add(message).ok());
    message.mutable_series(0)->add_histogram_time_ms(2);
    message.mutable_series(0)->add_histogram()->add_positive_index(2);
    EXPECT_FALSE(AnswerReader().add(message).ok());
}

}  // namespace
}  // namespace ringside::ctl
