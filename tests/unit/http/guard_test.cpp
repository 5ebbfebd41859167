#include "agent/http/guard.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

using namespace std::chrono_literals;

class HttpGuardTest : public testing::Test {
  protected:
    HttpGuardTest() {
        options_.token_path = folder_.path() + "/token";
        write_token("first\n");
    }
    void write_token(const std::string& text) { std::ofstream(options_.token_path) << text; }
    static bool takes(const HttpGuard& guard, const std::string& token) {
        HttpRequest request;
        request.authorization = "Bearer " + token;
        return !guard.refusal(request);
    }

    const TemporaryFolder folder_;
    HttpOptions options_;
    HttpGuard::Time now_ = HttpGuard::Time() + 1h;
};

TEST_F(HttpGuardTest, TakesARenewedToken) {
    HttpGuard guard(options_);
    ASSERT_TRUE(guard.open());
    EXPECT_TRUE(takes(guard, "first"));
    write_token("the second\n");
    EXPECT_EQ(guard.look(now_), std::nullopt);
    EXPECT_TRUE(takes(guard, "the second"));
    EXPECT_FALSE(takes(guard, "first"));
}

TEST_F(HttpGuardTest, LooksOnceASecond) {
    HttpGuard guard(options_);
    ASSERT_TRUE(guard.open());
    guard.look(now_);
    write_token("the second\n");
    guard.look(now_ + 999ms);
    EXPECT_TRUE(takes(guard, "first"));
    guard.look(now_ + 1s);
    EXPECT_TRUE(takes(guard, "the second"));
}

TEST_F(HttpGuardTest, KeepsTheTokenWhileItsRenewalCannotBeUsedAndSaysSoOnce) {
    HttpGuard guard(options_);
    ASSERT_TRUE(guard.open());
    write_token("");
    EXPECT_EQ(guard.look(now_), std::nullopt) << "it may be about to be written";
    const auto told = guard.look(now_ + 1s);
    ASSERT_TRUE(told);
    EXPECT_NE(told->find(options_.token_path), std::string::npos) << *told;
    for (int second = 2; second < 10; ++second) EXPECT_EQ(guard.look(now_ + second * 1s), std::nullopt);
    EXPECT_TRUE(takes(guard, "first"));
    write_token("the second\n");
    EXPECT_EQ(guard.look(now_ + 10s), std::nullopt);
    EXPECT_TRUE(takes(guard, "the second"));
    write_token(" \n");
    guard.look(now_ + 11s);
    EXPECT_TRUE(guard.look(now_ + 12s)) << "another renewal";
}

TEST_F(HttpGuardTest, DoesNotBeginWithoutAToken) {
    write_token(" \n");
    HttpGuard guard(options_);
    const auto opened = guard.open();
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().message().find("holds no token"), std::string::npos) << opened.error().message();
}

}  // namespace
}  // namespace ringside::agent
