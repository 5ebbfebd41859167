#include "agent/descriptors.h"

#include <gtest/gtest.h>

namespace ringside::agent {
namespace {

TEST(Descriptors, LeavesAllSharesOfAnyLimitAboveTheFewest) {
    for (std::uint64_t limit : {256u, 257u, 300u, 1024u, 4096u, 20'000u, 65'536u, 1'000'000u}) {
        auto shares = share_descriptors(limit);
        ASSERT_TRUE(shares.ok()) << limit;
        EXPECT_LE(shares->limit, limit);
        EXPECT_GE(shares->connections, 128u) << limit;
        EXPECT_GE(shares->dead, 16u) << limit;
        EXPECT_GE(shares->living, 3 * shares->dead) << limit;
        EXPECT_EQ(shares->connections + shares->living + shares->dead + 64, shares->limit) << limit;
    }
}

TEST(Descriptors, RefusesALimitThatLeavesNoRoomForSegments) {
    auto shares = share_descriptors(255);
    ASSERT_FALSE(shares.ok());
    EXPECT_EQ(shares.error().code, Code::kExhausted);
    EXPECT_NE(shares.error().message().find("to 256 at least"), std::string::npos) << shares.error().message();
}

TEST(Descriptors, AdvisesALimitThatHoldsTheBudget) {
    Budgets budgets;
    auto warning = descriptor_warning(*share_descriptors(18'511), budgets);
    ASSERT_TRUE(warning);
    EXPECT_NE(warning->find("to 18512, or lower host-segments"), std::string::npos) << *warning;
    EXPECT_FALSE(descriptor_warning(*share_descriptors(18'512), budgets));
}

TEST(Descriptors, AdvisesNoLimitBeyondTheMostThatIsUsed) {
    Budgets budgets;
    budgets.host_segments = 60'000;
    auto warning = descriptor_warning(*share_descriptors(1'000'000), budgets);
    ASSERT_TRUE(warning);
    EXPECT_TRUE(warning->ends_with("left alone until there is room: lower host-segments")) << *warning;
}

}  // namespace
}  // namespace ringside::agent
