#include "agent/upstreams_file.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

#include "agent/command_line.h"
#include "tests/support/results.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

class UpstreamsFile : public testing::Test {
  protected:
    UpstreamsFile() {
        defaults.instance = "host-1";
        defaults.state_directory = "/var/lib/ringside/upstream";
        defaults.labels = {{"rack", "7"}, {"site", "fra"}};
        defaults.grace = std::chrono::seconds(20);
    }
    Result<std::vector<UpstreamOptions>> read(const std::string& text) {
        path = folder / "upstreams.toml";
        std::ofstream(path) << text;
        return read_upstreams_file(path, defaults);
    }
    // The error without the path in front; "" when there is none.
    std::string complaint(const std::string& text) {
        auto result = read(text);
        if (result) return "";
        EXPECT_EQ(result.error().code, Code::kInvalid);
        const std::string message = result.error().message();
        EXPECT_TRUE(message.starts_with(path + ", ")) << message;
        return message.starts_with(path + ", ") ? message.substr(path.size() + 2) : message;
    }

    TemporaryFolder folder;
    std::string path;
    UpstreamOptions defaults;
};

constexpr char kOne[] = "[upstream.central]\nurl = \"https://mimir.example/api/v1/push\"\n";

TEST_F(UpstreamsFile, GivesWhatItLeavesOpenTheDefaults) {
    auto all = read(kOne);
    ASSERT_TRUE(all.ok()) << message_of(all);
    ASSERT_EQ(all->size(), 1u);
    const UpstreamOptions& one = all->front();
    EXPECT_EQ(one.name, "central");
    EXPECT_EQ(one.url, "https://mimir.example/api/v1/push");
    EXPECT_EQ(one.protocol, Protocol::kRemoteWrite);
    EXPECT_EQ(one.grace, std::chrono::seconds(20));
    EXPECT_EQ(one.labels, defaults.labels);
    EXPECT_EQ(one.instance, "host-1");
}

TEST_F(UpstreamsFile, ReadsEveryKey) {
    auto all = read(R"(
[upstream.tenant-b]
url = "https://otlp.example:4317"
protocol = "otlp-grpc"
gzip = true
proxy = "http://proxy:3128"
labels = { site = "ber", zone = "1" }
headers = { X-Scope-OrgID = "b" }
timeout = "4s"
grace = "30s"
backlog-max = "1d"
batch-samples = 500
batch-bytes = "1MiB"
retry-min = "100ms"
retry-max = "1m"
retry-after-max = "10m"
[upstream.tenant-b.tls]
ca-file = "/etc/ringside/ca.pem"
cert-file = "/etc/ringside/client.pem"
key-file = "/etc/ringside/client.key"
server-name = "collector.internal"
insecure-skip-verify = true
[upstream.tenant-b.auth]
bearer-token-file = "/etc/ringside/b.token"
[upstream.tenant-a]
url = "https://mimir.example/api/v1/push"
protocol = "remote-write-2"
auth = { user = "edge", password-file = "/etc/ringside/a.password" }
)");
    ASSERT_TRUE(all.ok()) << message_of(all);
    ASSERT_EQ(all->size(), 2u);
    EXPECT_EQ(all->front().name, "tenant-a");
    EXPECT_EQ(all->front().protocol, Protocol::kRemoteWrite2);
    EXPECT_EQ(all->front().auth.user, "edge");
    EXPECT_EQ(all->front().auth.password_file, "/etc/ringside/a.password");
    const UpstreamOptions& b = all->back();
    EXPECT_EQ(b.protocol, Protocol::kOtlpGrpc);
    EXPECT_TRUE(b.gzip);
    EXPECT_EQ(b.proxy, "http://proxy:3128");
    EXPECT_EQ(b.labels, (LabelSet{{"rack", "7"}, {"site", "ber"}, {"zone", "1"}}));
    EXPECT_EQ(b.headers, (HeaderFields{{"X-Scope-OrgID", "b"}}));
    EXPECT_EQ(b.timeout, std::chrono::seconds(4));
    EXPECT_EQ(b.grace, std::chrono::seconds(30));
    EXPECT_EQ(b.backlog_max, std::chrono::hours(24));
    EXPECT_EQ(b.batch_samples_max, 500u);
    EXPECT_EQ(b.batch_bytes_max, 1u << 20);
    EXPECT_EQ(b.retry_min, std::chrono::milliseconds(100));
    EXPECT_EQ(b.retry_max, std::chrono::minutes(1));
    EXPECT_EQ(b.retry_after_max, std::chrono::minutes(10));
    EXPECT_EQ(b.tls.ca_file, "/etc/ringside/ca.pem");
    EXPECT_EQ(b.tls.cert_file, "/etc/ringside/client.pem");
    EXPECT_EQ(b.tls.key_file, "/etc/ringside/client.key");
    EXPECT_EQ(b.tls.server_name, "collector.internal");
    EXPECT_TRUE(b.tls.insecure_skip_verify);
    EXPECT_EQ(b.auth.bearer_token_file, "/etc/ringside/b.token");
}

TEST_F(UpstreamsFile, MayBeEmpty) {
    auto all = read("# none yet\n");
    ASSERT_TRUE(all.ok());
    EXPECT_TRUE(all->empty());
}

TEST_F(UpstreamsFile, NamesLineAndKeyOfABadValue) {
    auto with = [&](const std::string& line) { return complaint(kOne + line); };
    EXPECT_EQ(with("timeout = \"5\"").find("line 3: upstream.central.timeout: \"5\" is not a duration"), 0u);
    EXPECT_EQ(with("timeout = 5"), "line 3: upstream.central.timeout: needs a text in quotes");
    EXPECT_EQ(with("\nprotocol = \"otlp\""),
              "line 4: upstream.central.protocol: \"otlp\" is not a protocol: remote-write, remote-write-1, "
              "remote-write-2 or otlp-grpc");
    EXPECT_EQ(with("batch-samples = \"many\"").find("line 3: upstream.central.batch-samples: needs a whole number"),
              0u);
    EXPECT_EQ(with("batch-samples = -1").find("line 3: upstream.central.batch-samples: needs a whole number"), 0u);
    EXPECT_EQ(with("gzip = \"yes\""), "line 3: upstream.central.gzip: needs true or false, without quotes");
    EXPECT_EQ(with("headers = \"a\"").find("line 3: upstream.central.headers: needs { name = \"value\""), 0u);
    EXPECT_EQ(with("labels = { a = 1 }").find("line 3: upstream.central.labels: \"a\" needs a text"), 0u);
    EXPECT_EQ(with("proxy = \"\"").find("line 3: upstream.central.proxy: must not be empty"), 0u);
    EXPECT_EQ(with("tls = true"), "line 3: upstream.central.tls: is a section: [upstream.central.tls]");
    EXPECT_EQ(with("[upstream.central.tls]\nca-file = \"ca.pem\"")
                  .find("line 4: upstream.central.tls.ca-file: \"ca.pem\" is not an absolute path"),
              0u);
}

TEST_F(UpstreamsFile, SaysWhichKeyWasMeant) {
    EXPECT_EQ(complaint("[upstream.central]\nulr = \"http://h/x\"\n"),
              "line 2: there is no key \"ulr\" in [upstream.central]; did you mean url or tls?");
    EXPECT_EQ(complaint("[upstreams.central]\nurl = \"http://h/x\"\n"),
              "line 1: there is no key \"upstreams\" in this file; did you mean upstream?");
    EXPECT_EQ(complaint(std::string(kOne) + "[upstream.central.auth]\ntoken = \"s3cret\"\n")
                  .find("line 4: there is no key \"token\" in [upstream.central.auth]"),
              0u);
}

TEST_F(UpstreamsFile, NamesTheUpstreamWhoseKeysDoNotGoTogether) {
    EXPECT_EQ(complaint("\n[upstream.central]\ntimeout = \"5s\"\n").find("line 2: upstream 'central': no URL"), 0u);
    EXPECT_EQ(complaint(std::string(kOne) + "auth = { user = \"edge\" }\n")
                  .find("line 1: upstream 'central': basic auth is a pair"),
              0u);
    EXPECT_EQ(complaint("[upstream.Central]\nurl = \"http://h/x\"\n").find("line 1: the upstream name 'Central'"), 0u);
    EXPECT_EQ(complaint("upstream = \"http://h/x\"\n").find("line 1: upstream: needs sections"), 0u);
    EXPECT_EQ(complaint("[upstream.central\n").find("line 1: "), 0u);
}

TEST_F(UpstreamsFile, StandsBesideUpstreamsOfTheCommandLine) {
    ASSERT_TRUE(read(kOne).ok());
    Surroundings around;
    around.root = true;
    around.host_name = "host-9";
    auto line = read_command_line(
        {"--upstreams-file", path, "--upstream", "near=http://h/x", "--upstream-grace=7s", "--label=site=fra"}, around);
    ASSERT_TRUE(line.ok()) << message_of(line);
    const std::vector<UpstreamOptions> all = all_upstreams(line->config);
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].name, "near");
    EXPECT_EQ(all[1].name, "central");
    EXPECT_EQ(all[1].grace, std::chrono::seconds(7));
    EXPECT_EQ(all[1].instance, "host-9");
    EXPECT_EQ(all[1].labels, (LabelSet{{"site", "fra"}}));
    auto twice = read_command_line({"--upstreams-file", path, "--upstream", "central=http://h/x"}, around);
    EXPECT_NE(message_of(twice).find("\"central\" stands twice"), std::string::npos) << message_of(twice);
    auto missing = read_command_line({"--upstreams-file", path + "x"}, around);
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().code, Code::kNotFound);
}

TEST_F(UpstreamsFile, ShowsNoPasswordOfAUrl) {
    auto line = read_command_line({"--upstream", "near=http://ann:s3cret@h/x"}, Surroundings{});
    ASSERT_TRUE(line.ok()) << message_of(line);
    EXPECT_NE(config_text(line->config).find("near=http://h/x"), std::string::npos);
    EXPECT_EQ(config_text(line->config).find("s3cret"), std::string::npos);
}

}  // namespace
}  // namespace ringside::agent
