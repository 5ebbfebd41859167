#include "agent/config.h"

#include <gtest/gtest.h>

#include <fstream>

#include "agent/command_line.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

Surroundings as_root() {
    Surroundings around;
    around.root = true;
    around.host_name = "host-1";
    return around;
}

Result<CommandLine> read(const std::vector<std::string>& arguments) { return read_command_line(arguments, as_root()); }

// The error's text; "" when there is none.
std::string complaint(const std::vector<std::string>& arguments) {
    auto line = read(arguments);
    return line ? "" : line.error().message();
}

class ConfigFile : public testing::Test {
  protected:
    std::string write(const std::string& text) {
        std::string path = folder / "agent.toml";
        std::ofstream(path) << text;
        return path;
    }
    Result<Config> config(const std::string& text, std::vector<std::string> arguments = {}) {
        arguments.insert(arguments.begin(), {"--config", write(text)});
        auto line = read(arguments);
        if (!line) return line.error();
        return line->config;
    }
    std::string file_complaint(const std::string& text) {
        auto result = config(text);
        return result ? "" : result.error().message();
    }

    TemporaryFolder folder;
};

TEST(Config, WorksWithoutAnyOption) {
    auto line = read({});
    ASSERT_TRUE(line.ok()) << line.error().message();
    EXPECT_EQ(line->action, Action::kRun);
    EXPECT_EQ(line->config.directory, "/dev/shm/ringside");
    EXPECT_EQ(line->config.state_directory, "/var/lib/ringside");
    EXPECT_EQ(line->config.archive_path(), "/var/lib/ringside/archive");
    EXPECT_EQ(line->config.socket, "/run/ringside/agent.sock");
    EXPECT_EQ(line->config.instance, "host-1");
    EXPECT_EQ(line->config.http_port, 9465);
    EXPECT_EQ(line->config.archive_max_age_ns, 15ull * 86400 * 1'000'000'000);
}

TEST(Config, TheShareOfATenantIsAPercentage) {
    EXPECT_EQ(read({"--archive-tenant-share", "25"})->config.archive_tenant_percent, 25u);
    EXPECT_EQ(read({})->config.archive_tenant_percent, 0u);
    for (const char* wrong : {"101", "-1", "25%", "a fourth", ""}) {
        EXPECT_NE(complaint({"--archive-tenant-share", wrong}), "") << wrong;
    }
}

TEST(Config, PutsFilesWhereTheUserMayWrite) {
    Surroundings around;
    around.home = "/home/ann";
    around.xdg_runtime_dir = "/run/user/7";
    EXPECT_EQ(default_config(around).state_directory, "/home/ann/.local/state/ringside");
    EXPECT_EQ(default_config(around).socket, "/run/user/7/ringside/agent.sock");
    around.xdg_state_home = "/home/ann/state";
    EXPECT_EQ(default_config(around).state_directory, "/home/ann/state/ringside");
    around.state_directory_env = "/var/lib/ringside:/var/lib/other";
    around.runtime_directory_env = "/run/ringside";
    EXPECT_EQ(default_config(around).state_directory, "/var/lib/ringside");
    EXPECT_EQ(default_config(around).socket, "/run/ringside/agent.sock");
}

TEST(Config, ReadsEveryOptionFromTheCommandLine) {
    TemporaryFolder folder;
    std::ofstream(folder / "upstreams.toml") << "[upstream.c]\nurl = \"http://c/w\"\n";
    auto line = read({"--directory",
                      "/dev/shm/vms/",
                      "--state-directory=/s",
                      "--archive-directory",
                      "/a",
                      "--socket",
                      "/run/x.sock",
                      "--socket-mode",
                      "0600",
                      "--socket-group",
                      "4",
                      "--http-listen",
                      "[::1]:80",
                      "--http-socket",
                      "/run/http.sock",
                      "--http-certificate",
                      "/etc/c.pem",
                      "--http-key",
                      "/etc/c.key",
                      "--http-token-file",
                      "/etc/token",
                      "--query-timeout",
                      "5s",
                      "--query-concurrency",
                      "2",
                      "--query-max-samples",
                      "1000",
                      "--query-experimental",
                      "true",
                      "--operator-user",
                      "1000",
                      "--operator-user",
                      "root",
                      "--operator-group",
                      "0",
                      "--tenants",
                      "false",
                      "--archive-max-bytes",
                      "1GiB",
                      "--black-box-span",
                      "2m",
                      "--black-box-max-bytes",
                      "1MiB",
                      "--black-box-max-age",
                      "5d",
                      "--archive-tenant-share",
                      "30",
                      "--archive-max-age",
                      "1d",
                      "--vm-bytes",
                      "1MiB",
                      "--vm-series",
                      "2",
                      "--vm-label-bytes",
                      "3",
                      "--host-bytes",
                      "4",
                      "--host-series",
                      "5",
                      "--host-label-bytes",
                      "6",
                      "--host-segments",
                      "7",
                      "--require-admission",
                      "true",
                      "--admission-ttl",
                      "1m",
                      "--upstream",
                      "a=http://h/w?x=y#z",
                      "--upstream",
                      "b=https://h:1/w",
                      "--upstreams-file",
                      folder / "upstreams.toml",
                      "--instance",
                      "i",
                      "--job",
                      "j",
                      "--label",
                      "dc=fra1",
                      "--upstream-grace",
                      "500ms",
                      "--upstream-timeout",
                      "1s",
                      "--upstream-backlog-max",
                      "1h",
                      "--scan-interval",
                      "100ms",
                      "--creating-max-age",
                      "1h",
                      "--shutdown-timeout",
                      "5s",
                      "--log-level",
                      "debug",
                      "--log-format",
                      "journal"});
    ASSERT_TRUE(line.ok()) << line.error().message();
    const Config& config = line->config;
    EXPECT_EQ(config.directory, "/dev/shm/vms");
    EXPECT_EQ(config.archive_path(), "/a");
    EXPECT_EQ(config.socket_mode, 0600u);
    EXPECT_EQ(config.socket_gid, 4u);
    EXPECT_EQ(config.http_address, "::1");
    EXPECT_EQ(http_options(config).socket->path, "/run/http.sock");
    EXPECT_EQ(http_options(config).socket->mode, 0600u);
    EXPECT_EQ(config.query_concurrency, 2u);
    EXPECT_EQ(config.operator_uids, (std::vector<std::uint32_t>{1000, 0}));
    EXPECT_FALSE(config.tenants);
    EXPECT_EQ(config.budgets.host_segments, 7u);
    EXPECT_TRUE(config.budgets.admission_required);
    ASSERT_EQ(config.upstreams.size(), 2u);
    EXPECT_EQ(config.upstreams[0].url, "http://h/w?x=y#z");
    EXPECT_EQ(upstream_options(config, config.upstreams[1]).grace, std::chrono::milliseconds(500));
    // No option of the table was forgotten above: each differs from its default.
    EXPECT_EQ(changed_options(default_config(as_root()), config).size(), config_options().size());
}

TEST_F(ConfigFile, HasTheSameNamesAndTheCommandLineWins) {
    auto both = config(
        "directory = \"/dev/shm/a\" # a comment\nvm-series = 17\ntenants = false\n"
        "upstream = [\"a=http://h/w#frag\", \"b=http://h/x\"]\nhttp-listen = \"off\"\n",
        {"--directory", "/dev/shm/b"});
    ASSERT_TRUE(both.ok()) << both.error().message();
    EXPECT_EQ(both->directory, "/dev/shm/b");
    EXPECT_EQ(both->budgets.vm_series, 17u);
    EXPECT_FALSE(both->tenants);
    EXPECT_EQ(both->upstreams.size(), 2u);
    EXPECT_EQ(both->upstreams[0].url, "http://h/w#frag");
    EXPECT_EQ(both->http_address, "");
}

TEST_F(ConfigFile, ComesBackFromWhatIsPrinted) {
    auto line =
        read({"--upstream", "a=http://h/w@v?q=\"x\\", "--label", "dc=fra\"1", "--label", "owner=ops@example/a@b",
              "--socket-group", "4", "--archive-max-age", "90m", "--operator-user", "0", "--vm-bytes", "12345"});
    ASSERT_TRUE(line.ok()) << line.error().message();
    auto back = config(config_text(line->config));
    ASSERT_TRUE(back.ok()) << back.error().message();
    auto changed = changed_options(line->config, *back);
    EXPECT_TRUE(changed.empty()) << changed[0]->name;
}

TEST_F(ConfigFile, SaysWhichLineIsWrong) {
    EXPECT_NE(file_complaint("job = \"a\"\nvm-bytes = \"64M\"\n")
                  .find("agent.toml, line 2: option vm-bytes: \"64M\" is not a size"),
              std::string::npos)
        << file_complaint("job = \"a\"\nvm-bytes = \"64M\"\n");
    EXPECT_NE(file_complaint("\n\nno-such = 1\n").find("line 3: there is no option \"no-such\""), std::string::npos);
    EXPECT_NE(file_complaint("job = a\n").find("agent.toml, line 1: "), std::string::npos);
    EXPECT_NE(file_complaint("[upstream]\nname = \"a\"\n").find("sections like [upstream]"), std::string::npos);
    EXPECT_NE(file_complaint("job = 1.5\n").find("line 1: a value is a text in quotes"), std::string::npos);
    EXPECT_NE(file_complaint("upstream = [[1]]\n").find("line 1: a value is"), std::string::npos);
    EXPECT_NE(file_complaint("job = [\"a\", \"b\"]\n").find("option job: is given more than once"), std::string::npos);
    EXPECT_NE(file_complaint("job = []\n").find("option job: needs a value: TEXT"), std::string::npos);
}

TEST_F(ConfigFile, MayBeMissingOnlyWhenSaidSo) {
    const std::string path = folder / "nothing.toml";
    EXPECT_EQ(read({"--config", path}).error().code, Code::kNotFound);
    auto line = read({"--config", "-" + path});
    ASSERT_TRUE(line.ok()) << line.error().message();
    EXPECT_EQ(line->config_file, "");
    EXPECT_FALSE(read({"--config", "-" + write("nonsense")}).ok());
}

struct Mistake {
    std::vector<std::string> arguments;
    const char* says;
};

class ConfigMistake : public testing::TestWithParam<Mistake> {};

TEST_P(ConfigMistake, NamesOptionValueAndForm) {
    const std::string text = complaint(GetParam().arguments);
    EXPECT_NE(text.find(GetParam().says), std::string::npos) << text;
}

INSTANTIATE_TEST_SUITE_P(
    Options, ConfigMistake,
    testing::Values(
        Mistake{{"--archive-max-age", "15 days"}, "option archive-max-age: \"15 days\" is not a duration, such as 10s"},
        Mistake{{"--vm-bytes", "x"}, "option vm-bytes: \"x\" is not a size, such as 4096"},
        Mistake{{"--vm-series", "-1"}, "option vm-series: \"-1\" is not a whole number"},
        Mistake{{"--directory", "vms"}, "option directory: \"vms\" is not an absolute path"},
        Mistake{{"--socket-mode", "888"}, "option socket-mode: \"888\" is not a mode in octal"},
        Mistake{{"--http-listen", "localhost:80"}, "option http-listen: \"localhost:80\" is not an address and a port"},
        Mistake{{"--http-listen", "127.0.0.1:65536"}, "option http-listen:"},
        Mistake{{"--http-listen", "::1:80"}, "option http-listen:"},
        Mistake{{"--http-listen", "0.0.0.0:80"}, "option http-listen: HTTP on 0.0.0.0 would show"},
        Mistake{{"--http-key", "/k"}, "http-certificate and http-key go together"},
        Mistake{{"--http-socket", "/run/ringside/agent.sock"},
                "option http-socket: /run/ringside/agent.sock is the socket"},
        Mistake{{"--query-concurrency", "0"}, "option query-concurrency: 0 is not within 1 to 16"},
        Mistake{{"--query-timeout", "0"}, "option query-timeout: 0 is not within 1ms to 1h"},
        Mistake{{"--query-timeout", "2h"}, "option query-timeout: 2h is not within 1ms to 1h"},
        Mistake{{"--query-max-samples", "0"}, "option query-max-samples: 0 is not within 1 to 1000000000"},
        Mistake{{"--query-max-samples", "1000000001"}, "is not within 1 to 1000000000"},
        Mistake{{"--operator-user", "no such user"}, "\"no such user\" is not a user that this host knows"},
        Mistake{{"--operator-group", "4294967295"}, "is not the number of a group"},
        Mistake{{"--tenants", "maybe"}, "option tenants: \"maybe\" is not true or false"},
        Mistake{{"--upstream", "http://h/w"}, "option upstream: \"http://h/w\" is not NAME=URL"},
        Mistake{{"--upstream", "a=ftp://h/w"},
                "option upstream: upstream 'a': the URL 'ftp://h/w' has the scheme 'ftp'"},
        Mistake{{"--upstream", "a=http://h/w", "--upstream", "a=http://h/x"}, "the name \"a\" stands twice"},
        Mistake{{"--label", "dc"}, "option label: \"dc\" is not NAME=VALUE"},
        Mistake{{"--job", ""}, "option job: it must not be empty"},
        Mistake{{"--log-level", "loud"}, "option log-level: \"loud\" is not a log level"},
        Mistake{{"--log-format", "xml"}, "option log-format: \"xml\" is not a log format"},
        Mistake{{"--scan-interval", "1ms"}, "option scan-interval: 1ms is not within"},
        Mistake{{"--shutdown-timeout", "0"}, "option shutdown-timeout:"},
        Mistake{{"--directory", "/var/lib/ringside"}, "option directory: segments need a folder of their own"},
        Mistake{{"--socket", "/" + std::string(110, 'x')}, "option socket: the path has 111 bytes"},
        Mistake{{"--job", "a", "--job", "b"}, "option job: is given more than once"},
        Mistake{{"--no-such-option"}, "--no-such-option"}, Mistake{{"stray"}, "stray"}, Mistake{{"--job"}, "--job"}));

TEST(CommandLine, PrintsHelpAndVersion) {
    auto help = read({"--help"});
    ASSERT_TRUE(help.ok());
    EXPECT_EQ(help->action, Action::kPrintText);
    for (const Option& option : config_options()) {
        EXPECT_NE(help->text.find(std::string("--") + option.name), std::string::npos) << option.name;
    }
    auto version = read({"--version"});
    ASSERT_TRUE(version.ok());
    EXPECT_EQ(version->text.rfind("ringside-agent ", 0), 0u);
}

TEST(CommandLine, ChecksAndPrintsTheConfiguration) {
    EXPECT_EQ(read({"--check-config"})->action, Action::kCheckConfig);
    EXPECT_EQ(read({"--print-config"})->action, Action::kPrintConfig);
    EXPECT_FALSE(read({"--check-config", "--vm-bytes", "x"}).ok());
}

}  // namespace
}  // namespace ringside::agent
