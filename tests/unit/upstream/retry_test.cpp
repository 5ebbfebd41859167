#include "agent/upstream/retry.h"

#include <gtest/gtest.h>

#include <set>

#include "agent/upstream/http_sender.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kSecond = 1000 * kMs;

TEST(Judge, FollowsTheProtocolForEveryStatus) {
    for (int status = 100; status < 600; ++status) {
        Verdict expected = Verdict::kRefused;
        if (status / 100 == 2) expected = Verdict::kAccepted;
        if (status / 100 == 5 || status == 429) expected = Verdict::kRetry;
        if (status == 400 || status == 409 || status == 413 || status == 422) expected = Verdict::kRefusedParts;
        EXPECT_EQ(judge(status), expected) << status;
    }
    EXPECT_EQ(judge(0), Verdict::kRetry);
    EXPECT_EQ(judge(600), Verdict::kRetry);
}

TEST(Backoff, GrowsFromTheLeastToTheMostAndStaysThere) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Backoff backoff(30 * kMs, 5 * kSecond, seed);
        std::uint64_t span = 60 * kMs;
        for (int i = 0; i < 20; ++i) {
            std::uint64_t wait = backoff.next_ns();
            EXPECT_GE(wait, span / 2);
            EXPECT_LE(wait, span);
            EXPECT_LE(wait, 5 * kSecond);
            span = std::min(span * 2, 5 * kSecond);
        }
        backoff.reset();
        EXPECT_LE(backoff.next_ns(), 60 * kMs);
    }
}

TEST(Backoff, SpreadsHostsApart) {
    std::set<std::uint64_t> waits;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        Backoff backoff(30 * kMs, 5 * kSecond, seed * 0x9e3779b97f4a7c15u);
        for (int i = 0; i < 10; ++i) backoff.next_ns();
        waits.insert(backoff.next_ns() / kMs);
    }
    EXPECT_GT(waits.size(), 80u);
}

TEST(Backoff, HoldsForExtremeBounds) {
    Backoff same(5, 5, 1);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(same.next_ns(), 5u);
    Backoff huge(1, UINT64_MAX, 1);
    for (int i = 0; i < 200; ++i) EXPECT_GE(huge.next_ns(), 1u);
}

TEST(RetryAfter, TakesSeconds) {
    EXPECT_EQ(parse_retry_after("0", 0), 0u);
    EXPECT_EQ(parse_retry_after("17", 123), 17 * kSecond);
    EXPECT_EQ(parse_retry_after(" 3 ", 0), 3 * kSecond);
    const std::uint64_t year = std::uint64_t{365} * 24 * 3600 * kSecond;
    EXPECT_EQ(parse_retry_after("99999999999999999999999", 0), year);
    EXPECT_EQ(parse_retry_after("18446744073709551615", 0), year);
}

TEST(RetryAfter, TakesEveryFormOfAnHttpDate) {
    const std::uint64_t now = 784'111'777 * kSecond;  // Sun, 06 Nov 1994 08:49:37 GMT
    EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:47 GMT", now), 10 * kSecond);
    EXPECT_EQ(parse_retry_after("Sunday, 06-Nov-94 08:49:47 GMT", now), 10 * kSecond);
    EXPECT_EQ(parse_retry_after("Sun Nov  6 08:49:47 1994", now), 10 * kSecond);
    EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), 0u);
    EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), 0u);  // over
}

TEST(RetryAfter, IsNothingWhenItIsNeither) {
    for (const char* text : {"", " ", "soon", "-5", "1.5", "5s", "5 minutes"}) {
        EXPECT_EQ(parse_retry_after(text, 1000 * kSecond), std::nullopt) << text;
    }
}

}  // namespace
}  // namespace ringside::agent
