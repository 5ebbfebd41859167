#include "tools/ringsidectl/text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ringside::ctl {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(BytesText, StepsToTheNextUnitBeforeItReads1024) {
    EXPECT_EQ(bytes_text(0), "0B");
    EXPECT_EQ(bytes_text(512), "512B");
    EXPECT_EQ(bytes_text(1023), "1023B");
    EXPECT_EQ(bytes_text(1024), "1KiB");
    EXPECT_EQ(bytes_text(1536), "1.5KiB");
    EXPECT_EQ(bytes_text(1024.0 * 1024 - 1), "1MiB");
    EXPECT_EQ(bytes_text(2.1 * 1024 * 1024), "2.1MiB");
    EXPECT_EQ(bytes_text(-2048), "-2KiB");
    EXPECT_EQ(bytes_text(18446744073709551615.0), "16EiB");
}

TEST(BytesText, IsADashForWhatIsNoNumber) {
    EXPECT_EQ(bytes_text(std::nan("")), "-");
    EXPECT_EQ(bytes_text(kInfinity), "-");
}

TEST(DurationText, HasAtMostTwoUnits) {
    EXPECT_EQ(duration_text(0), "0s");
    EXPECT_EQ(duration_text(850), "850ns");
    EXPECT_EQ(duration_text(999.6), "1us");
    EXPECT_EQ(duration_text(12'300'000), "12.3ms");
    EXPECT_EQ(duration_text(4.2e9), "4.2s");
    EXPECT_EQ(duration_text(59.96e9), "1m");
    EXPECT_EQ(duration_text(252e9), "4m12s");
    EXPECT_EQ(duration_text(3599.6e9), "1h");
    EXPECT_EQ(duration_text(3 * 3600e9 + 5 * 60e9), "3h05m");
    EXPECT_EQ(duration_text(2 * 86400e9 + 3 * 3600e9), "2d03h");
    EXPECT_EQ(duration_text(-1.5e9), "-1.5s");
    EXPECT_EQ(duration_text(std::nan("")), "-");
}

TEST(TimeText, IsUtcAndCutsTheFraction) {
    EXPECT_EQ(time_text(0), "1970-01-01T00:00:00Z");
    EXPECT_EQ(time_text(1795293655'999'999'999u), "2026-11-21T20:40:55Z");
    EXPECT_EQ(time_text(1795293655'999'999'999u, 3), "2026-11-21T20:40:55.999Z");
    EXPECT_EQ(time_text(1795293655'000'000'001u, 9), "2026-11-21T20:40:55.000000001Z");
    EXPECT_EQ(time_text(UINT64_MAX), "2554-07-21T23:34:33Z");
}

TEST(CompactText, KeepsAtMostFiveDigits) {
    EXPECT_EQ(compact_text(0), "0");
    EXPECT_EQ(compact_text(0.125), "0.125");
    EXPECT_EQ(compact_text(0.0001), "1.0e-04");
    EXPECT_EQ(compact_text(3.14159), "3.142");
    EXPECT_EQ(compact_text(42), "42");
    EXPECT_EQ(compact_text(99'999), "99999");
    EXPECT_EQ(compact_text(100'000), "100k");
    EXPECT_EQ(compact_text(12'345'678), "12.3M");
    EXPECT_EQ(compact_text(999'999), "1M");
    EXPECT_EQ(compact_text(-12'345'678), "-12.3M");
    EXPECT_EQ(compact_text(18446744073709551615.0), "1.84e+19");
    EXPECT_EQ(compact_text(kInfinity), "-");
}

TEST(NumberText, KeepsWholeNumbersAndSixDigitsOfOthers) {
    EXPECT_EQ(number_text(0.012082610000000008), "0.0120826");
    EXPECT_EQ(number_text(3.183e-05), "3.183e-05");
    EXPECT_EQ(number_text(-1.5), "-1.5");
    EXPECT_EQ(number_text(0), "0");
    EXPECT_EQ(number_text(1795292276), "1795292276");
    EXPECT_EQ(number_text(4142887.58134784), "4142888");
    EXPECT_EQ(number_text(1e15), "1e+15");
    EXPECT_EQ(number_text(std::nan("")), "nan");
}

TEST(ExactText, ReadsBackAsTheSameDouble) {
    for (double value : {0.1, 1.0 / 3, 1e300, 5e-324, 123456789.123456789, -0.0}) {
        EXPECT_EQ(std::strtod(exact_text(value).c_str(), nullptr), value) << value;
    }
    EXPECT_EQ(exact_text(std::nan("")), "nan");
}

TEST(ValueText, ShowsTheUnitOfTheMetric) {
    EXPECT_EQ(value_text(2048, "bytes"), "2KiB");
    EXPECT_EQ(value_text(0.25, "seconds"), "250ms");
    EXPECT_EQ(value_text(0.25, "seconds", true), "0.25");
    EXPECT_EQ(value_text(1e6, ""), "1M");
    EXPECT_EQ(unit_text("bytes", true), "B/s");
    EXPECT_EQ(unit_text("", true), "1/s");
    EXPECT_EQ(unit_text("", false), "");
    EXPECT_EQ(unit_text("celsius"), "celsius");
}

TEST(Printable, EscapesWhatWouldDriveATerminal) {
    EXPECT_EQ(printable("plain täxt €"), "plain täxt €");
    EXPECT_EQ(printable("\033[2J"), "\\x1b[2J");
    EXPECT_EQ(printable("a\nb\tc\x7f"), "a\\x0ab\\x09c\\x7f");
    EXPECT_EQ(printable("\xc2\x9b"
                        "31m"),
              "\\u{009b}31m");                          // C1 CSI
    EXPECT_EQ(printable("\xe2\x80\xae"), "\\u{202e}");  // right-to-left override
    EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
}

TEST(Printable, EscapesWhatIsNotUtf8) {
    EXPECT_EQ(printable("\xff"), "\\xff");
    EXPECT_EQ(printable("\xc3"), "\\xc3");  // cut short
    EXPECT_EQ(printable("\xe2\x82"), "\\xe2\\x82");
    EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");  // overlong
    EXPECT_EQ(printable("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");
    EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // surrogate
    EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
}

TEST(WidthOf, CountsCodePoints) {
    EXPECT_EQ(width_of(""), 0u);
    EXPECT_EQ(width_of("abc"), 3u);
    EXPECT_EQ(width_of("tä€"), 3u);
}

TEST(Text, IsShortenedWithoutCuttingALetter) {
    EXPECT_EQ(shortened("abc", 3), "abc");
    EXPECT_EQ(shortened("abcd", 3), "ab…");
    EXPECT_EQ(shortened("aäöü", 3), "aä…");
    EXPECT_EQ(shortened("ab", 1), "…");
    EXPECT_EQ(shortened("ab", 0), "");
}

}  // namespace
}  // namespace ringside::ctl
