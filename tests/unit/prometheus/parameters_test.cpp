#include "agent/prometheus/parameters.h"

#include <gtest/gtest.h>

namespace ringside::agent {
namespace {

TEST(Parameters, ReadTimes) {
    EXPECT_EQ(*parse_time_ms("0"), 0);
    EXPECT_EQ(*parse_time_ms("1435781430.781"), 1435781430781);
    EXPECT_EQ(*parse_time_ms("1.4357814307812345e9"), 1435781430781);
    EXPECT_EQ(*parse_time_ms("-1.5"), -1500);
    EXPECT_EQ(*parse_time_ms("2015-07-01T20:10:30.781Z"), 1435781430781);
    EXPECT_EQ(*parse_time_ms("2015-07-01T22:10:30+02:00"), 1435781430000);
    EXPECT_EQ(*parse_time_ms("1969-12-31T23:59:59Z"), -1000);
    EXPECT_EQ(*parse_time_ms("2024-02-29T00:00:00Z"), 1709164800000);
}

TEST(Parameters, RefuseWhatIsNoTime) {
    for (const char* text :
         {"", "x", "NaN", "+Inf", "1e30", "2015-07-01", "2015-07-01T20:10:30", "2015-13-01T20:10:30Z",
          "2015-07-01T20:10:30.Z", "2015-07-01T20:10:30Zx", "2015-07-01T20:10:30+2:00", "1 2"}) {
        const auto time = parse_time_ms(text);
        ASSERT_FALSE(time) << text;
        EXPECT_EQ(time.error().context, "cannot parse \"" + std::string(text) + "\" to a valid timestamp");
    }
}

TEST(Parameters, ReadDurations) {
    EXPECT_EQ(*parse_duration_ms("15"), 15000);
    EXPECT_EQ(*parse_duration_ms("0.5"), 500);
    EXPECT_EQ(*parse_duration_ms("1h30m"), 5400000);
    EXPECT_EQ(*parse_duration_ms("-1"), -1000);
    for (const char* text : {"", "x", "1x", "Inf", "1e30", "1m1h"}) EXPECT_FALSE(parse_duration_ms(text)) << text;
}

TEST(Parameters, UnescapeLabelNames) {
    EXPECT_EQ(unescaped_label("job"), "job");
    EXPECT_EQ(unescaped_label("U__http_2e_code"), "http.code");
    EXPECT_EQ(unescaped_label("U__a__b_e4___1f600"), "a_b\xc3\xa4_1f600");
    EXPECT_EQ(unescaped_label("U___1f600_x"), "\xf0\x9f\x98\x80x");
    EXPECT_EQ(unescaped_label("U__broken_zz_"), "U__broken_zz_");
    EXPECT_EQ(unescaped_label("U__open_2e"), "U__open_2e");
}

}  // namespace
}  // namespace ringside::agent
