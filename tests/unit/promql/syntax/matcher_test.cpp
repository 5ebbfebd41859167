#include "agent/promql/syntax/matcher.h"

#include <gtest/gtest.h>

#include "agent/base/text.h"
#include "agent/promql/syntax/quoted.h"

namespace ringside::agent {
namespace {

Matcher must(std::string label, MatchOp op, std::string value) {
    auto matcher = Matcher::make(std::move(label), op, std::move(value));
    EXPECT_TRUE(matcher.ok()) << matcher.error().message();
    return *matcher;
}

TEST(Matcher, RegexMatchesTheWholeValue) {
    Matcher matcher = must("op", MatchOp::kRegex, "rea|wri");
    EXPECT_TRUE(matcher.matches("rea"));
    EXPECT_TRUE(matcher.matches("wri"));
    EXPECT_FALSE(matcher.matches("read"));
    EXPECT_FALSE(matcher.matches("awri"));
}

TEST(Matcher, DotMatchesANewline) {
    EXPECT_TRUE(must("op", MatchOp::kRegex, "a.b").matches("a\nb"));
    EXPECT_FALSE(must("op", MatchOp::kNotRegex, "a.b").matches("a\nb"));
}

TEST(Matcher, KnowsWhetherASeriesWithoutTheLabelPasses) {
    EXPECT_FALSE(must("a", MatchOp::kEqual, "x").matches_empty());
    EXPECT_TRUE(must("a", MatchOp::kEqual, "").matches_empty());
    EXPECT_TRUE(must("a", MatchOp::kNotEqual, "x").matches_empty());
    EXPECT_FALSE(must("a", MatchOp::kNotEqual, "").matches_empty());
    EXPECT_TRUE(must("a", MatchOp::kRegex, ".*").matches_empty());
    EXPECT_FALSE(must("a", MatchOp::kRegex, ".+").matches_empty());
    EXPECT_TRUE(must("a", MatchOp::kNotRegex, "x").matches_empty());
}

TEST(Matcher, RefusesAPatternThatIsNoPattern) {
    auto matcher = Matcher::make("op", MatchOp::kRegex, "a(b");
    ASSERT_FALSE(matcher.ok());
    EXPECT_EQ(matcher.error().code, Code::kInvalid);
    EXPECT_NE(matcher.error().context.find("\"a(b\" for label op"), std::string::npos) << matcher.error().context;
}

TEST(Matcher, RefusesAPatternThatIsTooLong) {
    EXPECT_TRUE(Matcher::make("op", MatchOp::kRegex, std::string(kRegexMaxBytes, 'a')).ok());
    auto matcher = Matcher::make("op", MatchOp::kRegex, std::string(kRegexMaxBytes + 1, 'a'));
    ASSERT_FALSE(matcher.ok());
    EXPECT_EQ(matcher.error().code, Code::kInvalid);
}

TEST(Matcher, RefusesAPatternThatNeedsTooMuchMemory) {
    auto matcher = Matcher::make("op", MatchOp::kRegex, "((((\\pL{1,900}){1,900}){1,900})){1,900}");
    ASSERT_FALSE(matcher.ok());
    EXPECT_EQ(matcher.error().code, Code::kInvalid);
    // Within RE2's bound on repetition, but over the memory that a matcher may take.
    matcher = Matcher::make("op", MatchOp::kRegex, "(\\pL{1,30}){1,30}(\\pN{1,30}){1,30}");
    ASSERT_FALSE(matcher.ok());
    EXPECT_EQ(matcher.error().code, Code::kInvalid);
}

TEST(Matcher, RefusesANamelessLabel) { EXPECT_FALSE(Matcher::make("", MatchOp::kEqual, "x").ok()); }

TEST(Matcher, TakesAHostilePatternInLinearTime) {
    Matcher matcher = must("op", MatchOp::kRegex, "(a*)*(a*)*(a*)*b");
    EXPECT_FALSE(matcher.matches(std::string(200000, 'a')));
}

TEST(Quoted, UnquoteTurnsItBack) {
    std::string all;
    for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
    std::string text = quote(all);
    std::size_t at = 0;
    auto back = unquote(text, &at);
    ASSERT_TRUE(back.ok()) << back.error().message();
    EXPECT_EQ(*back, all);
    EXPECT_EQ(at, text.size());
}

struct Literal {
    const char* text;
    const char* value;  // null: refused
};

class Unquote : public testing::TestWithParam<Literal> {};

TEST_P(Unquote, ReadsAsGoDoes) {
    std::size_t at = 0;
    auto value = unquote(GetParam().text, &at);
    ASSERT_EQ(value.ok(), GetParam().value != nullptr) << GetParam().text;
    if (value) {
        EXPECT_EQ(*value, GetParam().value);
    }
}

INSTANTIATE_TEST_SUITE_P(
    Literals, Unquote,
    testing::Values(Literal{"\"a\\tb\"", "a\tb"}, Literal{"'it\\'s'", "it's"}, Literal{"'\"'", "\""},
                    Literal{"`\\n`", "\\n"}, Literal{"\"\\u00e4\\U0001F600\\x41\\101\"", "ä😀AA"},
                    Literal{"\"\\'\"", nullptr}, Literal{"\"\\q\"", nullptr}, Literal{"\"\\x4\"", nullptr},
                    Literal{"\"\\ud800\"", nullptr}, Literal{"\"\\U00110000\"", nullptr}, Literal{"\"\\400\"", nullptr},
                    Literal{"\"a\nb\"", nullptr}, Literal{"\"abc", nullptr}, Literal{"\"abc\\", nullptr},
                    Literal{"`abc", nullptr}, Literal{"abc", nullptr}, Literal{"", nullptr}));

}  // namespace
}  // namespace ringside::agent
