#include "agent/promql/run/json.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/promql_memory_source.h"

namespace ringside::agent {
namespace {

using promql::labels_of;

std::string value_text(double value) {
    std::string out;
    append_json_value(out, value);
    return out;
}

TEST(Json, WritesNumbersAsPrometheusDoes) {
    EXPECT_EQ(value_text(0), "\"0\"");
    EXPECT_EQ(value_text(-0.0), "\"-0\"");
    EXPECT_EQ(value_text(0.1), "\"0.1\"");
    EXPECT_EQ(value_text(-2.5), "\"-2.5\"");
    EXPECT_EQ(value_text(1e-6), "\"0.000001\"");
    EXPECT_EQ(value_text(1e-7), "\"1e-07\"");
    EXPECT_EQ(value_text(1.5e-300), "\"1.5e-300\"");
    EXPECT_EQ(value_text(123456789), "\"123456789\"");
    EXPECT_EQ(value_text(1.2345678901234567e20), "\"123456789012345670000\"");
    EXPECT_EQ(value_text(1e21), "\"1e+21\"");
    EXPECT_EQ(value_text(std::numeric_limits<double>::infinity()), "\"+Inf\"");
    EXPECT_EQ(value_text(-std::numeric_limits<double>::infinity()), "\"-Inf\"");
    EXPECT_EQ(value_text(std::numeric_limits<double>::quiet_NaN()), "\"NaN\"");
}

TEST(Json, WritesTimesWithThreeDecimalsOrNone) {
    const auto text = [](std::int64_t ms) {
        std::string out;
        append_json_time(out, ms);
        return out;
    };
    EXPECT_EQ(text(0), "0");
    EXPECT_EQ(text(1000), "1");
    EXPECT_EQ(text(1435781430781), "1435781430.781");
    EXPECT_EQ(text(1435781430010), "1435781430.010");
    EXPECT_EQ(text(-1), "-0.001");
    EXPECT_EQ(text(-1500), "-1.500");
}

TEST(Json, CleansLabels) {
    std::string out;
    append_json(out, labels_of({{"a", "quote\" back\\ line\n bell\x07"}, {"b", "\xff"}, {"c", "\xc3\xa4"}}));
    EXPECT_EQ(out, "{\"a\":\"quote\\\" back\\\\ line\\n bell\\u0007\",\"b\":\"\xef\xbf\xbd\",\"c\":\"\xc3\xa4\"}");
}

TEST(Json, WritesHistogramsWithTheRulesOfTheirBounds) {
    promql::FloatHistogram histogram;
    histogram.schema = 0;
    histogram.count = 10;
    histogram.sum = 3.5;
    histogram.zero_threshold = 0.5;
    histogram.zero_count = 2;
    histogram.positive = {{1, 4}, {2, 0}, {3, 1}};
    histogram.negative = {{1, 3}};
    std::string out;
    append_json(out, histogram);
    EXPECT_EQ(out,
              "{\"count\":\"10\",\"sum\":\"3.5\",\"buckets\":[[1,\"-2\",\"-1\",\"3\"],[3,\"-0.5\",\"0.5\",\"2\"],"
              "[0,\"1\",\"2\",\"4\"],[0,\"4\",\"8\",\"1\"]]}");
    out.clear();
    append_json(out, promql::FloatHistogram{});
    EXPECT_EQ(out, "{\"count\":\"0\",\"sum\":\"0\"}");
}

auto no_more_than(std::size_t bytes_max) {
    return [bytes_max](std::size_t bytes) -> Result<void> {
        if (bytes > bytes_max) return error(Code::kExhausted, "too large");
        return {};
    };
}

TEST(Json, WritesEmptyResultsAsLists) {
    std::string out;
    ASSERT_TRUE(append_json(out, promql::VectorValue{}, 0, no_more_than(1000)));
    EXPECT_EQ(out, "\"resultType\":\"vector\",\"result\":[]");
}

TEST(Json, GivesUpOnAnAnswerThatGrowsTooLarge) {
    const promql::VectorValue vector(100, promql::Sample{.labels = {}, .value = 1, .histogram = nullptr});
    std::string out;
    const auto written = append_json(out, vector, 0, no_more_than(1000));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, Code::kExhausted);
    EXPECT_LT(out.size(), 1100u);
}

}  // namespace
}  // namespace ringside::agent
