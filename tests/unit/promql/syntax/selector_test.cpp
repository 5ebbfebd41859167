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
        Refused{"7up", "1:1: parse error: bad number"}, Refused{"up{", "1:4: parse error: unexpected end of input"},
        Refused{"up{a", "1:5: parse error: unexpected end"},
        Refused{"up{a=b}", "1:6: parse error: unexpected identifier \"b\""},
        Refused{"up{a=\"b\" c=\"d\"}",
                "1:10: parse error: unexpected identifier \"c\" in label matching, expected \",\" or"},
        Refused{"up{a==\"b\"}", "1:6: parse error: unexpected \"=\" in label matching, expected string"},
        Refused{"up{a=\"b}", "1:6: parse error: unterminated quoted string"},
        Refused{"up{,}", "1:4: parse error: unexpected \",\""},
        Refused{"up{} x", "1:6: parse error: unexpected identifier \"x\", expected the end of the selector"},
        Refused{"up[5m]", "1:3: parse error: unexpected \"[\", expected the end"},
        Refused{"up{__name__=\"x\"}", "1:1: parse error: the metric's name is set twice"},
        Refused{"{\"up\",\"down\"}", "1:1: parse error: the metric's name is set twice"},
        Refused{"up{a=~\"(\"}", "is not valid"}, Refused{"up + 1", "a selector looks like name{label=\"value\"}"},
        Refused{"+", "1:1: parse error: unexpected <op:+>, expected the name of a metric or \"{\""},
        Refused{"up{a:b=\"c\"}", "1:5: parse error: unexpected character inside braces: ':'"}));

TEST(Selector, TakesAnyWordAsAName) {
    for (const char* name : {"sum", "on", "bool", "inf", "NaN", "group_left", "atan2", "by", "fill", "offset"}) {
        auto selector = parse_selector(name);
        ASSERT_TRUE(selector.ok()) << selector.error().message();
        EXPECT_EQ(selector->text(), name);
    }
}

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
