#include "agent/units.h"

#include <gtest/gtest.h>

namespace ringside::agent {
namespace {

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kS = 1000 * kMs;

TEST(Units, ReadDurations) {
    EXPECT_EQ(*parse_duration("15d"), 15 * 86400 * kS);
    EXPECT_EQ(*parse_duration("1h30m"), 5400 * kS);
    EXPECT_EQ(*parse_duration("1w2d3h4m5s6ms"), ((9 * 24 + 3) * 3600 + 245) * kS + 6 * kMs);
    EXPECT_EQ(*parse_duration("500ms"), 500 * kMs);
    EXPECT_EQ(*parse_duration("0"), 0u);
    EXPECT_EQ(*parse_duration("0s"), 0u);
}

TEST(Units, RefuseWhatIsNoDuration) {
    for (const char* text : {"", "10", "s", "10 s", "1.5h", "-1s", "1s1h", "1s1s", "1h30", "10S", "1y", "s10",
                             "584555w", "99999999999999999999s"}) {
        auto duration = parse_duration(text);
        ASSERT_FALSE(duration.ok()) << text;
        EXPECT_EQ(duration.error().code, Code::kInvalid);
        EXPECT_NE(duration.error().context.find("is not a duration"), std::string::npos) << duration.error().context;
    }
}

TEST(Units, WriteDurationsThatReadBack) {
    for (std::uint64_t ms : {0ull, 1ull, 999ull, 1000ull, 61'000ull, 5'400'000ull, 1'296'000'000ull, 694'861'006ull}) {
        EXPECT_EQ(*parse_duration(duration_text(ms * kMs)), ms * kMs) << duration_text(ms * kMs);
    }
    EXPECT_EQ(duration_text(15 * 86400 * kS), "2w1d");
}

TEST(Units, ReadSizes) {
    EXPECT_EQ(*parse_size("4096"), 4096u);
    EXPECT_EQ(*parse_size("64MiB"), 64u << 20);
    EXPECT_EQ(*parse_size("1.5GiB"), 3ull << 29);
    EXPECT_EQ(*parse_size("2MB"), 2'000'000u);
    EXPECT_EQ(*parse_size("18446744073709551615"), UINT64_MAX);
    EXPECT_EQ(*parse_size("0"), 0u);
}

TEST(Units, RefuseWhatIsNoSize) {
    for (const char* text :
         {"", "MiB", "64 MiB", "64M", "64mib", "-1", "1.", "1.5", "1.5.5GiB", "16777216TiB", "1e3"}) {
        auto size = parse_size(text);
        ASSERT_FALSE(size.ok()) << text;
        EXPECT_NE(size.error().context.find("is not a size"), std::string::npos) << size.error().context;
    }
}

TEST(Units, WriteSizesThatReadBack) {
    for (std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{4096}, std::uint64_t{4097},
                                std::uint64_t{64} << 20, (std::uint64_t{3} << 40) + 1, UINT64_MAX}) {
        EXPECT_EQ(*parse_size(size_text(bytes)), bytes) << size_text(bytes);
    }
    EXPECT_EQ(size_text(4ull << 30), "4GiB");
}

}  // namespace
}  // namespace ringside::agent
