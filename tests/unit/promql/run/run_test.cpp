#include "agent/promql/run/run.h"

#include <gtest/gtest.h>

#include "tests/support/promql_memory_source.h"

namespace ringside::agent {
namespace {

class MemorySession : public QuerySession {
  public:
    promql::MemorySource series;
    std::vector<std::string> gaps;

    promql::SampleSource& source() override { return series; }
    std::vector<std::string> warnings() const override { return gaps; }
};

class RunQueryTest : public testing::Test {
  protected:
    RunQueryTest() {
        for (std::int64_t second = 0; second <= 60; ++second) {
            session_.series.add(promql::labels_of({{"__name__", "level"}, {"vm_id", "a"}}), second * 1000,
                                static_cast<double>(second));
        }
    }
    Result<QueryAnswer> run(const Query& query) {
        auto expr = check_query(query, limits_);
        if (!expr) return expr.error();
        return run_query(query, **expr, limits_, session_, [this] { return stop_; });
    }
    std::string failure(const Query& query) {
        auto answer = run(query);
        return answer.ok() ? "none" : std::string(code_name(answer.error().code)) + ": " + answer.error().message();
    }

    MemorySession session_;
    QueryLimits limits_;
    bool stop_ = false;
};

TEST_F(RunQueryTest, AnswersAtOneTimeAndOverARange) {
    auto instant = run({"level", 30'000, 30'000, 0, 0});
    ASSERT_TRUE(instant.ok()) << instant.error().message();
    EXPECT_EQ(std::get<promql::VectorValue>(instant->value).at(0).value, 30);
    auto range = run({"level * 2", 10'000, 20'000, 5'000, 0});
    ASSERT_TRUE(range.ok()) << range.error().message();
    const auto& points = std::get<promql::MatrixValue>(range->value).at(0).points;
    ASSERT_EQ(points.size(), 3u);
    EXPECT_EQ(points[2].time_ms, 20'000);
    EXPECT_EQ(points[2].value, 40);
}

TEST_F(RunQueryTest, LooksBackAsFarAsItIsTold) {
    EXPECT_EQ(std::get<promql::VectorValue>(run({"level", 70'000, 0, 0, 0})->value).size(), 1u);
    EXPECT_EQ(std::get<promql::VectorValue>(run({"level", 70'000, 0, 0, 5'000})->value).size(), 0u);
}

TEST_F(RunQueryTest, SaysWhereAQueryIsWrong) {
    auto answer = run({"sum(level", 0, 0, 0, 0});
    ASSERT_FALSE(answer.ok());
    const auto position = query_position(answer.error());
    ASSERT_TRUE(position);
    EXPECT_EQ(position->line, 1u);
    EXPECT_EQ(position->column, 10u);
    EXPECT_FALSE(query_position(error(Code::kInvalid, "the range ends before it begins")));
    EXPECT_FALSE(query_position(error(Code::kInvalid, "1:x: parse error")));
}

TEST_F(RunQueryTest, RefusesRangesThatCannotBe) {
    EXPECT_EQ(failure({"level", 2, 1, 1, 0}), "invalid: the range ends before it begins");
    EXPECT_EQ(failure({"level", 0, 11'001, 1, 0}),
              "invalid: the range has 11001 steps, and 11000 are the most; ask for a larger step");
    EXPECT_EQ(failure({"1", 0, 11'000, 1, 0}), "none");
    EXPECT_EQ(failure({"1", INT64_MIN, INT64_MAX, 1, 0}).substr(0, 24), "invalid: the range has 1");
    EXPECT_NE(failure({"level[1m]", 0, 1, 1, 0}).find("cannot be of a range vector"), std::string::npos);
}

TEST_F(RunQueryTest, KeepsItsLimits) {
    limits_.samples_max = 10;
    EXPECT_NE(failure({"level[1m]", 60'000, 0, 0, 0}).find("too many samples"), std::string::npos);
    limits_ = {};
    stop_ = true;
    EXPECT_EQ(failure({"level", 0, 0, 0, 0}).substr(0, 8), "timeout:");
}

TEST_F(RunQueryTest, TellsEachWarningOnce) {
    session_.gaps = {"web-7 is in quarantine"};
    session_.series.warnings = {"a tier is gone"};
    auto answer = run({"rate(level[1m]) + rate(level[1m])", 60'000, 0, 0, 0});
    ASSERT_TRUE(answer.ok());
    EXPECT_EQ(answer->warnings, (std::vector<std::string>{"a tier is gone", "web-7 is in quarantine"}));
    ASSERT_EQ(answer->infos.size(), 1u);
    EXPECT_NE(answer->infos[0].find("might not be a counter"), std::string::npos);
    EXPECT_NE(answer->infos[0].find("(1:6)"), std::string::npos) << answer->infos[0];
}

TEST_F(RunQueryTest, KnowsExperimentalFunctionsWhenAllowed) {
    EXPECT_NE(failure({"limitk(1, level)", 0, 0, 0, 0}), "none");
    limits_.experimental = true;
    EXPECT_EQ(failure({"limitk(1, level)", 0, 0, 0, 0}), "none");
}

}  // namespace
}  // namespace ringside::agent
