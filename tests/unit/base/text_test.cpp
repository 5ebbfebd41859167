#include "agent/base/text.h"

#include <gtest/gtest.h>

namespace ringside::agent {
namespace {

TEST(Text, TellsUtf8) {
    for (const char* good :
         {"", "abc", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x99\x82", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"}) {
        EXPECT_TRUE(is_utf8(good)) << good;
    }
    for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(", "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80",
                            "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xc3"}) {
        EXPECT_FALSE(is_utf8(bad)) << bad;
    }
}

TEST(Text, KeepsWhatIsUtf8AndReplacesTheRest) {
    EXPECT_EQ(clean_utf8("plain"), "plain");
    EXPECT_EQ(clean_utf8("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"), "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    const std::string bad = "\xef\xbf\xbd";
    EXPECT_EQ(clean_utf8("a\xff"
                         "b"),
              "a" + bad + "b");
    EXPECT_EQ(clean_utf8("\xc0\x80"), bad + bad);            // overlong
    EXPECT_EQ(clean_utf8("\xed\xa0\x80"), bad + bad + bad);  // surrogate
    EXPECT_EQ(clean_utf8("\xf4\x90\x80\x80").size(), 12u);   // past the last code point
    EXPECT_EQ(clean_utf8("\xe2\x82"), bad + bad);            // cut off
    EXPECT_EQ(clean_utf8("\xe0\x80\xaf").size(), 9u);        // overlong
}

TEST(Text, MakesLettersOfAsciiSmallAndNoOthers) {
    EXPECT_EQ(lower_ascii("X-Scope-OrgID 09[@`{ \xc3\x84"), "x-scope-orgid 09[@`{ \xc3\x84");
}

TEST(Text, TrimsBothEnds) {
    EXPECT_EQ(trimmed(" \t 42 s\r\n"), "42 s");
    EXPECT_EQ(trimmed("42"), "42");
    EXPECT_EQ(trimmed(" \r\n"), "");
    EXPECT_EQ(trimmed(""), "");
}

TEST(Text, QuotesAsGoDoes) {
    EXPECT_EQ(quote("plain \xc3\xa9"), "\"plain \xc3\xa9\"");
    EXPECT_EQ(quote("\"\\\n\t\a"), "\"\\\"\\\\\\n\\t\\a\"");
    EXPECT_EQ(quote(std::string_view("\x00\x7f\xff", 3)), "\"\\x00\\x7f\\xff\"");
}

}  // namespace
}  // namespace ringside::agent
