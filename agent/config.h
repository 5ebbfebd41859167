// Everything an operator can say to the agent: one table of options that the command line, the configuration file,
// --print-config and a reload all go by.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/labels.h"
#include "agent/base/result.h"
#include "agent/catalog/budget.h"
#include "agent/http/options.h"
#include "agent/upstream/options.h"

namespace ringside::agent {

struct UpstreamConfig {
    std::string name;
    std::string url;
    bool operator==(const UpstreamConfig&) const = default;
};

enum class LogFormat { kText, kJournal, kAuto };

struct Config {
    // Folders and sockets.
    std::string directory;
    std::string state_directory;
    std::string archive_directory;  // "": below state_directory
    std::string socket;
    mode_t socket_mode = 0660;
    std::optional<gid_t> socket_gid;  // absent: the agent's own
    std::vector<std::uint32_t> operator_uids;
    std::vector<std::uint32_t> operator_gids;
    bool tenants = true;       // whether other users may connect and see their own VMs
    std::string http_address;  // numeric; "": no TCP
    std::uint16_t http_port = 0;
    std::string http_socket;  // "": none
    std::string http_certificate;
    std::string http_key;
    std::string http_token_file;
    // Identity.
    std::string instance;
    std::string job;
    LabelSet labels;  // on everything that is pushed
    // Limits.
    std::uint64_t archive_max_bytes = 0;
    std::uint64_t archive_max_age_ns = 0;
    std::uint32_t archive_tenant_percent = 0;  // of archive_max_bytes
    std::uint64_t black_box_span_ns = 0;
    std::uint64_t black_box_max_bytes = 0;
    std::uint64_t black_box_max_age_ns = 0;
    Budgets budgets;
    // Queries.
    std::uint64_t query_timeout_ns = 0;
    std::uint64_t query_concurrency = 0;
    std::uint64_t query_max_samples = 0;
    bool query_experimental = false;
    // Upstreams.
    std::vector<UpstreamConfig> upstreams;
    std::string upstreams_file;                   // "": none
    std::vector<UpstreamOptions> file_upstreams;  // that it names, as read by read_command_line()
    std::uint64_t upstream_grace_ns = 0;
    std::uint64_t upstream_timeout_ns = 0;
    std::uint64_t upstream_backlog_max_ns = 0;
    // The agent's own rhythm.
    std::uint64_t scan_interval_ns = 0;
    std::uint64_t creating_max_age_ns = 0;
    std::uint64_t shutdown_timeout_ns = 0;
    std::string log_level;
    LogFormat log_format = LogFormat::kAuto;

    std::string archive_path() const {
        return archive_directory.empty() ? state_directory + "/archive" : archive_directory;
    }
};

// What the defaults depend on.
struct Surroundings {
    bool root = false;
    std::string host_name;
    // From the environment, "" where not set.
    std::string state_directory_env;    // STATE_DIRECTORY, set by systemd
    std::string runtime_directory_env;  // RUNTIME_DIRECTORY, the same
    std::string xdg_state_home;
    std::string xdg_runtime_dir;
    std::string home;
};

// One option: its name on the command line (--name) and in the file (name = ...).
struct Option {
    const char* name;
    const char* group;  // heading in --help
    const char* form;   // what a value looks like, in capitals or as alternatives: "DURATION", "NAME=URL", "text|json"
    const char* help;   // one sentence
    bool list;          // may be given several times, or as an array in the file
    bool live;          // a reload takes a new value; else it needs a restart
    // kInvalid with what is wrong with the value; the option's name is added by the caller.
    Result<void> (*read)(Config& config, const std::vector<std::string>& values);
    // The values that read() would take for what is there.
    std::vector<std::string> (*write)(const Config& config);
};

const std::vector<Option>& config_options();
const Option* find_option(std::string_view name);

Config default_config(const Surroundings& surroundings);

// Reads values of one option into `config`. kInvalid: `option archive-max-age: "15 days" is not a duration ...`.
Result<void> apply_option(Config& config, std::string_view name, const std::vector<std::string>& values);

// Rules over several options, and paths that must be absolute. To be called after the last apply_option().
Result<void> check_config(const Config& config);

// The configuration as a file that gives it back, each option with its help. Passwords in URLs are left out.
std::string config_text(const Config& config);

// What Upstream::create wants, of one that has a name and a URL alone.
UpstreamOptions upstream_options(const Config& config, const UpstreamConfig& upstream);
// Where HTTP is listened for; what connections may cost is left as it is.
HttpOptions http_options(const Config& config);
// Of all: those of --upstream, then those of the upstreams file.
std::vector<UpstreamOptions> all_upstreams(const Config& config);

// `running` with the live options of `wanted`.
Config take_live_options(const Config& running, const Config& wanted);

// Options whose values differ.
std::vector<const Option*> changed_options(const Config& before, const Config& after);

}  // namespace ringside::agent
