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

    std::int64_t now_ms() const override { return 10'000; }
    std::unique_ptr<QuerySession> open(const Caller&) const override { return std::make_unique<Session>(*this); }
    std::map<std::string, std::vector<MetricMetadata>> metadata(const Caller&) const override { return {}; }

  private:
    struct Session : QuerySession {
        explicit Session(const MemoryBackend& backend) : owner(backend) {}
        promql::SampleSource& source() override { return owner.series; }
        const MemoryBackend& owner;
    };
};

class QueryTurnTest : public testing::Test {
  protected:
    // "none", or code and text of the failure.
    std::string failure(FairPool::Turn& turn, FairPool::Time deadline = FairPool::Time::max()) {
        const auto session = backend_.open({});
        const Query query{"sum_over_time(level[10s])", 10'000, 10'000, 0, 0};
        auto expr = check_query(query, host_.limits);
        EXPECT_TRUE(expr.ok());
        auto answer = QueryTurn(host_, {}, query.text, turn, deadline).run(query, **expr, *session);
        return answer.ok() ? "none" : std::string(code_name(answer.error().code)) + ": " + answer.error().message();
    }

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

TEST_F(QueryTurnTest, RemembersWhatAQueryUsed) {
    QueryHost host(backend_, {}, {.threads = 1, .short_time = 0ns});
    const std::string text = "sum(level)";
    std::atomic<bool> done{false};
    host.pool.submit(hung_up_, [&](FairPool::Turn& turn) {
        { const QueryTurn use(host, {}, text, turn, FairPool::Time::max()); }
        done = true;
    });
    while (!done) std::this_thread::sleep_for(1ms);
    EXPECT_NE(host.costs.find(text), std::nullopt);
}

}  // namespace
}  // namespace ringside::agent
