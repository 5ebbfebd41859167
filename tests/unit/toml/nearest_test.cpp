#include "libwriter/toml/nearest.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace ringside {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"max_series", "labels", "kind", "help"};

TEST(NearestName, FindsAMissingAWrongAndASwappedLetter) {
    EXPECT_EQ(nearest_name("max_serie", kNames), "max_series");
    EXPECT_EQ(nearest_name("labals", kNames), "labels");
    EXPECT_EQ(nearest_name("knid", kNames), "kind");
}

TEST(NearestName, PrefersFewerEdits) {
    EXPECT_EQ(nearest_name("hel", std::array<std::string_view, 2>{"heels", "help"}), "help");
}

TEST(NearestName, AnswersNothingWhenNothingResembles) {
    EXPECT_EQ(nearest_name("resolution", kNames), "");
    EXPECT_EQ(nearest_name("x", std::array<std::string_view, 1>{"y"}), "");
    EXPECT_EQ(nearest_name("", kNames), "");
    EXPECT_EQ(nearest_name("kind", {}), "");
}

TEST(NearestName, RefusesToMeasureHugeWords) { EXPECT_EQ(nearest_name(std::string(1 << 20, 'a'), kNames), ""); }

TEST(ListNames, ReadsAsASentence) {
    EXPECT_EQ(list_names(kNames), "max_series, labels, kind or help");
    EXPECT_EQ(list_names(std::array<std::string_view, 1>{"kind"}), "kind");
    EXPECT_EQ(list_names({}), "");
}

}  // namespace
}  // namespace ringside
