#include "agent/catalog/news_budget.h"

#include <gtest/gtest.h>

namespace ringside::agent {
namespace {

using Untold = std::map<std::uint32_t, std::uint64_t>;

constexpr std::uint64_t kNow = 1'000'000;

NewsBudget budget(std::size_t users_max = 10) { return NewsBudget({3, 10, users_max}); }  // 3, and one each 10 ns

int taken(NewsBudget& budget, std::uint32_t uid, std::uint64_t now_ns, int tries = 10) {
    int count = 0;
    for (int i = 0; i < tries; ++i) count += budget.take(uid, now_ns) ? 1 : 0;
    return count;
}

TEST(NewsBudget, GivesABurstAndThenOneEachPeriod) {
    NewsBudget news = budget();
    EXPECT_EQ(taken(news, 1, kNow), 3);
    EXPECT_EQ(taken(news, 1, kNow + 9), 0);
    EXPECT_EQ(taken(news, 1, kNow + 10), 1);
    EXPECT_EQ(taken(news, 1, kNow + 30), 2);
    EXPECT_EQ(taken(news, 1, kNow + 1000), 3);  // never more than a burst
}

TEST(NewsBudget, CountsByUserWhatIsNotTold) {
    NewsBudget news = budget();
    taken(news, 1, kNow, 5);
    taken(news, 2, kNow, 4);
    taken(news, 3, kNow, 3);
    EXPECT_EQ(news.untold_total(), 3u);
    EXPECT_EQ(news.take_untold(), (Untold{{1, 2}, {2, 1}}));
    EXPECT_EQ(news.take_untold(), Untold{});
    EXPECT_EQ(news.untold_total(), 3u);
}

TEST(NewsBudget, GoesOnAfterTheClockWasSetBack) {
    NewsBudget news = budget();
    EXPECT_EQ(taken(news, 1, kNow), 3);
    EXPECT_EQ(taken(news, 1, kNow / 2), 0);
    EXPECT_EQ(taken(news, 1, kNow / 2 + 30), 3);
}

TEST(NewsBudget, HasOneBucketForUsersBeyondItsBound) {
    NewsBudget news = budget(2);
    EXPECT_EQ(taken(news, 1, kNow), 3);
    EXPECT_EQ(taken(news, 2, kNow), 3);
    EXPECT_EQ(taken(news, 3, kNow, 2), 2);
    EXPECT_EQ(taken(news, 4, kNow, 2), 1);
    EXPECT_EQ(news.take_untold().at(NewsBudget::kOtherUsers), 1u);
    EXPECT_EQ(taken(news, 1, kNow), 0);
    EXPECT_EQ(taken(news, 4, kNow + 1000), 3);  // the others' buckets are full and forgotten
}

}  // namespace
}  // namespace ringside::agent
