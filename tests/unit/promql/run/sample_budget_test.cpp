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

TEST(QueryCosts, RemembersWhatAQueryUsedTheLastTime) {
    using namespace std::chrono_literals;
    QueryCosts costs;
    EXPECT_EQ(costs.find("sum(x)"), std::nullopt);
    costs.put("sum(x)", 7ms);
    EXPECT_EQ(costs.find("sum(x)"), 7ms);
    EXPECT_EQ(costs.find("sum(y)"), std::nullopt);
    costs.put("sum(y)", 0us);
    EXPECT_EQ(costs.find("sum(x)"), 7ms);
    EXPECT_EQ(costs.find("sum(y)"), 1us) << "nothing means that it is not known";
    costs.put("sum(x)", 1h);
    EXPECT_GT(*costs.find("sum(x)"), 10s);
    EXPECT_EQ(costs.find(""), std::nullopt);
}

}  // namespace
}  // namespace ringside::agent
