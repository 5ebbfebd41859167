// Queries in Prometheus' own layout, and that no layout changes what they say.
#include "agent/promql/syntax/printer.h"

#include <gtest/gtest.h>

#include "agent/promql/syntax/parser.h"

namespace ringside::agent::promql {
namespace {

ExprPtr parse(std::string_view query) {
    auto expr = parse_query(query, ParseOptions::all());
    if (!expr) {
        ADD_FAILURE() << query << ": " << expr.error().context;
        return std::make_unique<Expr>();
    }
    return std::move(*expr);
}

struct Printed {
    const char* query;
    const char* text;
};

class PrinterText : public testing::TestWithParam<Printed> {};

TEST_P(PrinterText, IsAsPrometheusWritesIt) {
    EXPECT_EQ(text(*parse(GetParam().query)), GetParam().text);
    EXPECT_EQ(text(*parse(GetParam().text)), GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(
    Forms, PrinterText,
    testing::Values(
        Printed{"1_000", "1000"}, Printed{"0x10", "16"}, Printed{"1e21", "1000000000000000000000"},
        Printed{"-inf", "-Inf"}, Printed{"inf", "+Inf"}, Printed{"nan", "NaN"}, Printed{".1", "0.1"},
        Printed{"90m", "1h30m"}, Printed{"14d", "2w"}, Printed{"8d", "8d"}, Printed{"-5m", "-5m"},
        Printed{"1ms", "1ms"}, Printed{"0s", "0s"}, Printed{"'a\\tb\"'", "\"a\\tb\\\"\""}, Printed{"`\\`", "\"\\\\\""},
        Printed{"\"\\xff\"", "\"\\xff\""}, Printed{"foo{}", "foo"},
        Printed{"foo{b='x',a!~\"y\"}", "foo{a!~\"y\",b=\"x\"}"}, Printed{"{\"foo\"}", "{__name__=\"foo\"}"},
        Printed{"{\"a.b\",\"c d\"=\"e\"}", "{\"c d\"=\"e\",__name__=\"a.b\"}"},
        Printed{"foo offset -1h @ 1.5", "foo @ 1.500 offset -1h"}, Printed{"foo @ -0.25", "foo @ -0.250"},
        Printed{"foo offset 1m smoothed @ end()", "foo @ end() smoothed offset 1m"}, Printed{"foo offset 0", "foo"},
        Printed{"foo[300] offset 1m @ start() anchored", "foo[5m] anchored @ start() offset 1m"},
        Printed{"foo[5m*2+step()]", "foo[5m * 2 + step()]"}, Printed{"foo[(5m)]", "foo[5m]"},
        Printed{"foo[(-5m)^2]", "foo[(-5m) ^ 2]"},
        Printed{"foo offset -(2 * MIN_OF(step(),range()))", "foo offset -(2 * min_of(step(), range()))"},
        Printed{"foo[5m:]", "foo[5m:]"}, Printed{"foo[5m:30] offset 1m", "foo[5m:30s] offset 1m"},
        Printed{"-  foo", "-foo"}, Printed{"-2^2", "-2 ^ 2"}, Printed{"inf^2", "Inf ^ 2"},
        Printed{"(1+2)*3", "(1 + 2) * 3"}, Printed{"a==bool b", "a == bool b"}, Printed{"a*on()b", "a * on () b"},
        Printed{"a*ignoring()b", "a * b"}, Printed{"a/ignoring(x)group_left b", "a / ignoring (x) group_left () b"},
        Printed{"a/on(x,\"y z\")group_right(v)b", "a / on (x, \"y z\") group_right (v) b"},
        Printed{"a+fill(1)b", "a + fill (1) b"},
        Printed{"a+fill_right(2)fill_left(-1e30)b", "a + fill_left (-1e+30) fill_right (2) b"},
        Printed{"a</1", "a </ 1"}, Printed{"a and b", "a and b"}, Printed{"sum(a)by(x)", "sum by (x) (a)"},
        Printed{"sum by() (a)", "sum(a)"}, Printed{"sum without() (a)", "sum without () (a)"},
        Printed{"TOPK(3,a)", "topk(3, a)"}, Printed{"count_values('x',a)", "count_values(\"x\", a)"},
        Printed{"time( )", "time()"}, Printed{"label_join(a,'b',\"c\",`d`)", "label_join(a, \"b\", \"c\", \"d\")"},
        Printed{"info(a,{})", "info(a, {})"}, Printed{"a # comment\n+ b", "a + b"}));

// 95 characters.
const std::string kLong = std::string(88, 'm') + "{a=\"b\"}";

TEST(FormatQuery, KeepsOnOneLineWhatFits) {
    EXPECT_EQ(format_query(*parse("sum(rate(foo[5m]))")), "sum(rate(foo[5m]))");
    EXPECT_EQ(format_query(*parse(kLong + " + 1")), kLong + " + 1");
    EXPECT_EQ(format_query(*parse("abs(" + std::string(95, 'm') + ")")), "abs(" + std::string(95, 'm') + ")");
}

TEST(FormatQuery, SplitsAtOperands) {
    EXPECT_EQ(format_query(*parse(kLong + " / on(a) group_left(c) sum by (a) (" + kLong + ")")),
              "  " + kLong + "\n/ on (a) group_left (c)\n  sum by (a) (\n    " + kLong + "\n  )");
    EXPECT_EQ(format_query(*parse("topk(3,-(" + kLong + " + bool_ ))")),
              "topk(\n  3,\n  -(\n      " + kLong + "\n    +\n      bool_\n  )\n)");
    EXPECT_EQ(format_query(*parse("label_join(" + kLong + ",'x','y')")),
              "label_join(\n  " + kLong + ",\n  \"x\",\n  \"y\"\n)");
    EXPECT_EQ(format_query(*parse("max_over_time((" + kLong + " + xyz)[5m:1m] offset 1m)")),
              "max_over_time(\n  (\n      " + kLong + "\n    +\n      xyz\n  )[5m:1m] offset 1m\n)");
}

TEST(FormatQuery, LeavesTheMeaningAlone) {
    for (const std::string& query :
         {"sum by (a) (rate(" + kLong + "[5m])) / ignoring(b) group_right -" + kLong + " > bool 5m",
          "histogram_quantile(0.9, sum without (b) (rate(" + kLong + "[5m] offset 1h)))[5m:] @ end()",
          "quantile(.5, " + kLong + ") ^ -" + kLong + " ^ 2 unless " + kLong}) {
        const ExprPtr expr = parse(query);
        EXPECT_EQ(text(*parse(format_query(*expr))), text(*expr));
    }
}

}  // namespace
}  // namespace ringside::agent::promql
