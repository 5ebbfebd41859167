#include "agent/promql/run/sample_budget.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "agent/promql/run/query_costs.h"

namespace ringside::agent {
namespace {

TEST(SampleBudget, LeavesSomethingToWhoComesLater) {
    SampleBudget budget(1024);
    std::vector<std::unique_ptr<SampleBudget::Share>> shares;
    std::vector<std::uint64_t> given;
    for (int i = 0; i < 5; ++i) {
        shares.push_back(std::make_unique<SampleBudget::Share>(budget));
        given.push_back(shares.back()->samples());
    }
    EXPECT_EQ(given, (std::vector<std::uint64_t>{512, 256, 128, 64, 32}));
}

TEST(SampleBudget, LeavesHalfOfItToOperators) {
    SampleBudget budget(1024);
    std::vector<std::unique_ptr<SampleBudget::Share>> shares;
    std::uint64_t of_tenants = 0;
    for (int i = 0; i < 20; ++i) {
        shares.push_back(std::make_unique<SampleBudget::Share>(budget, true));
        of_tenants += shares.back()->samples();
    }
    EXPECT_GT(of_tenants, 500u);
    EXPECT_LE(of_tenants, 512u);
    EXPECT_GE(SampleBudget::Share(budget).samples(), 256u);
    shares.clear();
    EXPECT_EQ(SampleBudget::Share(budget, true).samples(), 256u);
}

TEST(SampleBudget, GetsBackWhatAShareHad) {
    SampleBudget budget(1000);
    { const SampleBudget::Share share(budget); }
    EXPECT_EQ(SampleBudget::Share(budget).samples(), 500u);
}

constexpr Caller kOperator{.uid = 7, .is_operator = true};

Query asked(const char* text, std::int64_t steps = 0) {
    return {.text = text, .begin_ms = 1'000, .end_ms = 1'000 + steps * 10, .step_ms = steps > 0 ? 10 : 0};
}

TEST(QueryCosts, RemembersWhatAQueryTookTheLastTime) {
    using namespace std::chrono_literals;
    QueryCosts costs;
    const auto used = [&](const char* text) { return costs.find(kOperator, asked(text))->used; };
    EXPECT_FALSE(costs.find(kOperator, asked("sum(x)")));
    costs.put(kOperator, asked("sum(x)"), {7ms, false});
    EXPECT_EQ(used("sum(x)"), 7ms);
    EXPECT_FALSE(costs.find(kOperator, asked("sum(x)"))->waits);
    EXPECT_FALSE(costs.find(kOperator, asked("sum(y)")));
    costs.put(kOperator, asked("sum(y)"), {0us, true});
    EXPECT_EQ(used("sum(x)"), 7ms);
    EXPECT_EQ(used("sum(y)"), 1us) << "nothing means that it is not known";
    EXPECT_TRUE(costs.find(kOperator, asked("sum(y)"))->waits);
    costs.put(kOperator, asked("sum(x)"), {1h, false});
    EXPECT_GT(used("sum(x)"), 5s);
    EXPECT_FALSE(costs.find(kOperator, asked("sum(x)"))->waits);
    EXPECT_FALSE(costs.find(kOperator, asked("")));
}

TEST(QueryCosts, TellsEachTenantWhatTheQueryTookOfItsOwnVms) {
    using namespace std::chrono_literals;
    QueryCosts costs;
    const Caller tenant{.uid = 7, .is_operator = false}, other{.uid = 8, .is_operator = false};
    const Caller same{.uid = 0, .is_operator = true};
    costs.put(tenant, asked("up"), {20us, false});
    EXPECT_FALSE(costs.find(other, asked("up")));
    EXPECT_FALSE(costs.find(kOperator, asked("up")));
    costs.put(kOperator, asked("up"), {2s, false});
    EXPECT_EQ(costs.find(tenant, asked("up"))->used, 20us);
    EXPECT_EQ(costs.find(same, asked("up"))->used, 2s) << "operators see all VMs";
}

TEST(QueryCosts, TakesTheSameTextWithManyMoreStepsForAnother) {
    using namespace std::chrono_literals;
    QueryCosts costs;
    costs.put(kOperator, asked("up"), {20us, false});
    EXPECT_FALSE(costs.find(kOperator, asked("up", 1)));
    costs.put(kOperator, asked("up", 1000), {9ms, false});
    EXPECT_EQ(costs.find(kOperator, asked("up"))->used, 20us);
    EXPECT_EQ(costs.find(kOperator, asked("up", 1001))->used, 9ms) << "as a dashboard asks again";
    EXPECT_FALSE(costs.find(kOperator, asked("up", 10'000)));
    Query backwards = asked("up", 5);
    std::swap(backwards.begin_ms, backwards.end_ms);
    EXPECT_EQ(costs.find(kOperator, backwards)->used, 20us) << "which fails at once";
}

}  // namespace
}  // namespace ringside::agent
