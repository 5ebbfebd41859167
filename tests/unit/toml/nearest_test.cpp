#include "libwriter/toml/nearest.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace ringside {
namespace {

using Names = std::vector<std::string_view>;

constexpr std::array<std::string_view, 4> kNames = {"max_series", "labels", "kind", "help"};

TEST(NearestNames, FindsOneLetterAddedDroppedChangedOrSwapped) {
    const Names known{"web-frontend-1", "database-7", "queue"};
    for (const char* typed : {"web-frontend-11", "web-frntend-1", "web-fromtend-1", "web-forntend-1"}) {
        EXPECT_EQ(nearest_names(typed, known), Names{"web-frontend-1"}) << typed;
    }
    EXPECT_EQ(nearest_names("knid", kNames), Names{"kind"});
}

TEST(NearestNames, OrdersByDistanceThenName) {
    const Names known{"vm-99", "vm-13", "vm-11", "vm-12x"};
    EXPECT_EQ(nearest_names("vm-12", known), (Names{"vm-11", "vm-12x", "vm-13"}));
    EXPECT_EQ(nearest_names("vm-12", known, 1), Names{"vm-11"});
    EXPECT_EQ(nearest_names("vm-99", known)[0], "vm-99");
}

TEST(NearestNames, FindsWhatItIsAPartOf) {
    const Names known{"web-frontend-1", "dev-web", "database"};
    EXPECT_EQ(nearest_names("web", known), (Names{"dev-web", "web-frontend-1"}));
    EXPECT_EQ(nearest_names("b", known), Names{});
}

TEST(NearestNames, FindsNothingInStrangers) {
    EXPECT_EQ(nearest_names("resolution", kNames), Names{});
    EXPECT_EQ(nearest_names("vm-7", Names{"database", "queue", "x"}), Names{});
    EXPECT_EQ(nearest_names("ab", Names{"xy", "q", ""}), Names{});
    EXPECT_EQ(nearest_names("x", Names{"y"}), Names{});
    EXPECT_EQ(nearest_names("", kNames), Names{});
    EXPECT_EQ(nearest_names("kind", {}), Names{});
}

TEST(NearestNames, NamesEachOnce) { EXPECT_EQ(nearest_names("vm-1", Names{"vm-2", "vm-2"}), Names{"vm-2"}); }

TEST(NearestNames, RefusesToMeasureHugeWords) {
    const std::string huge(1 << 20, 'a');
    EXPECT_EQ(nearest_names(huge, kNames), Names{});
    EXPECT_EQ(nearest_names("aa", Names{huge}), Names{});
}

TEST(ListNames, ReadsAsASentence) {
    EXPECT_EQ(list_names(kNames), "max_series, labels, kind or help");
    EXPECT_EQ(list_names(std::array<std::string_view, 1>{"kind"}), "kind");
    EXPECT_EQ(list_names({}), "");
}

TEST(DidYouMean, AsksOrSaysNothing) {
    EXPECT_EQ(did_you_mean({}), "");
    EXPECT_EQ(did_you_mean(Names{"vm-2"}), "; did you mean vm-2?");
    EXPECT_EQ(did_you_mean(Names{"vm-2", "vm-3", "vm-4"}), "; did you mean vm-2, vm-3 or vm-4?");
}

}  // namespace
}  // namespace ringside
