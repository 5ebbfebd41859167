#include <gtest/gtest.h>

#include "agent/promql/syntax/matcher.h"

namespace ringside::agent {
namespace {

struct Parsed {
    const char* text;
    const char* printed;
};

class SelectorText : public testing::TestWithParam<Parsed> {};

TEST_P(SelectorText, ParsesAndPrints) {
    auto selector = parse_selector(GetParam().text);
    ASSERT_TRUE(selector.ok()) << selector.error().message();
    EXPECT_EQ(selector->text(), GetParam().printed);
    auto again = parse_selector(selector->text());
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(again->text(), GetParam().printed);
}

INSTANTIATE_TEST_SUITE_P(Forms, SelectorText,
                         testing::Values(Parsed{"up", "up"}, Parsed{" job:up:sum5m { } ", "job:up:sum5m"},
                                         Parsed{"", "{}"}, Parsed{"{}", "{}"}, Parsed{"up{a=\"b\",}", "up{a=\"b\"}"},
                                         Parsed{"up{ a != 'b' , c=~`d.*`,e!~\"\"}", "up{a!=\"b\",c=~\"d.*\",e!~\"\"}"},
                                         Parsed{"{__name__=\"up\"}", "up"},
                                         Parsed{"{__name__=~\"u.\"}", "{__name__=~\"u.\"}"},
                                         Parsed{"{\"up\",a=\"b\"}", "up{a=\"b\"}"},
                                         Parsed{"{a=\"b\",'up'}", "up{a=\"b\"}"},
                                         Parsed{"{\"not a name\"=\"x\"}", "{\"not a name\"=\"x\"}"},
                                         Parsed{"up{a=\"q\\\"\\\\\\n\"}", "up{a=\"q\\\"\\\\\\n\"}"}));

struct Refused {
    const char* text;
    const char* why;
};

class SelectorError : public testing::TestWithParam<Refused> {};

TEST_P(SelectorError, SaysWhereAndWhat) {
    auto selector = parse_selector(GetParam().text);
    ASSERT_FALSE(selector.ok()) << selector->text();
    EXPECT_EQ(selector.error().code, Code::kInvalid);
    EXPECT_NE(selector.error().context.find(GetParam().why), std::string::npos) << selector.error().context;
}

INSTANTIATE_TEST_SUITE_P(
    Mistakes, SelectorError,
    testing::Values(
        Refused{"7up", "character 1: expected the end"}, Refused{"up{", "character 4: expected the name"},
        Refused{"up{a", "character 5: expected =, !="}, Refused{"up{a=b}", "character 6: expected a string"},
        Refused{"up{a=\"b\" c=\"d\"}", "character 10: expected , or }"},
        Refused{"up{a==\"b\"}", "character 6: expected a string"},
        Refused{"up{a=\"b}", "character 6: the string has no end"}, Refused{"up{,}", "character 4: expected the name"},
        Refused{"up{} x", "character 6: expected the end"}, Refused{"up[5m]", "character 3: expected the end"},
        Refused{"up{__name__=\"x\"}", "character 4: the metric's name stands here a second time"},
        Refused{"{\"up\",\"down\"}", "character 7: the metric's name"}, Refused{"up{a=~\"(\"}", "is not valid"},
        Refused{"up{a:b=\"c\"}", "character 5: expected =, !="}));

TEST(Selector, HasABoundOnItsMatchers) {
    std::string body;
    for (std::size_t i = 0; i <= kSelectorMaxMatchers; ++i) body += "a=\"b\",";
    auto selector = parse_selector("{" + body + "}");
    ASSERT_FALSE(selector.ok());
    EXPECT_NE(selector.error().context.find("at most 64 matchers"), std::string::npos);
}

TEST(Selector, HasABoundOnItsLength) {
    EXPECT_TRUE(parse_selector(std::string(kSelectorMaxBytes, 'a')).ok());
    EXPECT_FALSE(parse_selector(std::string(kSelectorMaxBytes + 1, 'a')).ok());
}

}  // namespace
}  // namespace ringside::agent
