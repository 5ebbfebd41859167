#include "agent/upstream/options.h"

#include <gtest/gtest.h>

#include <string>

namespace ringside::agent {
namespace {

UpstreamOptions good() {
    UpstreamOptions options;
    options.url = "http://127.0.0.1:9090/api/v1/write";
    options.instance = "host-1";
    options.state_directory = "/var/lib/ringside";
    return options;
}

// The error of what `spoil` makes of good options; empty when they pass.
template <typename Spoil>
std::string complaint(Spoil spoil) {
    UpstreamOptions options = good();
    spoil(options);
    Result<UpstreamOptions> result = checked(options);
    if (result.ok()) return "";
    EXPECT_EQ(result.error().code, Code::kInvalid);
    return result.error().message();
}

TEST(UpstreamOptions, TakesGoodOnesAsTheyAre) {
    Result<UpstreamOptions> result = checked(good());
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->url, good().url);
    EXPECT_EQ(result->instance, "host-1");
    EXPECT_EQ(result->job, "ringside");
}

TEST(UpstreamOptions, TakesHttpsAndAUser) {
    EXPECT_EQ(complaint([](auto& o) { o.url = "https://user:secret@metrics.example/api/v1/push"; }), "");
    EXPECT_EQ(complaint([](auto& o) { o.url = "http://[::1]:9090/api/v1/write"; }), "");
}

TEST(UpstreamOptions, FillsInTheHostName) {
    UpstreamOptions options = good();
    options.instance.clear();
    Result<UpstreamOptions> result = checked(options);
    ASSERT_TRUE(result.ok());
    EXPECT_FALSE(result->instance.empty());
}

TEST(UpstreamOptions, NamesWhatIsWrongWithTheUrl) {
    auto with = [](const char* url) { return complaint([url](auto& o) { o.url = url; }); };
    EXPECT_NE(with("").find("no URL; give one such as http://"), std::string::npos);
    EXPECT_NE(with("prometheus:9090/api/v1/write").find("has no scheme"), std::string::npos);
    EXPECT_NE(with("/api/v1/write").find("has no scheme"), std::string::npos);
    EXPECT_NE(with("ftp://host/x").find("has the scheme 'ftp'; use http or https"), std::string::npos);
    EXPECT_NE(with("file:///etc/passwd").find("use http or https"), std::string::npos);
    EXPECT_NE(with("http:///api/v1/write").find("has no host"), std::string::npos);
    EXPECT_NE(with("http://host:99999/x").find("is malformed"), std::string::npos);
    EXPECT_NE(with("http://ho st/x").find("is malformed"), std::string::npos);
}

TEST(UpstreamOptions, KeepsThePasswordOutOfErrorsAndLogs) {
    std::string text = complaint([](auto& o) { o.url = "ftp://user:secret@host/x"; });
    EXPECT_NE(text.find("ftp://host/x"), std::string::npos) << text;
    EXPECT_EQ(text.find("secret"), std::string::npos) << text;
    text = complaint([](auto& o) { o.url = "http://user:se/cret@host/x"; });
    EXPECT_EQ(text.find("cret"), std::string::npos) << text;
    EXPECT_EQ(url_without_credentials("http://u:p@host:1/a@b?c"), "http://host:1/a@b?c");
    EXPECT_EQ(url_without_credentials("http://host/a@b"), "http://host/a@b");
    EXPECT_EQ(url_without_credentials("http://u:p@x@host"), "http://host");
    EXPECT_EQ(url_without_credentials("nonsense"), "nonsense");
    EXPECT_EQ(url_without_credentials("http://u:se/cret@host/a"), "http://host/a");
    EXPECT_EQ(url_without_credentials("http:///u:secret@host/a"), "http://host/a");
    EXPECT_EQ(url_without_credentials("http:/u:secret@host/a"), "host/a");
}

TEST(UpstreamOptions, RefusesBadNames) {
    for (const char* name : {"", "Central", "a b", "-a", "../x", "a.b"}) {
        EXPECT_NE(complaint([name](auto& o) { o.name = name; }).find("lower-case"), std::string::npos) << name;
    }
    EXPECT_NE(complaint([](auto& o) { o.name.assign(33, 'a'); }), "");
    EXPECT_EQ(complaint([](auto& o) { o.name = "central-2_b"; }), "");
}

TEST(UpstreamOptions, RefusesLabelsThatTheAgentSetsOrNobodyCan) {
    auto with = [](LabelSet labels) { return complaint([&](auto& o) { o.labels = labels; }); };
    EXPECT_EQ(with({{"region", "eu"}, {"zone", "1"}}), "");
    for (const char* own : {"job", "instance", "vm_id", "component", "le"}) {
        EXPECT_NE(with({{own, "x"}}).find("is set by the agent"), std::string::npos) << own;
    }
    EXPECT_NE(with({{"__name__", "x"}}).find("needs a name"), std::string::npos);
    EXPECT_NE(with({{"1a", "x"}}).find("needs a name"), std::string::npos);
    EXPECT_NE(with({{"a-b", "x"}}).find("needs a name"), std::string::npos);
    EXPECT_NE(with({{"a", ""}}).find("has no value"), std::string::npos);
    EXPECT_NE(with({{"a", "x"}, {"a", "y"}}).find("given twice"), std::string::npos);
    EXPECT_NE(with({{"b", "x"}, {"a", "y"}}).find("out of order"), std::string::npos);
}

TEST(UpstreamOptions, BoundsTimesAndSizes) {
    using std::chrono::milliseconds;
    using std::chrono::seconds;
    EXPECT_NE(complaint([](auto& o) { o.timeout = milliseconds(0); }).find("timeout is 0 ms"), std::string::npos);
    EXPECT_NE(complaint([](auto& o) { o.grace = milliseconds(-1); }).find("grace is -1 ms"), std::string::npos);
    EXPECT_NE(complaint([](auto& o) { o.retry_max = milliseconds(1); }).find("retry-max"), std::string::npos);
    EXPECT_NE(complaint([](auto& o) { o.backlog_max = seconds(1); }).find("backlog-max"), std::string::npos);
    EXPECT_NE(complaint([](auto& o) { o.batch_samples_max = 0; }).find("batch"), std::string::npos);
    EXPECT_NE(complaint([](auto& o) { o.batch_bytes_max = 1; }).find("batch"), std::string::npos);
    EXPECT_NE(complaint([](auto& o) { o.cursors_max = 0; }).find("cursors_max"), std::string::npos);
    EXPECT_NE(complaint([](auto& o) { o.state_directory.clear(); }).find("no folder"), std::string::npos);
    EXPECT_NE(complaint([](auto& o) { o.job.clear(); }).find("no job"), std::string::npos);
    EXPECT_NE(complaint([](auto& o) { o.grace = milliseconds(499); }).find("grace is 499 ms"), std::string::npos);
    EXPECT_EQ(complaint([](auto& o) { o.grace = milliseconds(500); }), "");
}

TEST(UpstreamOptions, SpreadsTheHostsOfAFleetOverTheGrace) {
    UpstreamOptions options = good();
    options.grace = std::chrono::seconds(10);
    int seconds[11] = {};
    for (int host = 0; host < 10'000; ++host) {
        options.instance = "host-" + std::to_string(host);
        const auto offset = send_offset(options);
        EXPECT_EQ(send_offset(options), offset);  // the same each time
        ASSERT_GE(offset.count(), 0);
        ASSERT_LE(offset, options.grace);
        ++seconds[offset.count() / 1000];
    }
    for (int second = 0; second < 10; ++second) {
        EXPECT_GT(seconds[second], 800);  // 1,000 and five times the square root of it
        EXPECT_LT(seconds[second], 1200);
    }
}

TEST(UpstreamOptions, RefusesARuleByALabelThatEverythingHas) {
    const std::string why = complaint([](auto& o) {
        o.labels = {{"site", "north"}};
        o.rules = {{"vms", {*Pattern::parse("vm_info")}, {"site", "tenant"}, RuleOperation::kCount}};
    });
    EXPECT_NE(why.find("the rule 'vms' is by 'site'"), std::string::npos) << why;
}

}  // namespace
}  // namespace ringside::agent
