#include "agent/prometheus/sample_budget.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "agent/prometheus/long_queries.h"

namespace ringside::agent {
namespace {

std::uint64_t take_all(SampleBudget::Share& share) {
    std::uint64_t taken = 0;
    while (share.take(1)) ++taken;
    return taken;
}

TEST(SampleBudget, GivesOneAloneHalf) {
    SampleBudget budget(1000);
    SampleBudget::Share share(budget);
    EXPECT_FALSE(share.take(501));
    EXPECT_TRUE(share.take(500));
    EXPECT_FALSE(share.take(1));
}

TEST(SampleBudget, LeavesSomethingToWhoComesAfterGreedyOnes) {
    SampleBudget budget(1024);
    std::vector<std::unique_ptr<SampleBudget::Share>> greedy;
    std::vector<std::uint64_t> taken;
    for (int i = 0; i < 5; ++i) {
        greedy.push_back(std::make_unique<SampleBudget::Share>(budget));
        taken.push_back(take_all(*greedy.back()));
    }
    EXPECT_EQ(taken, (std::vector<std::uint64_t>{512, 256, 128, 64, 32}));
    EXPECT_EQ(budget.held(), 992u);
}

TEST(SampleBudget, GetsBackWhatAShareHeld) {
    SampleBudget budget(1000);
    {
        SampleBudget::Share share(budget);
        ASSERT_TRUE(share.take(400));
        EXPECT_FALSE(share.take(UINT64_MAX));
        EXPECT_EQ(budget.held(), 400u);
    }
    EXPECT_EQ(budget.held(), 0u);
}

TEST(LongQueries, RemembersUntilAQueryIsShortAgain) {
    LongQueries queries;
    EXPECT_FALSE(queries.has("sum(x)"));
    queries.put("sum(x)", true);
    EXPECT_TRUE(queries.has("sum(x)"));
    EXPECT_FALSE(queries.has("sum(y)"));
    queries.put("sum(y)", false);
    EXPECT_TRUE(queries.has("sum(x)"));
    queries.put("sum(x)", false);
    EXPECT_FALSE(queries.has("sum(x)"));
}

}  // namespace
}  // namespace ringside::agent
