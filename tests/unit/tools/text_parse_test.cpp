#include <gtest/gtest.h>

#include "tools/ringsidectl/text.h"

namespace ringside::ctl {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kNow = 1795293655 * kSecond + 500'000'000;  // 2026-11-21T20:40:55.5Z

void expect_duration(const char* text, std::uint64_t ns) {
    const auto parsed = parse_duration_ns(text);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.error().message();
    EXPECT_EQ(*parsed, ns) << text;
}

void expect_time(const char* text, std::uint64_t ns) {
    const auto parsed = parse_time_ns(text, kNow);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.error().message();
    EXPECT_EQ(*parsed, ns) << text;
}

TEST(ParseDuration, TakesUnitsAndSums) {
    expect_duration("90s", 90 * kSecond);
    expect_duration("1h30m", 5400 * kSecond);
    expect_duration("250ms", kSecond / 4);
    expect_duration("1.5h", 5400 * kSecond);
    expect_duration("2d", 172800 * kSecond);
    expect_duration("1w", 604800 * kSecond);
    expect_duration("10us", 10'000);
    expect_duration("7ns", 7);
    expect_duration(" 5m ", 300 * kSecond);
}

TEST(ParseDuration, TakesABareNumberAsSeconds) {
    expect_duration("5", 5 * kSecond);
    expect_duration("0.5", kSecond / 2);
    expect_duration("0", 0);
}

TEST(ParseDuration, RefusesEverythingElseAndSaysHow) {
    for (const char* text : {"", " ", "s", "-5s", "5x", "5 s", "1h30", "5s5", "1e9", "inf", "nan", "0x10", "1..5s", ".",
                             "5S", "+5s", "99999999999999w"}) {
        const auto parsed = parse_duration_ns(text);
        ASSERT_FALSE(parsed.ok()) << text;
        EXPECT_EQ(parsed.error().code, agent::Code::kInvalid);
        EXPECT_NE(parsed.error().context.find("`" + std::string(text) + "`"), std::string::npos);
    }
}

TEST(ParseTime, TakesRelativeTimes) {
    expect_time("now", kNow);
    expect_time("-5m", kNow - 300 * kSecond);
    expect_time("5m ago", kNow - 300 * kSecond);
    expect_time("-1h30m", kNow - 5400 * kSecond);
}

TEST(ParseTime, TakesCalendarTimesInUtcOrWithAnOffset) {
    expect_time("2026-11-21T20:40:55Z", 1795293655 * kSecond);
    expect_time("2026-11-21 20:40:55", 1795293655 * kSecond);
    expect_time("2026-11-21T20:40:55.25Z", 1795293655 * kSecond + kSecond / 4);
    expect_time("2026-11-21T20:40:55.123456789Z", 1795293655 * kSecond + 123'456'789);
    expect_time("2026-11-21T20:40", 1795293600 * kSecond);
    expect_time("2026-11-21T21:40:55+01:00", 1795293655 * kSecond);
    expect_time("2026-11-21T15:10:55-0530", 1795293655 * kSecond);
    expect_time("2026-11-21", 1795219200 * kSecond);
    expect_time("2024-02-29", 1709164800 * kSecond);
    expect_time("20:40", 1795293600 * kSecond);
    expect_time("00:00:01.5", 1795219201 * kSecond + kSecond / 2);
}

TEST(ParseTime, ReadsBackWhatTimeTextWrites) { expect_time(time_text(kNow, 9).c_str(), kNow); }

TEST(ParseTime, TakesSecondsSince1970ToTheNanosecond) {
    expect_time("@1795293655", 1795293655 * kSecond);
    expect_time("@1795293655.000000001", 1795293655 * kSecond + 1);
    expect_time("@0", 0);
}

TEST(ParseTime, RefusesEverythingElse) {
    for (const char* text : {"",
                             "yesterday",
                             "5m",
                             "-",
                             "--5m",
                             "- 5m",
                             "x ago",
                             "@",
                             "@x",
                             "@1.",
                             "@1.5x",
                             "@-1",
                             "@99999999999999999999",
                             "2026-13-01",
                             "2026-02-30",
                             "2025-02-29",
                             "2026-00-01",
                             "2026-11-21T",
                             "2026-11-21T24:00",
                             "2026-11-21T20:60",
                             "2026-11-21T20:40:55.",
                             "2026-11-21T20:40:55X",
                             "2026-11-21T20:40:55+1",
                             "2026-11-21T20:40:55+15:00",
                             "2026-11-21x",
                             "26-11-21",
                             "20:4",
                             "24:00",
                             "20:40x",
                             "1969-12-31",
                             "-9999w"}) {
        EXPECT_FALSE(parse_time_ns(text, kNow).ok()) << text;
    }
}

TEST(ParseBytes, TakesBothFamiliesOfSuffixes) {
    EXPECT_EQ(parse_bytes("4096").value(), 4096u);
    EXPECT_EQ(parse_bytes("0").value(), 0u);
    EXPECT_EQ(parse_bytes("64k").value(), 65536u);
    EXPECT_EQ(parse_bytes("1.5MiB").value(), 1572864u);
    EXPECT_EQ(parse_bytes("2GB").value(), 2'000'000'000u);
    EXPECT_EQ(parse_bytes("1T").value(), 1099511627776u);
}

TEST(ParseBytes, RefusesEverythingElse) {
    for (const char* text : {"", "k", "-1", "1 0", "1Q", "1KiBs", "1M5", "99999999999999999999", "1e3", "0x10"}) {
        EXPECT_FALSE(parse_bytes(text).ok()) << text;
    }
}

}  // namespace
}  // namespace ringside::ctl
