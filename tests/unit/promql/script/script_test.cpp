// The reader of test scripts, and that the comparison with what they expect can fail.
#include "tests/promql/script.h"

#include <gtest/gtest.h>

#include <cmath>

#include "agent/promql/engine/source.h"
#include "tests/promql/run_case.h"
#include "tests/promql/storage.h"

namespace ringside::agent::promql::script {
namespace {

std::vector<SequenceValue> values(const std::string& text) {
    auto series = parse_series("m " + text);
    if (!series) {
        ADD_FAILURE() << text << ": " << series.error().context;
        return {};
    }
    return series->values;
}

std::string numbers(const std::string& text) {
    std::string out;
    for (const SequenceValue& value : values(text)) {
        out += value.omitted           ? "_ "
               : is_stale(value.value) ? "stale "
                                       : std::to_string(static_cast<int>(value.value)) + " ";
    }
    return out;
}

TEST(SeriesText, RepeatsAndCounts) {
    EXPECT_EQ(numbers("1 -2 3x2"), "1 -2 3 3 3 ");
    EXPECT_EQ(numbers("1+2x3 10-5x2"), "1 3 5 7 10 5 0 ");
    EXPECT_EQ(numbers("-1-1x1 _ _x2 stale"), "-1 -2 _ _ _ stale ");
    EXPECT_EQ(numbers("0x2 1e1 1e1x1"), "0 0 0 10 10 10 ");  // there is no hexadecimal here
    EXPECT_TRUE(std::isnan(values("NaN")[0].value));
    EXPECT_EQ(values("-Inf+1x1")[1].value, -INFINITY);
}

TEST(SeriesText, ReadsLabelsInEveryForm) {
    const char* same[] = {"m{a=\"}\",b='c'} 1", "{__name__=\"m\", b=\"c\", a=\"}\"} 1",
                          "{\"m\", \"a\"=`}`, b=\"c\",} 1"};
    for (const char* line : same) {
        auto series = parse_series(line);
        ASSERT_TRUE(series.ok()) << series.error().context;
        EXPECT_EQ(series->labels.text(), "{__name__=\"m\", a=\"}\", b=\"c\"}") << line;
        EXPECT_EQ(series->values.size(), 1u);
    }
    EXPECT_EQ(parse_series("{} 1")->labels.text(), "{}");
}

TEST(SeriesText, ReadsHistograms) {
    const auto read = values(
        "{{schema:1 sum:-.5 count:12 z_bucket:2 z_bucket_w:0.001 buckets:[1 0 2] offset:-1 n_buckets:[3] n_offset:4 "
        "counter_reset_hint:gauge}}x1 {{}} {{schema:-53 custom_values:[1 2] buckets:[1 1 1]}}");
    ASSERT_EQ(read.size(), 4u);
    const FloatHistogram& histogram = *read[1].histogram;
    EXPECT_EQ(histogram.schema, 1);
    EXPECT_EQ(histogram.sum, -.5);
    EXPECT_EQ(histogram.count, 12);
    EXPECT_EQ(histogram.zero_count, 2);
    EXPECT_EQ(histogram.zero_threshold, 0.001);
    EXPECT_EQ(histogram.positive, (BucketCounts{{-1, 1}, {0, 0}, {1, 2}}));
    EXPECT_EQ(histogram.negative, (BucketCounts{{4, 3}}));
    EXPECT_EQ(histogram.reset_hint, ResetHint::kGauge);
    EXPECT_TRUE(read[0].hint_given);
    EXPECT_FALSE(read[2].hint_given);
    EXPECT_EQ(read[3].histogram->custom_bounds, (std::vector<double>{1, 2}));
    const auto growing = values("{{count:1 buckets:[1]}}+{{count:2 buckets:[2]}}x2");
    ASSERT_EQ(growing.size(), 3u);
    EXPECT_EQ(growing[2].histogram->count, 5);
}

TEST(SeriesText, RefusesWhatItCannotRead) {
    for (const char* line :
         {"m 1x", "m 1+2", "m x3", "m 1y", "m {{", "m {{nope:1}}", "m {{sum:1 sum:2}}", "m{a=~\"b\"} 1", "m{a} 1",
          "m {{counter_reset_hint:maybe}}", "m 1x99999999", "m {{buckets:[1 x]}}"}) {
        EXPECT_FALSE(parse_series(line).ok()) << line;
    }
}

Eval only_eval(const std::string& text) {
    auto commands = read_script(text);
    EXPECT_EQ(commands.size(), 1u);
    EXPECT_EQ(commands[0].fault, "") << text;
    return std::get<Eval>(commands[0].what);
}

TEST(Script, ReadsEvals) {
    const Eval range = only_eval(
        "eval range from 1m to 2m step 30s sum(m) # no comment\n  expect warn msg: careful now \n  expect no_info\n"
        "  {a=\"b\"} 1 _ 3\n");
    EXPECT_TRUE(range.is_range);
    EXPECT_EQ(range.query, "sum(m) # no comment");
    EXPECT_EQ(range.begin_ms, 60'000);
    EXPECT_EQ(range.end_ms, 120'000);
    EXPECT_EQ(range.step_ms, 30'000);
    ASSERT_EQ(range.expectations.size(), 2u);
    EXPECT_EQ(range.expectations[0].message, "careful now");
    EXPECT_EQ(range.series.size(), 1u);
    EXPECT_EQ(only_eval("eval instant at 5m 1\n 7").scalar, 7);
    EXPECT_EQ(only_eval("eval instant at 5m 1\n").time_ms, 300'000);
}

TEST(Script, KeepsBlocksThatItCannotRead) {
    const auto commands = read_script(
        "load 5m\n m 1y\n n 1\n\neval instant at x 1\n 1\n\neval sometimes at 1m 1\n\nfrobnicate\n\n# fine\nclear\n"
        "eval instant at 1m 1\n  expect maybe\n");
    ASSERT_EQ(commands.size(), 6u);
    EXPECT_TRUE(std::holds_alternative<Load>(commands[0].what));
    EXPECT_EQ(commands[1].line, 5u);
    for (const std::size_t i : {0u, 1u, 2u, 3u, 5u}) EXPECT_NE(commands[i].fault, "") << i;
    EXPECT_EQ(commands[4].fault, "");
}

// Whether the case passes over `load 1m` of these lines.
bool passes(const std::string& load, const std::string& eval) {
    Storage storage;
    for (const Command& command : read_script("load 1m\n" + load + "\n\n" + eval)) {
        EXPECT_EQ(command.fault, "") << eval;
        if (const auto* data = std::get_if<Load>(&command.what)) {
            EXPECT_TRUE(storage.load(*data).ok());
        } else {
            return !run_case(std::get<Eval>(command.what), storage.source()).has_value();
        }
    }
    ADD_FAILURE() << "no eval";
    return false;
}

TEST(RunCase, TellsRightFromWrong) {
    const std::string data = "m{a=\"1\"} 1 2 3\nm{a=\"2\"} 4 5 6";
    EXPECT_TRUE(passes(data, "eval instant at 1m m\n m{a=\"1\"} 2\n m{a=\"2\"} 5"));
    EXPECT_TRUE(passes(data, "eval instant at 1m m\n m{a=\"1\"} 2.0000001\n m{a=\"2\"} 5"));
    EXPECT_FALSE(passes(data, "eval instant at 1m m\n m{a=\"1\"} 2.001\n m{a=\"2\"} 5"));             // another value
    EXPECT_FALSE(passes(data, "eval instant at 1m m\n m{a=\"1\"} 2"));                                // one too many
    EXPECT_FALSE(passes(data, "eval instant at 1m m\n m{a=\"1\"} 2\n m{a=\"2\"} 5\n m{a=\"3\"} 1"));  // one missing
    EXPECT_FALSE(passes(data, "eval instant at 1m m\n m{a=\"1\"} NaN\n m{a=\"2\"} 5"));
    EXPECT_FALSE(passes(data, "eval instant at 1m m\n m{a=\"1\"} {{}}\n m{a=\"2\"} 5"));
    EXPECT_FALSE(passes(data, "eval instant at 1m sort_desc(m)\n expect ordered\n m{a=\"1\"} 2\n m{a=\"2\"} 5"));
    EXPECT_TRUE(passes(data, "eval instant at 1m sort(m)\n expect ordered\n m{a=\"1\"} 2\n m{a=\"2\"} 5"));
    EXPECT_FALSE(passes(data, "eval instant at 1m scalar(m{a=\"1\"})\n 3"));
    EXPECT_FALSE(passes(data, "eval instant at 1m m\n expect fail"));
    EXPECT_FALSE(passes(data, "eval instant at 1m m + ignoring(a) m\n"));
    EXPECT_TRUE(passes(data, "eval instant at 1m m + ignoring(a) m\n expect fail"));
    EXPECT_FALSE(passes(data, "eval instant at 1m m + ignoring(a) m\n expect fail msg: another reason"));
    EXPECT_FALSE(passes(data, "eval instant at 1m \"a\"\n expect string \"b\""));
    EXPECT_FALSE(passes(data, "eval instant at 1m m{a=\"1\"}\n expect warn\n m{a=\"1\"} 2"));
    EXPECT_FALSE(passes(data, "eval instant at 1m sum(rate(m[2m]))\n expect no_info\n {} 0.03333333333"));
    EXPECT_TRUE(passes(data, "eval instant at 1m sum(rate(m[2m]))\n expect info\n {} 0.03333333333"));
    EXPECT_TRUE(passes(data, "eval range from 0 to 2m step 1m m{a=\"1\"}\n m{a=\"1\"} 1 2 3"));
    EXPECT_FALSE(passes(data, "eval range from 0 to 2m step 1m m{a=\"1\"}\n m{a=\"1\"} 1 _ 3"));
    EXPECT_FALSE(passes(data, "eval range from 0 to 2m step 1m m{a=\"1\"}\n m{a=\"1\"} 1 2"));
    EXPECT_FALSE(passes(data, "eval range from 0 to 2m step 1m m{a=\"1\"}\n m{a=\"1\"} 1 2 3 4"));
}

TEST(RunCase, ComparesHistograms) {
    const std::string data = "h {{count:3 sum:2 buckets:[1 2]}} {{count:5 sum:4 buckets:[2 3]}}";
    EXPECT_TRUE(passes(data, "eval instant at 1m h\n h {{count:5 sum:4 buckets:[2 3 0]}}"));
    EXPECT_FALSE(passes(data, "eval instant at 1m h\n h {{count:5 sum:4 buckets:[3 2]}}"));
    EXPECT_FALSE(passes(data, "eval instant at 1m h\n h {{count:5 sum:4 buckets:[2 3] offset:1}}"));
    EXPECT_FALSE(passes(data, "eval instant at 1m h\n h {{schema:1 count:5 sum:4 buckets:[2 3]}}"));
    EXPECT_TRUE(passes(data, "eval instant at 1m h\n h {{count:5 sum:4 buckets:[2 3] counter_reset_hint:not_reset}}"));
    EXPECT_FALSE(passes(data, "eval instant at 1m h\n h {{count:5 sum:4 buckets:[2 3] counter_reset_hint:reset}}"));
}

TEST(Storage, MakesCustomBucketsOfClassicHistograms) {
    const auto commands = read_script(
        "load_with_nhcb 1m\n h_bucket{le=\"1\",a=\"b\"} 1 2\n h_bucket{le=\"+Inf\",a=\"b\"} 3 5\n h_sum{a=\"b\"} 4 9\n "
        "h_count{a=\"b\"} 3 5\n");
    auto converted = with_custom_buckets(std::get<Load>(commands[0].what));
    ASSERT_TRUE(converted.ok()) << converted.error().context;
    ASSERT_EQ(converted->size(), 1u);
    EXPECT_EQ((*converted)[0].series.labels.text(), "{__name__=\"h\", a=\"b\"}");
    const FloatHistogram& histogram = *(*converted)[0].series.values[1].histogram;
    EXPECT_EQ(histogram.custom_bounds, std::vector<double>{1});
    EXPECT_EQ(histogram.positive, (BucketCounts{{0, 2}, {1, 3}}));
    EXPECT_EQ(histogram.sum, 9);
}

TEST(Storage, RefusesSamplesThatAreNotNewer) {
    Storage storage;
    const auto commands = read_script("load 1m\n m 1 2\n\nload 30s\n m 1 2\n");
    EXPECT_TRUE(storage.load(std::get<Load>(commands[0].what)).ok());
    EXPECT_FALSE(storage.load(std::get<Load>(commands[1].what)).ok());
}

}  // namespace
}  // namespace ringside::agent::promql::script
