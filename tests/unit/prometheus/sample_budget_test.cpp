#include "agent/prometheus/sample_budget.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "agent/prometheus/long_queries.h"

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

TEST(SampleBudget, GetsBackWhatAShareHad) {
    SampleBudget budget(1000);
    { const SampleBudget::Share share(budget); }
    EXPECT_EQ(SampleBudget::Share(budget).samples(), 500u);
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
