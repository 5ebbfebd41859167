#include <gtest/gtest.h>

#include "tools/ringsidectl/text.h"

namespace ringside::ctl {
namespace {

using Names = std::vector<std::string>;

TEST(NearestNames, FindsOneLetterAddedDroppedChangedOrSwapped) {
    const Names known{"web-frontend-1", "database-7", "queue"};
    for (const char* wanted :
         {"web-frontend-11", "web-frntend-1", "web-fromtend-1", "web-forntend-1"}) {
        EXPECT_EQ(nearest_names(wanted, known), Names{"web-frontend-1"}) << wanted;
    }
}

TEST(NearestNames, OrdersByDistanceThenName) {
    EXPECT_EQ(nearest_names("vm-12", {"vm-99", "vm-13", "vm-11", "vm-12x"}),
              (Names{"vm-11", "vm-12x", "vm-13"}));
}

TEST(NearestNames, FindsWhatBeginsWithIt) {
    EXPECT_EQ(nearest_names("web", {"web-frontend-1", "database"}), Names{"web-frontend-1"});
}

TEST(NearestNames, FindsNothingInStrangers) {
    EXPECT_TRUE(nearest_names("vm-7", {"database", "queue", "x"}).empty());
    EXPECT_TRUE(nearest_names("ab", {"xy", "q", ""}).empty());
    EXPECT_TRUE(nearest_names("", {"a", "b"}).empty());
    EXPECT_TRUE(nearest_names("vm-7", {}).empty());
}

TEST(NearestNames, NamesEachOnce) {
    EXPECT_EQ(nearest_names("vm-1", {"vm-2", "vm-2"}), Names{"vm-2"});
}

TEST(DidYouMean, ListsNamesAsASentenceDoes) {
    EXPECT_EQ(did_you_mean("vm-1", {}), "");
    EXPECT_EQ(did_you_mean("vm-1", {"vm-2"}), "; did you mean vm-2?");
    EXPECT_EQ(did_you_mean("vm-1", {"vm-2", "vm-3"}), "; did you mean vm-2 or vm-3?");
    EXPECT_EQ(did_you_mean("vm-1", {"vm-2", "vm-3", "vm-4"}), "; did you mean vm-2, vm-3 or vm-4?");
}

}  // namespace
}  // namespace ringside::ctl
