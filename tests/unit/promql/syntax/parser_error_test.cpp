// What the parser refuses, where and in which words. Users and scripts match on them.
#include <gtest/gtest.h>

#include "agent/promql/syntax/parser.h"

namespace ringside::agent::promql {
namespace {

struct Refused {
    const char* query;
    const char* message;
};

class ParserError : public testing::TestWithParam<Refused> {};

TEST_P(ParserError, SaysWhereAndWhat) {
    auto expr = parse_query(GetParam().query, ParseOptions::all());
    ASSERT_FALSE(expr.ok());
    EXPECT_EQ(expr.error().code, Code::kInvalid);
    EXPECT_EQ(expr.error().context, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Words, ParserError,
    testing::Values(
        Refused{"", "1:1: parse error: no expression found in input"},
        Refused{"# nothing", "1:1: parse error: no expression found in input"},
        Refused{"1 /", "1:4: parse error: unexpected end of input"},
        Refused{"1 1", "1:3: parse error: unexpected number \"1\""},
        Refused{"foo bar", "1:5: parse error: unexpected identifier \"bar\""},
        Refused{"foo\n  + bar baz", "2:9: parse error: unexpected identifier \"baz\""},
        Refused{"*1", "1:1: parse error: unexpected <op:*>"},
        Refused{"(1))", "1:5: parse error: unexpected right parenthesis ')'"},
        Refused{"((1)", "1:5: parse error: unclosed left parenthesis"},
        Refused{"(", "1:2: parse error: unclosed left parenthesis"},
        Refused{"()", "1:2: parse error: unexpected \")\""},
        Refused{"1 !~ 1", "1:3: parse error: unexpected character after '!': '~'"},
        Refused{"1 =~ 1", "1:3: parse error: unexpected character after '=': '~'"},
        Refused{"1 = 1", "1:3: parse error: unexpected \"=\""},
        Refused{"1 & 1", "1:3: parse error: unexpected character: '&'"},
        Refused{"ä", "1:1: parse error: unexpected character: 'ä'"},
        Refused{"0x1.8", "1:1: parse error: bad number or duration syntax: \"0x1.\""},
        Refused{"1..2", "1:1: parse error: bad number or duration syntax: \"1..\""},
        Refused{"1_", "1:1: parse error: bad number or duration syntax: \"1_\""},
        Refused{"5mm", "1:1: parse error: bad number or duration syntax: \"5mm\""},
        Refused{"1.5m", "1:1: parse error: not a valid duration string: \"1.5m\""},
        Refused{"5m1h", "1:1: parse error: not a valid duration string: \"5m1h\""},
        Refused{"1e999",
                "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"1e999\": value out of range"},
        Refused{"\"abc", "1:1: parse error: unterminated quoted string"},
        Refused{"`abc", "1:1: parse error: unterminated raw string"},
        Refused{"\"\\q\"", "1:1: parse error: unknown escape sequence U+0071 'q'"},
        Refused{"\"\\xg\"", "1:1: parse error: illegal character U+0067 'g' in escape sequence"},
        Refused{"\"\\ud800\"", "1:1: parse error: escape sequence is an invalid Unicode code point"},
        Refused{"\"\xff\"", "1:1: parse error: invalid UTF-8 rune"}));

INSTANTIATE_TEST_SUITE_P(
    Selectors, ParserError,
    testing::Values(
        Refused{"{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
        Refused{"x and {a=~\".*\"}", "1:7: parse error: vector selector must contain at least one non-empty matcher"},
        Refused{"foo{", "1:5: parse error: unexpected end of input inside braces"},
        Refused{"foo{a}", "1:6: parse error: unexpected \"}\" in label matching, expected label matching operator"},
        Refused{"foo{a=b}", "1:7: parse error: unexpected identifier \"b\" in label matching, expected string"},
        Refused{"foo{a=\"b\" c=\"d\"}",
                "1:11: parse error: unexpected identifier \"c\" in label matching, expected \",\" or \"}\""},
        Refused{"foo{,}", "1:5: parse error: unexpected \",\" in label matching, expected identifier or \"}\""},
        Refused{"foo{a>\"b\"}", "1:6: parse error: unexpected character inside braces: '>'"},
        Refused{"foo{__name__=\"bar\"}", "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\""},
        Refused{"foo[5m", "1:7: parse error: unclosed left bracket"},
        Refused{"foo[]",
                "1:5: parse error: unexpected \"]\" in subquery or range selector, expected number, duration, step(), "
                "or range()"},
        Refused{"foo[0m]", "1:5: parse error: duration must be greater than 0"},
        Refused{"foo[-5m]", "1:5: parse error: duration must be greater than 0"},
        Refused{"foo[\"5m\"]", "1:5: parse error: unexpected character in duration expression: '\"'"},
        Refused{"foo[5m:1m", "1:10: parse error: unclosed left bracket"},
        Refused{"foo[:1m]", "1:6: parse error: unexpected colon before duration in duration expression"},
        Refused{"foo[5m:1m:1m]", "1:11: parse error: unexpected repeated colon in duration expression"},
        Refused{"foo[5m:)]", "1:9: parse error: unexpected right parenthesis ')'"},
        Refused{"foo[1/0]", "1:6: parse error: division by zero"},
        Refused{"foo[1%0]", "1:6: parse error: modulo by zero"},
        Refused{"1[5m]", "1:2: parse error: ranges only allowed for vector selectors"},
        Refused{"foo offset 5m [5m]", "1:15: parse error: no offset modifiers allowed before range"},
        Refused{"foo @ 5 [5m]", "1:9: parse error: no @ modifiers allowed before range"},
        Refused{"foo offset",
                "1:11: parse error: unexpected end of input in offset, expected number, duration, step(), or range()"},
        Refused{"foo offset 1m offset 2m", "1:1: parse error: offset may not be set multiple times"},
        Refused{"sum(foo) offset 1m",
                "1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector "
                "selector or a subquery"},
        Refused{"foo @ bar", "1:7: parse error: unexpected identifier \"bar\" in @, expected timestamp"},
        Refused{"foo @ inf", "1:1: parse error: timestamp out of bounds for @ modifier: inf"},
        Refused{"foo @ 1 @ 2", "1:1: parse error: @ <timestamp> may not be set multiple times"},
        Refused{"1 @ 1",
                "1:1: parse error: @ modifier must be preceded by an instant vector selector or range vector selector "
                "or a subquery"},
        Refused{"foo smoothed anchored", "1:1: parse error: anchored and smoothed modifiers cannot be used together"},
        Refused{"foo[5m:1m] anchored", "1:1: parse error: anchored modifier is not supported for subqueries"},
        Refused{"1[5m:]", "1:1: parse error: subquery is only allowed on instant vector, got scalar instead"},
        Refused{"foo[1m][5m:]", "1:1: parse error: subquery is only allowed on instant vector, got matrix instead"}));

INSTANTIATE_TEST_SUITE_P(
    Calls, ParserError,
    testing::Values(
        Refused{"nothing(1)", "1:1: parse error: unknown function with name \"nothing\""},
        Refused{"rate()", "1:1: parse error: expected 1 argument(s) in call to \"rate\", got 0"},
        Refused{"rate(foo)",
                "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector"},
        Refused{"time(1)", "1:1: parse error: expected 0 argument(s) in call to \"time\", got 1"},
        Refused{"round()", "1:1: parse error: expected at least 1 argument(s) in call to \"round\", got 0"},
        Refused{"hour(foo, foo)", "1:1: parse error: expected at most 1 argument(s) in call to \"hour\", got 2"},
        Refused{"abs(foo,)", "1:8: parse error: trailing commas not allowed in function call args"},
        Refused{"label_join(foo, \"a\", \"b\", 1)",
                "1:27: parse error: expected type string in call to function \"label_join\", got scalar"},
        Refused{"info(foo, bar)", "1:11: parse error: expected label selectors only, got vector selector instead"},
        Refused{"info(foo, (bar))", "1:11: parse error: expected label selectors only"},
        Refused{"sum()", "1:1: parse error: no arguments for aggregate expression provided"},
        Refused{"sum(1)", "1:5: parse error: expected type instant vector in aggregation expression, got scalar"},
        Refused{"sum(+)", "1:6: parse error: unexpected \")\" in aggregation"},
        Refused{"sum by (a) foo", "1:12: parse error: unexpected identifier \"foo\" in aggregation"},
        Refused{"sum by a (foo)", "1:8: parse error: unexpected identifier \"a\" in grouping opts, expected \"(\""},
        Refused{"sum by (a b) (foo)",
                "1:11: parse error: unexpected identifier \"b\" in grouping opts, expected \",\" or \")\""},
        Refused{"sum by (,) (foo)", "1:9: parse error: unexpected \",\" in grouping opts, expected label"},
        Refused{"sum by (\"\") (foo)", "1:9: parse error: invalid label name for grouping: \"\""},
        Refused{"topk(foo)",
                "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1"},
        Refused{"topk(foo, foo)",
                "1:6: parse error: expected type scalar in aggregation parameter, got instant vector"},
        Refused{"count_values(1, foo)",
                "1:14: parse error: expected type string in aggregation parameter, got scalar"}));

INSTANTIATE_TEST_SUITE_P(
    Operators, ParserError,
    testing::Values(
        Refused{"1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"},
        Refused{"foo + bool bar", "1:5: parse error: bool modifier can only be used on comparison operators"},
        Refused{"1 and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"},
        Refused{"foo + \"a\"", "1:7: parse error: binary expression must contain only scalar and instant vector types"},
        Refused{"foo + on(a) 1", "1:1: parse error: vector matching only allowed between instant vectors"},
        Refused{"foo or on(a) group_left bar", "1:1: parse error: no grouping allowed for \"or\" operation"},
        Refused{"foo * on(a, b) group_left(b) bar",
                "1:5: parse error: label \"b\" must not occur in ON and GROUP clause at once"},
        Refused{"foo and fill(1) bar", "1:1: parse error: filling in missing series not allowed for set operators"},
        Refused{"foo + fill(1) 2", "1:1: parse error: filling in missing series only allowed between instant vectors"},
        Refused{"foo + group_left bar", "1:7: parse error: unexpected <group_left>"},
        Refused{"-\"a\"",
                "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got "
                "\"string\""},
        Refused{"-foo[5m]",
                "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got "
                "\"range vector\""}));

TEST(Parser, RefusesWhatIsNotSwitchedOn) {
    const Refused cases[] = {
        {"info(foo)", "1:1: parse error: function \"info\" is not enabled"},
        {"limitk(1, foo)",
         "1:1: parse error: limitk() is experimental and must be enabled with "
         "--enable-feature=promql-experimental-functions"},
        {"foo anchored", "1:1: parse error: anchored modifier is experimental and not enabled"},
        {"foo[5m] smoothed", "1:1: parse error: smoothed modifier is experimental and not enabled"},
        {"foo + fill(1) bar", "1:1: parse error: binop fill modifiers are experimental and not enabled"},
    };
    for (const Refused& one : cases) {
        EXPECT_TRUE(parse_query(one.query, ParseOptions::all()).ok()) << one.query;
        auto expr = parse_query(one.query, {});
        ASSERT_FALSE(expr.ok()) << one.query;
        EXPECT_EQ(expr.error().context, one.message);
    }
}

std::string repeat(std::string_view text, std::size_t count) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) all += text;
    return all;
}

TEST(Parser, BoundsTheHeightOfTheTreeHoweverItGrows) {
    ParseOptions options;
    options.limits.depth_max = 100;
    options.limits.bytes_max = 1 << 20;
    const std::string shallow[] = {repeat("(", 90) + "1" + repeat(")", 90), "1" + repeat("+1", 90),
                                   repeat("abs(", 90) + "x" + repeat(")", 90), repeat("- +", 40) + "x",
                                   "x[1" + repeat("+1", 90) + "]"};
    const std::string tall[] = {repeat("(", 101) + "1" + repeat(")", 101), "1" + repeat("+1", 101),
                                repeat("abs(", 101) + "x" + repeat(")", 101), repeat("- +", 51) + "x",
                                "x[1" + repeat("+1", 101) + "]", "x[" + repeat("(", 101) + "1" + repeat(")", 101) + "]",
                                "x" + repeat("^1", 101),
                                // Neither the nesting nor the chain alone is too tall.
                                repeat("(", 60) + "1" + repeat(")", 60) + repeat("+1", 60)};
    for (const std::string& query : shallow) {
        auto expr = parse_query(query, options);
        EXPECT_TRUE(expr.ok()) << query << ": " << expr.error().context;
    }
    for (const std::string& query : tall) {
        auto expr = parse_query(query, options);
        ASSERT_FALSE(expr.ok()) << query;
        EXPECT_NE(expr.error().context.find("the query nests expressions more than 100 deep"), std::string::npos)
            << query << ": " << expr.error().context;
    }
}

TEST(Parser, BoundsTheLengthOfTheQuery) {
    ParseOptions options;
    options.limits.bytes_max = 10;
    EXPECT_TRUE(parse_query("abcdefghij", options).ok());
    auto expr = parse_query("abcdefghijk", options);
    ASSERT_FALSE(expr.ok());
    EXPECT_EQ(expr.error().context, "the query has 11 bytes; at most 10 are allowed");
}

TEST(Parser, StaysWithinTheStackAtItsOwnLimits) {
    for (const char* piece : {"(", "-", "abs(", "sum(", "1^", "{", "x[", "x[(", "1+("}) {
        EXPECT_FALSE(parse_query(repeat(piece, ParseLimits{}.bytes_max / std::string(piece).size()), {}).ok());
    }
}

TEST(Parser, BoundsAllPatternsTogether) {
    std::string text = "a{b=~\"\\\\pL{20}\"}";
    ASSERT_TRUE(parse_query(text, {}).ok());
    for (int i = 0; i < 5; ++i) text = text + " + " + text;
    auto expr = parse_query(text, {});
    ASSERT_FALSE(expr.ok());
    EXPECT_NE(expr.error().context.find("are too large together"), std::string::npos) << expr.error().context;
    // As many simple ones as a query has room for are fine.
    text = "a{b=~\"x|y\"}";
    for (int i = 0; i < 999; ++i) text += " + a{b=~\"x|y\"}";
    EXPECT_TRUE(parse_query(text, {.limits = {.depth_max = 2000}}).ok());
}

}  // namespace
}  // namespace ringside::agent::promql
