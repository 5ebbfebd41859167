#include "tools/bridge/text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

namespace ringside::bridge {
namespace {

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    std::string_view line;
    while (next_line(text, line)) lines.push_back(line);
    return lines;
}

std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    std::string_view word;
    while (next_word(line, word)) words.push_back(word);
    return words;
}

using Views = std::vector<std::string_view>;

TEST(NextLine, KeepsEmptyLinesAndALastLineWithoutItsEnd) {
    EXPECT_EQ(lines_of("a\n\nb c"), (Views{"a", "", "b c"}));
    EXPECT_EQ(lines_of("a\n"), (Views{"a"}));
    EXPECT_EQ(lines_of("\n"), (Views{""}));
    EXPECT_EQ(lines_of(""), Views{});
}

TEST(NextWord, SkipsRunsOfBlanksAndTabs) {
    EXPECT_EQ(words_of("  a \t bc\t"), (Views{"a", "bc"}));
    EXPECT_EQ(words_of(" \t "), Views{});
    EXPECT_EQ(words_of(""), Views{});
}

TEST(ParseNumber, TakesTheWholeWordOrNothing) {
    std::uint64_t value = 7;
    for (const char* bad : {"", "-1", "+1", "1x", "x1", " 1", "1 ", "0x10", "1.0", "18446744073709551616"}) {
        EXPECT_FALSE(parse_number(bad, value)) << bad;
    }
    EXPECT_EQ(value, 7u);
    EXPECT_TRUE(parse_number("18446744073709551615", value));
    EXPECT_EQ(value, UINT64_MAX);
}

TEST(ParseNumber, KnowsNegativeNumbersWhereTheyMakeSense) {
    std::int64_t value = 7;
    EXPECT_TRUE(parse_number("-1", value));
    EXPECT_EQ(value, -1);
    EXPECT_FALSE(parse_number("9223372036854775808", value));
    EXPECT_EQ(value, -1);
}

TEST(ParseNumber, RefusesWhatIsNoFiniteDecimal) {
    double value = 7.0;
    for (const char* bad : {"", "nan", "inf", "-inf", "1e3", "0x1p3", "1.0.0", "1,5"}) {
        EXPECT_FALSE(parse_number(bad, value)) << bad;
    }
    EXPECT_EQ(value, 7.0);
    EXPECT_TRUE(parse_number("0.25", value));
    EXPECT_EQ(value, 0.25);
}

TEST(NextNumber, ConsumesItsWord) {
    std::string_view line = " 12 34";
    std::uint64_t value = 0;
    EXPECT_TRUE(next_number(line, value));
    EXPECT_EQ(value, 12u);
    EXPECT_TRUE(next_number(line, value));
    EXPECT_EQ(value, 34u);
    EXPECT_FALSE(next_number(line, value));
}

}  // namespace
}  // namespace ringside::bridge
