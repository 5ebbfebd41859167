#include "agent/promql/run/turn.h"

#include <gtest/gtest.h>

#include <memory>

#include "tests/support/promql_memory_source.h"

namespace ringside::agent {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

// A level of ten samples.
class MemoryBackend : public QueryBackend {
  public:
    MemoryBackend() {
        for (int i = 1; i <= 10; ++i) series.add(promql::labels_of({{"__name__", "level"}}), i * 1000, i);
    }
    mutable promql::MemorySource series;
    bool drained = false;

    std::int64_t now_ms() const override { return 10'000; }
    std::unique_ptr<QuerySession> open(const Caller&) const override { return std::make_unique<Session>(*this); }
    std::map<std::string, std::vector<MetricMetadata>> metadata(const Caller&) const override { return {}; }

  private:
    struct Session : QuerySession {
        explicit Session(const MemoryBackend& backend) : owner(backend) {}
        promql::SampleSource& source() override { return owner.series; }
        void before_waiting(std::function<void()> call) override {
            if (owner.drained) call();
        }
        const MemoryBackend& owner;
    };
};

class QueryTurnTest : public testing::Test {
  protected:
    // "none", or code and text of the failure.
    std::string failure(FairPool::Turn& turn, FairPool::Time deadline = FairPool::Time::max()) {
        const auto session = backend_.open({});
        auto expr = check_query(query_, host_.limits);
        EXPECT_TRUE(expr.ok());
        auto answer = QueryTurn(host_, {}, query_, turn, deadline).run(**expr, *session);
        return answer.ok() ? "none" : std::string(code_name(answer.error().code)) + ": " + answer.error().message();
    }

    const Query query_{"sum_over_time(level[10s])", 10'000, 10'000, 0, 0};
    MemoryBackend backend_;
    QueryHost host_{backend_, {.samples_max = 100}, {.threads = 1}};
    std::atomic<bool> hung_up_{false};
    FairPool::Turn turn_{hung_up_};
};

TEST_F(QueryTurnTest, Answers) { EXPECT_EQ(failure(turn_), "none"); }

TEST_F(QueryTurnTest, EndsInTimeAndWithItsClient) {
    EXPECT_EQ(failure(turn_, steady_clock::now()), "timeout: the query took longer than it may");
    hung_up_ = true;
    EXPECT_EQ(failure(turn_), "unavailable: the client has hung up");
}

TEST_F(QueryTurnTest, LeavesSamplesToOthers) {
    {
        std::vector<std::unique_ptr<SampleBudget::Share>> others;
        for (int i = 0; i < 8; ++i) others.push_back(std::make_unique<SampleBudget::Share>(host_.budget));
        EXPECT_EQ(failure(turn_), "unavailable: other queries have too many samples in memory; try again");
    }
    EXPECT_EQ(failure(turn_), "none");
}

TEST_F(QueryTurnTest, RemembersWhatAQueryTook) {
    EXPECT_FALSE(host_.costs.find({}, query_));
    EXPECT_EQ(failure(turn_), "none");
    ASSERT_TRUE(host_.costs.find({}, query_));
    EXPECT_TRUE(host_.costs.find({}, query_)->is_quick());
}

TEST_F(QueryTurnTest, RemembersThatAQueryWasAboutDrainedVms) {
    backend_.drained = true;
    EXPECT_EQ(failure(turn_), "none");
    EXPECT_FALSE(host_.costs.find({}, query_)->is_quick());
    backend_.drained = false;
    EXPECT_EQ(failure(turn_), "none");
    EXPECT_TRUE(host_.costs.find({}, query_)->is_quick());
}

TEST_F(QueryTurnTest, TakesNoQueryForQuickThatOthersHaveEnded) {
    hung_up_ = true;
    EXPECT_NE(failure(turn_), "none");
    EXPECT_FALSE(host_.costs.find({}, query_)->is_quick());
    host_.costs.put({}, query_, {1s, false});
    EXPECT_NE(failure(turn_), "none");
    EXPECT_GE(host_.costs.find({}, query_)->used, 1s);
}

}  // namespace
}  // namespace ringside::agent
