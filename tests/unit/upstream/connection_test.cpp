#include "agent/upstream/connection.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/base/secret_file.h"
#include "agent/upstream/options.h"
#include "tests/support/results.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

// The error of what `spoil` makes of good options; empty when they pass.
template <typename Spoil>
std::string complaint(Spoil spoil) {
    UpstreamOptions options;
    options.url = "https://metrics.example/api/v1/push";
    spoil(options);
    auto result = check_connection(options);
    return result ? "" : result.error().message();
}

std::string otlp_complaint(const std::string& url) {
    return complaint([&](auto& o) {
        o.protocol = Protocol::kOtlpGrpc;
        o.url = url;
    });
}

TEST(Connection, TakesAServerAloneForOtlp) {
    EXPECT_EQ(otlp_complaint("http://collector:4317"), "");
    EXPECT_EQ(otlp_complaint("https://[::1]:4317/"), "");
    EXPECT_NE(otlp_complaint("http://collector:4318/v1/metrics").find("has a path"), std::string::npos);
    EXPECT_NE(otlp_complaint("http://u:s3cret@collector").find("use the keys of auth"), std::string::npos);
    EXPECT_EQ(otlp_complaint("http://u:s3cret@collector").find("s3cret"), std::string::npos);
    EXPECT_NE(otlp_complaint("collector:4317").find("http://collector:4317"), std::string::npos);
}

TEST(Connection, WantsWholePairs) {
    EXPECT_NE(complaint([](auto& o) { o.tls.cert_file = "/c"; }).find("key-file"), std::string::npos);
    EXPECT_NE(complaint([](auto& o) { o.tls.server_name = "a/b"; }).find("collector.internal"), std::string::npos);
    EXPECT_NE(complaint([](auto& o) { o.auth.user = "u"; }).find("password-file"), std::string::npos);
    EXPECT_NE(complaint([](auto& o) { o.auth.password_file = "/p"; }).find("user"), std::string::npos);
    EXPECT_NE(complaint([](auto& o) { o.auth = {"a:b", "/p", ""}; }).find("colon"), std::string::npos);
    EXPECT_NE(complaint([](auto& o) { o.auth = {"u", "/p", "/t"}; }).find("not both"), std::string::npos);
    EXPECT_NE(complaint([](auto& o) {
                  o.auth.bearer_token_file = "/t";
                  o.url = "https://u:p@h/x";
              }).find("take the user out"),
              std::string::npos);
    EXPECT_NE(complaint([](auto& o) {
                  o.tls.ca_file = "/c";
                  o.url = "http://h/x";
              }).find("use https"),
              std::string::npos);
    EXPECT_EQ(complaint([](auto& o) {
                  o.tls = {"/ca", "/c", "/k", "name", false};
                  o.auth = {"u", "/p", ""};
              }),
              "");
}

TEST(Connection, LetsNoHeaderBreakTheRequest) {
    auto with = [](const HeaderFields& headers) { return complaint([&](auto& o) { o.headers = headers; }); };
    EXPECT_EQ(with({{"X-Scope-OrgID", "a|b"}, {"THANOS-TENANT", "t 1"}}), "");
    EXPECT_NE(with({{"", "x"}}).find("needs a name"), std::string::npos);
    EXPECT_NE(with({{"a b", "x"}}).find("needs a name"), std::string::npos);
    EXPECT_NE(with({{"a:", "x"}}).find("needs a name"), std::string::npos);
    EXPECT_NE(with({{"a!b", "x"}}).find("needs a name"), std::string::npos);
    EXPECT_NE(with({{"a", "x\r\nb: y"}}).find("printable"), std::string::npos);
    EXPECT_NE(with({{"a", "x\ty"}}).find("printable"), std::string::npos);
    EXPECT_NE(with({{"a", ""}}).find("needs a value"), std::string::npos);
    EXPECT_NE(with({{"Authorization", "s3cret"}}).find("keys of auth"), std::string::npos);
    EXPECT_EQ(with({{"Authorization", "s3cret"}}).find("s3cret"), std::string::npos);
    EXPECT_NE(with({{"content-TYPE", "x"}}).find("set by the agent"), std::string::npos);
    EXPECT_NE(with({{"a", "x"}, {"A", "y"}}).find("twice"), std::string::npos);
    EXPECT_NE(complaint([](auto& o) {
                  o.protocol = Protocol::kOtlpGrpc;
                  o.url = "http://h";
                  o.headers = {{"x-bin", "1"}};
              }).find("gRPC's own"),
              std::string::npos);
}

TEST(Connection, KnowsTheProxiesOfEachProtocol) {
    auto with = [](const std::string& proxy) { return complaint([&](auto& o) { o.proxy = proxy; }); };
    for (const char* good : {"http://p:3128", "https://p", "socks5h://u:p@p:1080", "socks4://p"}) {
        EXPECT_EQ(with(good), "") << good;
    }
    EXPECT_NE(with("ftp://p").find("has the scheme 'ftp'; use http"), std::string::npos);
    EXPECT_NE(with("p:3128").find("has no scheme"), std::string::npos);
    EXPECT_EQ(with("ftp://u:s3cret@p").find("s3cret"), std::string::npos);
    EXPECT_NE(complaint([](auto& o) {
                  o.protocol = Protocol::kOtlpGrpc;
                  o.url = "http://h";
                  o.proxy = "socks5://p";
              }).find("has the scheme 'socks5'; use http"),
              std::string::npos);
}

TEST(Connection, ProtocolsHaveNamesThatCanBeReadBack) {
    for (auto protocol :
         {Protocol::kRemoteWrite, Protocol::kRemoteWrite1, Protocol::kRemoteWrite2, Protocol::kOtlpGrpc}) {
        auto read = parse_protocol(protocol_name(protocol));
        ASSERT_TRUE(read.ok());
        EXPECT_EQ(*read, protocol);
    }
}

class SecretFiles : public testing::Test {
  protected:
    std::string write(const std::string& name, const std::string& text) {
        std::ofstream(folder / name, std::ios::binary) << text;
        return folder / name;
    }
    TemporaryFolder folder;
};

TEST_F(SecretFiles, GivesOneLineWithoutItsEnd) {
    for (const char* text : {"token", "token\n", "token\r\n"}) {
        SecretFile file(write("t", text));
        auto read = file.read();
        ASSERT_TRUE(read.ok()) << message_of(read);
        EXPECT_EQ(*read, "token");
    }
}

TEST_F(SecretFiles, SeesANewContentHoweverItGotThere) {
    SecretFile file(write("t", "first"));
    EXPECT_EQ(*file.read(), "first");
    EXPECT_EQ(*file.read(), "first");
    write("t", "second!");  // written over
    EXPECT_EQ(*file.read(), "second!");
    write("new", "thirds!");  // renamed over, of the same length
    std::filesystem::rename(folder / "new", folder / "t");
    EXPECT_EQ(*file.read(), "thirds!");
    std::filesystem::remove(folder / "t");  // a link to another file, as Kubernetes does it
    std::filesystem::create_symlink(write("elsewhere", "fourth!"), folder / "t");
    EXPECT_EQ(*file.read(), "fourth!");
}

TEST_F(SecretFiles, TellsWhatIsWrongAndNeverWhatIsInside) {
    auto complaint_of = [&](const std::string& path) {
        auto read = SecretFile(path).read();
        return read ? "" : read.error().message();
    };
    EXPECT_NE(complaint_of(folder / "none").find("cannot open"), std::string::npos);
    EXPECT_NE(complaint_of(write("t", "")).find("is empty"), std::string::npos);
    EXPECT_NE(complaint_of(write("t", "\n\n")).find("nothing but"), std::string::npos);
    EXPECT_NE(complaint_of(write("t", "s3cret\nInjected: yes")).find("one line"), std::string::npos);
    EXPECT_EQ(complaint_of(write("t", "s3cret\nInjected: yes")).find("s3cret"), std::string::npos);
    EXPECT_NE(complaint_of(write("t", std::string(kSecretFileMaxBytes + 1, 'x'))).find("right file"),
              std::string::npos);
    std::filesystem::remove(folder / "t");
    EXPECT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
    EXPECT_NE(complaint_of(folder / "fifo").find("regular file"), std::string::npos);
}

TEST_F(SecretFiles, AFileThatIsGoneForAWhileIsReadAgainWhenItIsBack) {
    SecretFile file(write("t", "first"));
    EXPECT_TRUE(file.read().ok());
    std::filesystem::remove(folder / "t");
    EXPECT_EQ(code_of(file.read()), Code::kNotFound);
    write("t", "second");
    EXPECT_EQ(*file.read(), "second");
}

TEST_F(SecretFiles, AWatchSaysOnceThatSomethingHasChanged) {
    FileWatch watch({write("a", "1"), folder / "b"});
    EXPECT_FALSE(watch.changed());
    EXPECT_FALSE(watch.changed());
    write("b", "new");
    EXPECT_TRUE(watch.changed());
    EXPECT_FALSE(watch.changed());
    write("a", "22");
    EXPECT_TRUE(watch.changed());
}

TEST_F(SecretFiles, AreCheckedBeforeAnythingIsSent) {
    UpstreamOptions options;
    EXPECT_TRUE(check_connection_files(options).ok());
    options.auth.bearer_token_file = folder / "none";
    EXPECT_EQ(code_of(check_connection_files(options)), Code::kNotFound);
    options.auth.bearer_token_file = write("token", "s3cret\xc3\xa4\n");
    EXPECT_NE(message_of(check_connection_files(options)).find("token of printable ASCII"), std::string::npos);
    EXPECT_EQ(message_of(check_connection_files(options)).find("s3cret"), std::string::npos);
    options.auth = {"ann", write("password", "s3cret\xc3\xa4\n"), ""};
    EXPECT_TRUE(check_connection_files(options).ok());
    options.auth = {"", "", write("token", "t\n")};
    EXPECT_TRUE(check_connection_files(options).ok());
    options.tls.ca_file = write("ca", "no certificate");
    EXPECT_NE(message_of(check_connection_files(options)).find("is not PEM"), std::string::npos);
    options.tls.ca_file = write("ca", "text\n-----BEGIN CERTIFICATE-----\n");
    EXPECT_TRUE(check_connection_files(options).ok());
}

}  // namespace
}  // namespace ringside::agent
