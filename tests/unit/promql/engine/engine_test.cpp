// What scripts cannot see: limits, errors of sources, hints, options, and that rows pass one by one.
#include "agent/promql/engine/engine.h"

#include <gtest/gtest.h>

#include <limits>

#include "agent/promql/engine/function.h"
#include "tests/unit/promql/engine/evaluate.h"

namespace ringside::agent::promql {
namespace {

MemorySource counters(int vms, int samples) {
    MemorySource source;
    for (int vm = 0; vm < vms; ++vm) {
        Labels labels = labels_of({{"__name__", "m_total"}, {"vm_id", "vm-" + std::to_string(vm)}});
        for (int i = 0; i < samples; ++i) source.add(labels, i * 1000, i * (vm + 1));
    }
    return source;
}

TEST(Engine, KnowsEachFunctionOfTheLanguage) {
    for (const Function& function : functions()) EXPECT_NE(function_body(function), nullptr) << function.name;
}

TEST(Engine, AnswersWithTheTypeOfTheExpression) {
    MemorySource source = counters(2, 3);
    EXPECT_EQ(text_of(instant("1 + 2", 0, source)), "3");
    EXPECT_EQ(text_of(instant("\"a\"", 0, source)), "a");
    EXPECT_EQ(text_of(instant("sum(m_total)", 2000, source)), "{} 6");
    EXPECT_EQ(text_of(instant("m_total{vm_id=\"vm-0\"}[2s]", 2000, source)),
              "{__name__=\"m_total\", vm_id=\"vm-0\"} 1@1 2@2");
    EXPECT_EQ(text_of(range("1", 0, 2000, 1000, source)), "{} 1@0 1@1 1@2");
}

TEST(Engine, RefusesRangesOfRanges) {
    MemorySource source;
    EXPECT_EQ(text_of(range("m[5m]", 0, 1000, 1000, source)),
              "error: invalid expression type \"range vector\" for range query, must be Scalar or instant Vector");
    EXPECT_FALSE(range("m", 0, 1000, 0, source).ok());
    EXPECT_FALSE(range("m", 1000, 0, 1000, source).ok());
}

TEST(EngineLimits, EndAQueryThatHoldsTooMuch) {
    MemorySource source = counters(10, 100);
    EvaluationLimits limits;
    limits.samples_max = 500;
    Result<QueryResult> result = range("m_total", 0, 99'000, 1000, source, {}, limits);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, Code::kExhausted);
    EXPECT_EQ(result.error().context, "query processing would load too many samples into memory in query execution");
}

// One series at a time: 1,000 samples are read, and never more than those of one series held.
TEST(EngineLimits, DoNotEndAnAggregationThatPassesSeriesOneByOne) {
    MemorySource source = counters(10, 100);
    EvaluationLimits limits;
    limits.samples_max = 150;
    Result<QueryResult> result = instant("sum(rate(m_total[2m]))", 99'000, source, {}, limits);
    ASSERT_TRUE(result.ok()) << result.error().context;
    EXPECT_EQ(result->stats.samples_read, 1000u);
    EXPECT_LE(result->stats.samples_peak, 103u);
}

// Some aggregations hold more than a value for each group.
TEST(EngineLimits, CountWhatAggregationsHold) {
    MemorySource source = counters(20, 100);
    EvaluationLimits limits;
    limits.samples_max = 1'500;
    EXPECT_TRUE(range("max(m_total)", 0, 99'000, 1000, source, {}, limits).ok());
    for (const char* query :
         {"quantile(0.5, m_total)", "count_values(\"v\", m_total)", "topk(20, m_total)", "sum by (vm_id) (m_total)"}) {
        Result<QueryResult> result = range(query, 0, 99'000, 1000, source, {}, limits);
        ASSERT_FALSE(result.ok()) << query;
        EXPECT_EQ(result.error().code, Code::kExhausted) << query;
    }
}

TEST(EngineLimits, AreLookedAtBeforeStepsAreLaidOut) {
    MemorySource source = counters(1, 10);
    EXPECT_FALSE(range("m_total", 0, 4'000'000'000'000, 1, source).ok());
    EXPECT_FALSE(instant("count_over_time(m_total[100y:1ms])", 0, source).ok());
}

// Rows on their way through calls around calls, before anything is in them.
TEST(EngineLimits, CountRowsOfNestedSubqueries) {
    MemorySource source;
    EvaluationLimits limits;
    limits.samples_max = 100'000;
    auto nested = [](int depth) {
        std::string query = "vector(1)";
        for (int i = 0; i < depth; ++i)
            query = "max_over_time(" + query + (i + 1 < depth ? "[1s:1s])" : "[10000s:1s])");
        return query;
    };
    EXPECT_TRUE(instant(nested(2), 0, source, {}, limits).ok());
    Result<QueryResult> result = instant(nested(30), 0, source, {}, limits);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, Code::kExhausted);
}

// A function over windows that overlap looks at each sample again and again.
TEST(EngineLimits, LookAtTheClockWithinARow) {
    MemorySource source;
    EvaluationLimits limits;
    int asked = 0;
    limits.out_of_time = [&] { return ++asked > 20; };
    Result<QueryResult> result =
        range("quantile_over_time(0.5, vector(1)[2000s:1s])", 0, 2'000'000, 1000, source, {}, limits);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, Code::kTimeout);
}

// One sample in a thousand steps takes as much room as a thousand.
TEST(EngineLimits, CountStepsWithoutAValue) {
    MemorySource source = counters(100, 1);
    EvaluationLimits limits;
    limits.samples_max = 50'000;
    EXPECT_TRUE(instant("count_over_time(m_total[7m:1s])", 420'000, source, {}, limits).ok());
    EXPECT_FALSE(instant("count_over_time(m_total[7h:1s])", 420'000, source, {}, limits).ok());
}

TEST(EngineLimits, KeepTimesWhereTheyCanBeReckonedWith) {
    MemorySource source = counters(1, 10);
    constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
    for (std::int64_t time_ms : {kMost, -kMost, kMost / 2}) {
        EXPECT_FALSE(instant("m_total", time_ms, source).ok());
        EXPECT_FALSE(range("m_total", time_ms, time_ms, 1, source).ok());
        EXPECT_FALSE(range("m_total", 0, 1, time_ms, source).ok());
    }
    for (const char* query : {"m_total @ 9000000000000000 offset -200y", "sum_over_time(m_total[200y:100y] @ -9e15)"}) {
        EXPECT_EQ(text_of(instant(query, 0, source)), "") << query;
    }
}

TEST(EngineLimits, EndAQueryThatTakesTooLong) {
    MemorySource source = counters(2000, 2);
    EvaluationLimits limits;
    int asked = 0;
    limits.out_of_time = [&] { return ++asked > 3; };
    Result<QueryResult> result = instant("m_total + m_total", 1000, source, {}, limits);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, Code::kTimeout);
}

TEST(EngineLimits, EndAQueryThatIsNestedTooDeeply) {
    MemorySource source;
    EvaluationLimits limits;
    limits.depth_max = 10;
    EXPECT_TRUE(instant(std::string(5, '(') + "vector(1)" + std::string(5, ')'), 0, source, {}, limits).ok());
    EXPECT_FALSE(instant(std::string(15, '(') + "vector(1)" + std::string(15, ')'), 0, source, {}, limits).ok());
}

TEST(EngineSource, FailsTheQueryIfItFails) {
    MemorySource source;
    source.fails = true;
    for (const char* query : {"m", "rate(m[5m])", "m[5m]", "sum(m)", "timestamp(m)", "absent_over_time(m[5m])"}) {
        Result<QueryResult> result = instant(query, 0, source);
        ASSERT_FALSE(result.ok()) << query;
        EXPECT_EQ(result.error().code, Code::kUnavailable);
        EXPECT_EQ(result.error().context, "expanding series: the disk is on fire");
    }
}

TEST(EngineSource, WarnsOnce) {
    MemorySource source;
    source.warnings = {"vm-7 is quarantined"};
    Result<QueryResult> result = instant("m + m", 0, source);
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->warnings, source.warnings);
}

TEST(EngineSource, WarnsOfGapsThatShowInReading) {
    MemorySource source = counters(2, 10);
    source.gaps = {"vm-7 was left out in part"};
    for (const char* query : {"m_total", "rate(m_total[5s])", "m_total[5s]", "sum(m_total)", "sum(rate(m_total[5s]))",
                              "timestamp(m_total)", "max_over_time(m_total[5s:1s])"}) {
        Result<QueryResult> result = instant(query, 9'000, source);
        ASSERT_TRUE(result.ok()) << query;
        EXPECT_EQ(result->warnings, source.gaps) << query;
    }
}

TEST(EngineSource, IsToldWhatASelectionIsFor) {
    MemorySource source;
    ASSERT_TRUE(range("sum by (vm_id) (rate(m_total[30s] offset 10s))", 100'000, 200'000, 5'000, source).ok());
    ASSERT_EQ(source.selections.size(), 1u);
    EXPECT_EQ(source.selections[0].begin_ms, 60'000);
    EXPECT_EQ(source.selections[0].end_ms, 190'000);
    EXPECT_EQ(source.selections[0].step_ms, 5'000);
    EXPECT_EQ(source.selections[0].range_ms, 30'000);
    EXPECT_TRUE(source.selections[0].by);
    EXPECT_EQ(source.functions[0], "rate");
    ASSERT_TRUE(instant("max(m @ 50)", 0, source).ok());
    EXPECT_EQ(source.selections[1].end_ms, 50'000);
    EXPECT_EQ(source.selections[1].begin_ms, 50'000 - 300'000);
    EXPECT_EQ(source.functions[1], "max");
}

TEST(EngineOptions, TakeNamesAwayNowOrAtTheEnd) {
    MemorySource source = counters(1, 10);
    EngineOptions delayed;
    delayed.delayed_name_removal = true;
    const char* by_name = "sum by (__name__) (rate(m_total[5s]))";
    EXPECT_EQ(text_of(instant(by_name, 9000, source)), "{} 1");
    EXPECT_EQ(text_of(instant(by_name, 9000, source, delayed)), "{} 1");
    const char* renamed = "label_replace(rate(m_total[5s]), \"__name__\", \"new\", \"\", \"\")";
    EXPECT_EQ(text_of(instant(renamed, 9000, source, delayed)), "{__name__=\"new\", vm_id=\"vm-0\"} 1");
}

TEST(EngineOptions, LeaveSeriesThatDifferInTheirNameApartOnlyAtTheEnd) {
    MemorySource source;
    for (const char* name : {"a_total", "b_total"}) {
        for (int i = 0; i < 5; ++i) source.add(labels_of({{"__name__", name}}), i * 1000, i);
    }
    std::string same = "error: vector cannot contain metrics with the same labelset";
    EXPECT_EQ(text_of(instant("rate({__name__=~\".*_total\"}[5s])", 4000, source)), same);
    EXPECT_EQ(text_of(instant("sum(rate({__name__=~\".*_total\"}[5s]))", 4000, source)), same);
    EXPECT_EQ(text_of(instant("-{__name__=~\".*_total\"}", 4000, source)), same);
    EXPECT_EQ(text_of(instant("abs({__name__=~\".*_total\"})", 4000, source)), same);
    EngineOptions delayed;
    delayed.delayed_name_removal = true;
    EXPECT_EQ(text_of(instant("sum(increase({__name__=~\".*_total\"}[5s]))", 4000, source, delayed)), "{} 8");
    EXPECT_EQ(text_of(instant("rate({__name__=~\".*_total\"}[5s])", 4000, source, delayed)), same);
}

TEST(EngineOptions, HeedStartTimestampsOnlyIfAsked) {
    MemorySource source;
    Labels labels = labels_of({{"__name__", "m_total"}});
    for (int i = 1; i <= 5; ++i) source.add(labels, i * 1000, 10, i * 1000 - 500);  // deltas
    EXPECT_EQ(text_of(instant("increase(m_total[5s])", 5000, source)), "{} 0");
    EngineOptions options;
    options.start_timestamps = true;
    EXPECT_EQ(text_of(instant("increase(m_total[5s])", 5000, source, options)), "{} 50");
    EXPECT_EQ(text_of(instant("start_timestamp(m_total)", 5000, source)), "");
    EXPECT_EQ(text_of(instant("start_timestamp(m_total)", 5000, source, options)), "{} 4.5");
}

TEST(EngineOptions, AskTheTypeOfACounter) {
    MemorySource source;
    for (int i = 0; i < 5; ++i) source.add(labels_of({{"__name__", "m"}, {"__type__", "counter"}}), i * 1000, i);
    EngineOptions options;
    EXPECT_EQ(instant("rate(m[5s])", 4000, source, options)->notes.size(), 1u);
    options.type_and_unit_labels = true;
    EXPECT_EQ(instant("rate(m[5s])", 4000, source, options)->notes.size(), 0u);
}

// Two windows of 10 s: the first observed 1, 5, 3; the second 7.
TEST(EngineWindows, GiveFunctionsOverTimeTheColumnTheyAreAbout) {
    MemorySource source;
    Labels labels = labels_of({{"__name__", "g"}});
    source.add_window(labels, 10'000, {3, 3, 9, 1, 5});
    source.add_window(labels, 20'000, {7, 1, 7, 7, 7});
    struct Case {
        const char* function;
        const char* value;
    };
    for (Case c : {Case{"count", "4"}, Case{"sum", "16"}, Case{"avg", "4"}, Case{"min", "1"}, Case{"max", "7"},
                   Case{"last", "7"}, Case{"present", "1"}}) {
        std::string text =
            text_of(instant(std::string("scalar(") + c.function + "_over_time(g[20s]))", 20'000, source));
        EXPECT_EQ(text, c.value) << c.function;
    }
}

TEST(EngineStaleness, EndsASeriesAtItsMarker) {
    MemorySource source;
    Labels labels = labels_of({{"__name__", "m"}});
    source.add(labels, 1000, 1);
    source.add(labels, 2000, stale_value());
    source.add(labels, 4000, 3);
    EXPECT_EQ(text_of(range("m", 1000, 4000, 1000, source)), "{__name__=\"m\"} 1@1 3@4");
    EXPECT_EQ(text_of(instant("count_over_time(m[1m])", 4000, source)), "{} 2");
}

// Ranges and lookback leave out a sample right at their begin.
TEST(EngineRanges, AreOpenAtTheirBegin) {
    MemorySource source = counters(1, 10);
    EXPECT_EQ(text_of(instant("count_over_time(m_total[2s])", 9000, source)), "{vm_id=\"vm-0\"} 2");
    EngineOptions options;
    options.lookback_ms = 1000;
    EXPECT_NE(text_of(instant("m_total", 9999, source, options)), "");
    EXPECT_EQ(text_of(instant("m_total", 10'000, source, options)), "");
}

// An aggregation over rows that pass one by one gives what it gives over a whole grid.
TEST(EngineStreaming, ChangesNoResult) {
    MemorySource source = counters(7, 60);
    for (const char* op : {"sum", "avg", "min", "max", "count", "stddev", "group"}) {
        std::string inner = "rate(m_total[10s])";
        std::string streamed = std::string(op) + "(" + inner + ")";
        std::string whole = std::string(op) + "(" + inner + " + 0)";
        EXPECT_EQ(text_of(range(streamed, 20'000, 50'000, 7'000, source)),
                  text_of(range(whole, 20'000, 50'000, 7'000, source)))
            << op;
    }
}

TEST(EngineTopk, KeepsTheFirstOfEquals) {
    MemorySource source;
    for (const char* name : {"a", "b", "c", "d"}) source.add(labels_of({{"__name__", "m"}, {"n", name}}), 0, 1);
    source.add(labels_of({{"__name__", "m"}, {"n", "e"}}), 0, 2);
    EXPECT_EQ(text_of(instant("topk(3, m)", 0, source)),
              "{__name__=\"m\", n=\"e\"} 2; {__name__=\"m\", n=\"a\"} 1; {__name__=\"m\", n=\"b\"} 1");
}

TEST(EngineMatching, SaysWhichSeriesAreTooMany) {
    MemorySource source;
    source.add(labels_of({{"__name__", "a"}, {"x", "1"}}), 0, 1);
    source.add(labels_of({{"__name__", "b"}, {"x", "1"}, {"y", "1"}}), 0, 1);
    source.add(labels_of({{"__name__", "b"}, {"x", "1"}, {"y", "2"}}), 0, 1);
    EXPECT_EQ(text_of(instant("a + on (x) b", 0, source)),
              "error: found duplicate series for the match group {x=\"1\"} on the right hand-side of the operation: "
              "[{__name__=\"b\", x=\"1\", y=\"2\"}, {__name__=\"b\", x=\"1\", y=\"1\"}];many-to-many matching not "
              "allowed: matching labels must be unique on one side");
    EXPECT_EQ(text_of(instant("b + on (x) a", 0, source)),
              "error: multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)");
    EXPECT_EQ(text_of(instant("b + on (x) group_left () a", 0, source)), "{x=\"1\", y=\"1\"} 2; {x=\"1\", y=\"2\"} 2");
}

}  // namespace
}  // namespace ringside::agent::promql
