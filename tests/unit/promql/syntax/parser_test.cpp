// What the parser makes of the queries it takes.
#include "agent/promql/syntax/parser.h"

#include <gtest/gtest.h>

#include <cmath>

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

double number(std::string_view query) {
    const ExprPtr expr = parse(query);
    const auto* literal = expr->as<NumberLiteral>();
    return literal ? literal->value : std::nan("no number");
}

// The tree of arithmetic in brackets, so that one sees what binds tighter.
std::string shape(const Expr& expr) {
    if (const auto* literal = expr.as<NumberLiteral>()) return std::to_string(static_cast<int>(literal->value));
    if (const auto* selector = expr.as<VectorSelector>()) return selector->name;
    if (const auto* unary = expr.as<Unary>()) return (unary->minus ? "-" : "+") + shape(*unary->expr);
    if (const auto* paren = expr.as<Paren>()) return "(" + shape(*paren->expr) + ")";
    if (const auto* binary = expr.as<Binary>()) {
        return "[" + shape(*binary->left) + " " + binary_op_text(binary->op) + " " + shape(*binary->right) + "]";
    }
    return "?";
}

TEST(Parser, ReadsNumbersInEveryForm) {
    EXPECT_EQ(number("1"), 1);
    EXPECT_EQ(number("1_000.5"), 1000.5);
    EXPECT_EQ(number(".5"), .5);
    EXPECT_EQ(number("5."), 5);
    EXPECT_EQ(number("1e-3"), 1e-3);
    EXPECT_EQ(number("0x1F"), 31);
    EXPECT_EQ(number("0755"), 493);
    EXPECT_EQ(number("08"), 8);  // no octal digit, so decimal
    EXPECT_EQ(number("-5"), -5);
    EXPECT_EQ(number("+5"), 5);
    EXPECT_EQ(number("--5"), 5);
    EXPECT_EQ(number("inF"), INFINITY);
    EXPECT_EQ(number("-Inf"), -INFINITY);
    EXPECT_TRUE(std::isnan(number("NaN")));
    EXPECT_EQ(number("1h30m"), 5400);
    EXPECT_EQ(number("1y2w3d4h5m6s7ms"), 31536000 + 1209600 + 259200 + 14400 + 300 + 6.007);
    EXPECT_EQ(number("-5m"), -300);
}

TEST(Parser, BindsOperatorsAsMathematicsDoes) {
    EXPECT_EQ(shape(*parse("1 + 2 * 3 ^ 2 ^ 3 - 4")), "[[1 + [2 * [3 ^ [2 ^ 3]]]] - 4]");
    EXPECT_EQ(shape(*parse("a or b and c unless d == e + f")), "[a or [[b and c] unless [d == [e + f]]]]");
    EXPECT_EQ(shape(*parse("a / b % c atan2 d * e")), "[[[[a / b] % c] atan2 d] * e]");
    EXPECT_EQ(shape(*parse("a < bool b </ c >/ d")), "[[[a < b] </ c] >/ d]");
    EXPECT_EQ(shape(*parse("-2 ^ 2")), "-[2 ^ 2]");
    EXPECT_EQ(shape(*parse("-2 * 3")), "[-2 * 3]");
    EXPECT_EQ(shape(*parse("-a * b")), "[-a * b]");
    EXPECT_EQ(shape(*parse("2 ^ -a ^ 2 * 3")), "[[2 ^ -[a ^ 2]] * 3]");
    EXPECT_EQ(shape(*parse("(1 + a) * 2")), "[([1 + a]) * 2]");
}

TEST(Parser, LetsWordsOfTheLanguageNameMetricsAndLabels) {
    for (const char* name : {"sum", "by", "offset", "and", "start", "end", "step", "range", "fill", "fill_left",
                             "min_of", "anchored", "topk", "SUM", "job:sum:rate5m", ":x"}) {
        const ExprPtr expr = parse(name);
        ASSERT_TRUE(expr->as<VectorSelector>()) << name;
        EXPECT_EQ(expr->as<VectorSelector>()->name, name);
    }
    EXPECT_EQ(shape(*parse("and and and")), "[and and and]");
    EXPECT_EQ(shape(*parse("fill + fill")), "[fill + fill]");
    const ExprPtr expr = parse("sum by (on, bool, by, \"with space\",) ({by=\"x\", sum!=\"y\"})");
    EXPECT_EQ(expr->as<Aggregate>()->grouping, (std::vector<std::string>{"on", "bool", "by", "with space"}));
}

TEST(Parser, ReadsSelectors) {
    ExprPtr expr = parse("foo{a=\"b\",'c d'!~`e`,}[5m] @ 1.5 offset -1h");
    const auto* matrix = expr->as<MatrixSelector>();
    ASSERT_TRUE(matrix);
    ASSERT_EQ(matrix->selector.matchers.size(), 3u);
    EXPECT_EQ(matrix->selector.matchers[1].text(), "\"c d\"!~\"e\"");
    EXPECT_EQ(matrix->selector.matchers[2].text(), "__name__=\"foo\"");
    EXPECT_EQ(matrix->range.ms, 300'000);
    EXPECT_EQ(matrix->selector.offset.ms, -3'600'000);
    EXPECT_EQ(matrix->selector.at.kind, AtModifier::Kind::kTime);
    EXPECT_EQ(matrix->selector.at.time_ms, 1500);

    expr = parse("{\"foo.bar\", a=\"b\"} smoothed @ end()");
    const auto* selector = expr->as<VectorSelector>();
    ASSERT_TRUE(selector);
    EXPECT_EQ(selector->name, "");
    EXPECT_EQ(selector->matchers[0].text(), "__name__=\"foo.bar\"");
    EXPECT_TRUE(selector->smoothed);
    EXPECT_EQ(selector->at.kind, AtModifier::Kind::kEnd);
}

TEST(Parser, ReadsSubqueries) {
    ExprPtr expr = parse("rate(foo[1m])[5m:30s] offset 1m @ start()");
    const auto* subquery = expr->as<Subquery>();
    ASSERT_TRUE(subquery);
    EXPECT_EQ(subquery->range.ms, 300'000);
    EXPECT_EQ(subquery->step.ms, 30'000);
    EXPECT_EQ(subquery->offset.ms, 60'000);
    EXPECT_EQ(subquery->at.kind, AtModifier::Kind::kStart);
    EXPECT_FALSE(parse("foo[5m:]")->as<Subquery>()->step.is_set());
}

TEST(Parser, ReadsMatchingOfVectors) {
    ExprPtr expr = parse("a == bool on (x, y) group_right (z) fill_right (-1) fill_left(2) b");
    const auto* binary = expr->as<Binary>();
    ASSERT_TRUE(binary && binary->matching);
    EXPECT_TRUE(binary->return_bool);
    EXPECT_TRUE(binary->matching->on);
    EXPECT_EQ(binary->matching->labels, (std::vector<std::string>{"x", "y"}));
    EXPECT_EQ(binary->matching->cardinality, Cardinality::kOneToMany);
    EXPECT_EQ(binary->matching->include, std::vector<std::string>{"z"});
    EXPECT_EQ(binary->matching->fill_left, 2);
    EXPECT_EQ(binary->matching->fill_right, -1);

    EXPECT_EQ(parse("a and b")->as<Binary>()->matching->cardinality, Cardinality::kManyToMany);
    EXPECT_EQ(parse("a + b")->as<Binary>()->matching->cardinality, Cardinality::kOneToOne);
    EXPECT_FALSE(parse("a + 1")->as<Binary>()->matching);
    EXPECT_EQ(parse("a + ignoring(x) group_left b")->as<Binary>()->matching->cardinality, Cardinality::kManyToOne);
}

TEST(Parser, ReadsAggregationsWithTheModifierOnEitherSide) {
    for (const char* query : {"topk by (a) (3, foo)", "topk(3, foo) by (a)", "TOPK(3,foo)by(a,)"}) {
        const ExprPtr expr = parse(query);
        const auto* aggregate = expr->as<Aggregate>();
        ASSERT_TRUE(aggregate) << query;
        EXPECT_EQ(aggregate->op, AggregateOp::kTopk);
        EXPECT_EQ(aggregate->grouping, std::vector<std::string>{"a"});
        EXPECT_TRUE(aggregate->parameter->as<NumberLiteral>());
        EXPECT_TRUE(aggregate->expr->as<VectorSelector>());
    }
    EXPECT_TRUE(parse("sum without () (foo)")->as<Aggregate>()->without);
}

TEST(Parser, SkipsComments) {
    EXPECT_EQ(shape(*parse("# first\nfoo # second\n + # third\r\nbar{#x\n} # last")), "[foo + bar]");
}

TEST(Parser, KnowsWhatDoesNotChangeFromStepToStep) {
    for (const char* query : {"1", "\"a\"", "foo @ 1", "foo[5m] @ start()", "sum(rate(foo[5m] @ end()))", "pi() + 1",
                              "topk(2, foo @ 1)", "foo[5m:1m] @ 1", "(-(foo @ 1))", "step() + start()"}) {
        EXPECT_TRUE(parse(query)->step_invariant) << query;
    }
    for (const char* query : {"foo", "time()", "foo @ 1 + foo", "sum(foo)", "(foo @ 1)[5m:1m]", "hour(foo @ 1)",
                              "predict_linear(foo[5m] @ 1, 60)", "topk(scalar(foo), foo @ 1)", "timestamp(foo @ 1)"}) {
        EXPECT_FALSE(parse(query)->step_invariant) << query;
    }
}

TEST(Parser, TellsWhereThingsStand) {
    const ExprPtr expr = parse("1 + sum by (a) (rate(foo[5m] offset 1m)) ");
    const auto* binary = expr->as<Binary>();
    EXPECT_EQ(expr->span.begin, 0u);
    EXPECT_EQ(expr->span.end, 40u);
    EXPECT_EQ(binary->right->span.begin, 4u);
    const Expr& call = *binary->right->as<Aggregate>()->expr;
    EXPECT_EQ(call.span.begin, 16u);
    EXPECT_EQ(call.span.end, 39u);
    const Expr& matrix = *call.as<Call>()->arguments[0];
    EXPECT_EQ(matrix.span.begin, 21u);
    EXPECT_EQ(matrix.span.end, 38u);
    EXPECT_EQ(matrix.as<MatrixSelector>()->selector_span.end, 24u);
}

// The duration of `foo[...]` or `foo offset ...` under a step of 10 s and a range of 10 minutes.
std::int64_t resolved(std::string_view query) {
    ExprPtr expr = parse(query);
    auto done = resolve_durations(*expr, {10'000, 600'000});
    EXPECT_TRUE(done.ok()) << query << ": " << done.error().context;
    if (const auto* matrix = expr->as<MatrixSelector>()) return matrix->range.ms;
    if (const auto* selector = expr->as<VectorSelector>()) return selector->offset.ms;
    if (const auto* subquery = expr->as<Subquery>()) return subquery->step.ms;
    return -1;
}

TEST(Durations, ComeToWhatTheySay) {
    EXPECT_EQ(resolved("foo[5m]"), 300'000);
    EXPECT_EQ(resolved("foo[300]"), 300'000);
    EXPECT_EQ(resolved("foo[0.5]"), 500);
    EXPECT_EQ(resolved("foo[5m*2+1m]"), 660'000);
    EXPECT_EQ(resolved("foo[1m+2m*3^2]"), 1'140'000);
    EXPECT_EQ(resolved("foo[(1m+2m)*3]"), 540'000);
    EXPECT_EQ(resolved("foo[1h30m % 1h]"), 1'800'000);
    EXPECT_EQ(resolved("foo[2^3^2s]"), 512'000);
    EXPECT_EQ(resolved("foo[-1m+2m]"), 60'000);
    EXPECT_EQ(resolved("foo[Step()*3]"), 30'000);
    EXPECT_EQ(resolved("foo[range()/2]"), 300'000);
    EXPECT_EQ(resolved("foo[max_of(step(), min_of(1m, 2m))]"), 60'000);
    EXPECT_EQ(resolved("foo offset -step()"), -10'000);
    EXPECT_EQ(resolved("foo offset -(step() - 1m)"), 50'000);
    EXPECT_EQ(resolved("foo offset -min_of(1m, step())"), -10'000);
    EXPECT_EQ(resolved("foo offset (100 + 2)"), 102'000);
    EXPECT_EQ(resolved("foo[1h:step()]"), 10'000);
    EXPECT_EQ(resolved("foo[1h:]"), 0);
}

TEST(Durations, AfterOffsetEndWithALiteral) {
    EXPECT_EQ(shape(*parse("foo offset 100 + 2")), "[foo + 2]");
    EXPECT_EQ(shape(*parse("foo offset -2 ^ 2")), "[foo ^ 2]");
    EXPECT_EQ(shape(*parse("foo offset step() * 0")), "[foo * 0]");
}

TEST(Durations, AreRefusedWhereTheyComeToNothing) {
    struct {
        const char* query;
        const char* why;
    } const cases[] = {
        {"foo[step()-10]", "4:13: duration must be greater than 0"},
        {"sum(rate(foo[step()-1m]))", "13:22: duration must be greater than 0"},
        {"foo[5m/(step()-10s)]", "8:18: division by zero"},
        {"foo[5m%(step()-10s)]", "8:18: modulo by zero"},
        {"foo[10^(step()*2)]", "4:16: duration is out of range"},
        {"foo offset -(10^step()^2)", "11:24: duration is out of range"},
    };
    for (const auto& one : cases) {
        ExprPtr expr = parse(one.query);
        auto done = resolve_durations(*expr, {10'000, 600'000});
        ASSERT_FALSE(done.ok()) << one.query;
        EXPECT_EQ(done.error().code, Code::kInvalid);
        EXPECT_EQ(done.error().context, one.why) << one.query;
    }
}

TEST(Ast, ClonesWholeTrees) {
    const ExprPtr expr = parse("-(topk by (a) (2, foo) + on(b) rate(bar[1m])) == bool 3");
    const ExprPtr copy = clone(*expr);
    EXPECT_EQ(shape(*copy), shape(*expr));
    EXPECT_EQ(copy->height, expr->height);
    EXPECT_NE(copy->as<Binary>()->left.get(), expr->as<Binary>()->left.get());
    // A copy resolves its durations for itself.
    const ExprPtr subquery = parse("foo[5m:step()]");
    const ExprPtr other = clone(*subquery);
    ASSERT_TRUE(resolve_durations(*other, {1000, 0}).ok());
    EXPECT_EQ(other->as<Subquery>()->step.ms, 1000);
    EXPECT_EQ(subquery->as<Subquery>()->step.ms, 0);
}

TEST(Functions, AreFoundByName) {
    for (const Function& function : functions()) {
        EXPECT_EQ(find_function(function.name), &function);
        EXPECT_EQ(&functions()[function_index(function)], &function);
    }
    EXPECT_EQ(find_function("Rate"), nullptr);
    EXPECT_EQ(find_function("zzz"), nullptr);
    EXPECT_EQ(find_function(""), nullptr);
}

}  // namespace
}  // namespace ringside::agent::promql
