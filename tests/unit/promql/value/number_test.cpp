#include "agent/promql/value/number.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "agent/promql/value/kahan.h"

namespace ringside::agent::promql {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(PlainNumber, NeverHasAnExponent) {
    EXPECT_EQ(plain_number(0), "0");
    EXPECT_EQ(plain_number(-0.0), "-0");
    EXPECT_EQ(plain_number(1e23), "100000000000000000000000");
    EXPECT_EQ(plain_number(-1.5e-7), "-0.00000015");
    EXPECT_EQ(plain_number(123.456), "123.456");
    EXPECT_EQ(plain_number(NAN), "NaN");
    EXPECT_EQ(plain_number(-kInfinity), "-Inf");
}

TEST(ShortNumber, HasAnExponentWhereItIsShorter) {
    EXPECT_EQ(short_number(1e20), "100000000000000000000");
    EXPECT_EQ(short_number(1e21), "1e+21");
    EXPECT_EQ(short_number(0.0001), "0.0001");
    EXPECT_EQ(short_number(0.00001), "1e-05");
    EXPECT_EQ(short_number(1.25e-100), "1.25e-100");
}

TEST(OpenMetricsNumber, AlwaysLooksLikeAFloat) {
    EXPECT_EQ(open_metrics_number(1), "1.0");
    EXPECT_EQ(open_metrics_number(0.5), "0.5");
    EXPECT_EQ(open_metrics_number(1e30), "1e+30");
    EXPECT_EQ(open_metrics_number(kInfinity), "+Inf");
}

TEST(ParseNumber, ReadsWhatBucketLabelsHave) {
    EXPECT_EQ(parse_number("0.1"), 0.1);
    EXPECT_EQ(parse_number("-1e3"), -1000);
    EXPECT_EQ(parse_number("+Inf"), kInfinity);
    EXPECT_EQ(parse_number("-inf"), -kInfinity);
    EXPECT_EQ(parse_number("0x10p1"), 32);
    EXPECT_TRUE(std::isnan(*parse_number("NaN")));
}

TEST(ParseNumber, RefusesEverythingElse) {
    for (const char* text : {"", "+", "1 ", " 1", "1a", "--1", "+-1", "0x", "1e999", "nan(1)"}) {
        EXPECT_FALSE(parse_number(text)) << text;
    }
}

TEST(KahanSum, KeepsWhatRoundingTakes) {
    KahanSum sum;
    for (double value : {1.0, 1e100, 1.0, -1e100}) sum.add(value);
    EXPECT_EQ(sum.value(), 2);
}

TEST(KahanSum, StaysInfinite) {
    KahanSum sum;
    for (double value : {kInfinity, 1.0, 2.0}) sum.add(value);
    EXPECT_EQ(sum.value(), kInfinity);
}

TEST(KahanMean, DoesNotOverflowWhereTheSumDoes) {
    KahanMean mean;
    for (int i = 0; i < 4; ++i) mean.add(1.5e308);
    EXPECT_NEAR(mean.value() / 1.5e308, 1, 1e-15);
}

}  // namespace
}  // namespace ringside::agent::promql
