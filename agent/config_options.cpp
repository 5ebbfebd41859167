// The table of options. One entry each, so that no part of the program can know an option that another does not.
#include <algorithm>

#include "agent/config.h"
#include "agent/config_values.h"
#include "agent/units.h"

namespace ringside::agent {
namespace {

using Values = std::vector<std::string>;

Result<void> store(auto* to, auto value) {
    if (!value) return value.error();
    *to = std::move(*value);
    return {};
}

template <std::string Config::*field>
Result<void> read_path(Config& config, const Values& values) {
    return store(&(config.*field), parse_path(values.back()));
}
template <std::string Config::*field>
Result<void> read_path_or_none(Config& config, const Values& values) {
    if (values.back().empty()) return (config.*field).clear(), Result<void>();
    return read_path<field>(config, values);
}
template <std::string Config::*field>
Values write_text(const Config& config) {
    return {config.*field};
}
template <std::uint64_t Config::*field>
Result<void> read_duration(Config& config, const Values& values) {
    return store(&(config.*field), parse_duration(values.back()));
}
template <std::uint64_t Config::*field>
Values write_duration(const Config& config) {
    return {duration_text(config.*field)};
}
template <std::uint64_t Budgets::*field>
Result<void> read_budget_bytes(Config& config, const Values& values) {
    return store(&(config.budgets.*field), parse_size(values.back()));
}
template <std::uint64_t Budgets::*field>
Values write_budget_bytes(const Config& config) {
    return {size_text(config.budgets.*field)};
}
template <std::uint64_t Budgets::*field>
Result<void> read_budget_count(Config& config, const Values& values) {
    return store(&(config.budgets.*field), parse_number(values.back()));
}
template <std::uint64_t Budgets::*field>
Values write_budget_count(const Config& config) {
    return {std::to_string(config.budgets.*field)};
}
template <std::string Config::*field>
Result<void> read_label_value(Config& config, const Values& values) {
    if (values.back().empty()) return error(Code::kInvalid, "it must not be empty");
    config.*field = values.back();
    return {};
}

// Each value by `parse`, all into a list that replaces the old one.
template <typename T>
Result<void> store_all(std::vector<T>* to, const Values& values, Result<T> (*parse)(const std::string&)) {
    std::vector<T> list;
    for (const std::string& value : values) {
        auto one = parse(value);
        if (!one) return one.error();
        list.push_back(std::move(*one));
    }
    *to = std::move(list);
    return {};
}

Values numbers_text(const std::vector<std::uint32_t>& numbers) {
    Values values;
    for (std::uint32_t number : numbers) values.push_back(std::to_string(number));
    return values;
}

std::vector<Option> folders_and_sockets() {
    const char* group = "Folders and sockets";
    return {
        {"directory", group, "PATH", "where VMs put their segments; must lie on a tmpfs", false, false,
         read_path<&Config::directory>, write_text<&Config::directory>},
        {"state-directory", group, "PATH", "cursors, admissions and the agent's lock", false, false,
         read_path<&Config::state_directory>, write_text<&Config::state_directory>},
        {"archive-directory", group, "PATH", "files of drained VMs [archive below the state directory]", false, false,
         [](Config& config, const Values& values) -> Result<void> {
             if (values.back().empty()) return config.archive_directory.clear(), Result<void>();
             return store(&config.archive_directory, parse_path(values.back()));
         },
         write_text<&Config::archive_directory>},
        {"socket", group, "PATH", "the Unix socket of the API", false, false, read_path<&Config::socket>,
         write_text<&Config::socket>},
        {"socket-mode", group, "MODE", "permissions of the socket's file", false, false,
         [](Config& config, const Values& values) { return store(&config.socket_mode, parse_mode(values.back())); },
         [](const Config& config) { return Values{mode_text(config.socket_mode)}; }},
        {"socket-group", group, "GROUP", "group of the socket's file [the agent's own]", false, false,
         [](Config& config, const Values& values) -> Result<void> {
             if (values.back().empty()) return config.socket_gid.reset(), Result<void>();
             return store(&config.socket_gid, parse_group(values.back()));
         },
         [](const Config& config) { return Values{config.socket_gid ? std::to_string(*config.socket_gid) : ""}; }},
        {"http-listen", group, "ADDRESS:PORT|off", "where queries, /metrics and health are answered", false, false,
         [](Config& config, const Values& values) -> Result<void> {
             auto listen = parse_listen(values.back());
             if (!listen) return listen.error();
             std::tie(config.http_address, config.http_port) = *listen;
             return {};
         },
         [](const Config& config) { return Values{listen_text(config.http_address, config.http_port)}; }},
        {"http-socket", group, "PATH", "a Unix socket for the same, which tells its callers apart [none]", false, false,
         read_path_or_none<&Config::http_socket>, write_text<&Config::http_socket>},
        {"http-certificate", group, "PATH", "certificate of http-listen (PEM), for TLS [none]", false, false,
         read_path_or_none<&Config::http_certificate>, write_text<&Config::http_certificate>},
        {"http-key", group, "PATH", "the certificate's key (PEM) [none]", false, false,
         read_path_or_none<&Config::http_key>, write_text<&Config::http_key>},
        {"http-token-file", group, "PATH", "a file with the bearer token that http-listen asks for [none]", false,
         false, read_path_or_none<&Config::http_token_file>, write_text<&Config::http_token_file>},
        {"operator-user", group, "USER", "a user who may do everything, beside root and the agent's own", true, false,
         [](Config& config, const Values& values) { return store_all(&config.operator_uids, values, parse_user); },
         [](const Config& config) { return numbers_text(config.operator_uids); }},
        {"operator-group", group, "GROUP", "a group whose members may do everything", true, false,
         [](Config& config, const Values& values) { return store_all(&config.operator_gids, values, parse_group); },
         [](const Config& config) { return numbers_text(config.operator_gids); }},
        {"tenants", group, "true|false", "whether other users may connect and see the VMs whose segments they own",
         false, false,
         [](Config& config, const Values& values) { return store(&config.tenants, parse_bool(values.back())); },
         [](const Config& config) { return Values{config.tenants ? "true" : "false"}; }},
    };
}

std::vector<Option> identity_and_upstreams() {
    const char* group = "Upstreams";
    return {
        {"upstream", group, "NAME=URL", "a remote-write receiver to push rollups to; the name keeps its place", true,
         false,
         [](Config& config, const Values& values) { return store_all(&config.upstreams, values, parse_upstream); },
         [](const Config& config) {
             Values values;
             for (const UpstreamConfig& one : config.upstreams) values.push_back(one.name + "=" + one.url);
             return values;
         }},
        {"upstreams-file", group, "PATH", "a file of receivers with TLS, tokens, headers and protocols (TOML)", false,
         false,
         [](Config& config, const Values& values) -> Result<void> {
             if (values.back().empty()) return config.upstreams_file.clear(), Result<void>();
             return store(&config.upstreams_file, parse_path(values.back()));
         },
         write_text<&Config::upstreams_file>},
        {"instance", group, "TEXT", "this host's name, the label instance of every series", false, false,
         read_label_value<&Config::instance>, write_text<&Config::instance>},
        {"job", group, "TEXT", "the label job of every series", false, false, read_label_value<&Config::job>,
         write_text<&Config::job>},
        {"label", group, "NAME=VALUE", "a further label of every series that is pushed", true, false,
         [](Config& config, const Values& values) {
             auto stored = store_all(&config.labels, values, parse_label);
             std::sort(config.labels.begin(), config.labels.end());
             return stored;
         },
         [](const Config& config) {
             Values values;
             for (const Label& one : config.labels) values.push_back(one.name + "=" + one.value);
             return values;
         }},
        {"upstream-grace", group, "DURATION", "how long after its end a window is taken for complete", false, false,
         read_duration<&Config::upstream_grace_ns>, write_duration<&Config::upstream_grace_ns>},
        {"upstream-timeout", group, "DURATION", "longest time of one request", false, false,
         read_duration<&Config::upstream_timeout_ns>, write_duration<&Config::upstream_timeout_ns>},
        {"upstream-backlog-max", group, "DURATION", "windows older than this are not pushed any more", false, false,
         read_duration<&Config::upstream_backlog_max_ns>, write_duration<&Config::upstream_backlog_max_ns>},
    };
}

std::vector<Option> limits() {
    const char* group = "Limits (0: none)";
    return {
        {"archive-max-bytes", group, "SIZE", "the oldest drained VMs go when the archive grows over this", false, true,
         [](Config& config, const Values& values) {
             return store(&config.archive_max_bytes, parse_size(values.back()));
         },
         [](const Config& config) { return Values{size_text(config.archive_max_bytes)}; }},
        {"archive-max-age", group, "DURATION", "drained VMs go when they ended longer ago than this", false, true,
         read_duration<&Config::archive_max_age_ns>, write_duration<&Config::archive_max_age_ns>},
        {"archive-tenant-share", group, "PERCENT",
         "the oldest drained VMs of a user go when they take more than this of archive-max-bytes", false, true,
         [](Config& config, const Values& values) {
             return store(&config.archive_tenant_percent, parse_percent(values.back()));
         },
         [](const Config& config) { return Values{std::to_string(config.archive_tenant_percent)}; }},
        {"black-box-span", group, "DURATION",
         "how much of the end of a VM that ended badly is kept in the black box (0: nothing)", false, true,
         read_duration<&Config::black_box_span_ns>, write_duration<&Config::black_box_span_ns>},
        {"black-box-max-bytes", group, "SIZE", "the oldest black box files go when they grow over this", false, true,
         [](Config& config, const Values& values) {
             return store(&config.black_box_max_bytes, parse_size(values.back()));
         },
         [](const Config& config) { return Values{size_text(config.black_box_max_bytes)}; }},
        {"black-box-max-age", group, "DURATION", "black box files go when their VM ended longer ago than this", false,
         true, read_duration<&Config::black_box_max_age_ns>, write_duration<&Config::black_box_max_age_ns>},
        {"vm-bytes", group, "SIZE", "segments of one VM together", false, true, read_budget_bytes<&Budgets::vm_bytes>,
         write_budget_bytes<&Budgets::vm_bytes>},
        {"vm-series", group, "COUNT", "series of one VM, as many as its schemas have room for", false, true,
         read_budget_count<&Budgets::vm_series>, write_budget_count<&Budgets::vm_series>},
        {"vm-label-bytes", group, "SIZE", "label values of one VM, as many as its schemas have room for", false, true,
         read_budget_bytes<&Budgets::vm_label_bytes>, write_budget_bytes<&Budgets::vm_label_bytes>},
        {"host-bytes", group, "SIZE", "segments of all VMs", false, true, read_budget_bytes<&Budgets::host_bytes>,
         write_budget_bytes<&Budgets::host_bytes>},
        {"host-series", group, "COUNT", "series of all VMs", false, true, read_budget_count<&Budgets::host_series>,
         write_budget_count<&Budgets::host_series>},
        {"host-label-bytes", group, "SIZE", "label values of all VMs", false, true,
         read_budget_bytes<&Budgets::host_label_bytes>, write_budget_bytes<&Budgets::host_label_bytes>},
        {"host-segments", group, "COUNT", "segments at the same time", false, true,
         read_budget_count<&Budgets::host_segments>, write_budget_count<&Budgets::host_segments>},
        {"require-admission", group, "true|false", "take in only VMs that were admitted (ringsidectl admit)", false,
         true,
         [](Config& config, const Values& values) {
             return store(&config.budgets.admission_required, parse_bool(values.back()));
         },
         [](const Config& config) { return Values{config.budgets.admission_required ? "true" : "false"}; }},
        {"admission-ttl", group, "DURATION", "how long an admission waits for its VM, and outlives it", false, true,
         [](Config& config, const Values& values) {
             return store(&config.budgets.admission_ttl_ns, parse_duration(values.back()));
         },
         [](const Config& config) { return Values{duration_text(config.budgets.admission_ttl_ns)}; }},
    };
}

std::vector<Option> queries() {
    const char* group = "Queries";
    return {
        {"query-timeout", group, "DURATION", "longest time of one query", false, false,
         read_duration<&Config::query_timeout_ns>, write_duration<&Config::query_timeout_ns>},
        {"query-concurrency", group, "COUNT", "queries that are answered at the same time", false, false,
         [](Config& config, const Values& values) {
             return store(&config.query_concurrency, parse_number(values.back()));
         },
         [](const Config& config) { return Values{std::to_string(config.query_concurrency)}; }},
        {"query-max-samples", group, "COUNT", "samples that one query may have in memory", false, false,
         [](Config& config, const Values& values) {
             return store(&config.query_max_samples, parse_number(values.back()));
         },
         [](const Config& config) { return Values{std::to_string(config.query_max_samples)}; }},
        {"query-experimental", group, "true|false", "functions and modifiers that Prometheus calls experimental", false,
         false,
         [](Config& config, const Values& values) {
             return store(&config.query_experimental, parse_bool(values.back()));
         },
         [](const Config& config) { return Values{config.query_experimental ? "true" : "false"}; }},
    };
}

std::vector<Option> rhythm_and_log() {
    const char* group = "The agent itself";
    return {
        {"scan-interval", group, "DURATION", "how often all segments are looked at", false, true,
         read_duration<&Config::scan_interval_ns>, write_duration<&Config::scan_interval_ns>},
        {"creating-max-age", group, "DURATION", "after this, what a killed writer left half made is removed", false,
         true, read_duration<&Config::creating_max_age_ns>, write_duration<&Config::creating_max_age_ns>},
        {"shutdown-timeout", group, "DURATION", "longest time from SIGTERM to the end", false, true,
         read_duration<&Config::shutdown_timeout_ns>, write_duration<&Config::shutdown_timeout_ns>},
        {"log-level", group, "LEVEL", "trace, debug, info, warning, error, critical or off", false, true,
         [](Config& config, const Values& values) { return store(&config.log_level, parse_log_level(values.back())); },
         write_text<&Config::log_level>},
        {"log-format", group, "auto|text|journal", "lines with a time, or with journald's priorities", false, false,
         [](Config& config, const Values& values) {
             return store(&config.log_format, parse_log_format(values.back()));
         },
         [](const Config& config) { return Values{log_format_name(config.log_format)}; }},
    };
}

}  // namespace

const std::vector<Option>& config_options() {
    static const std::vector<Option> all = [] {
        std::vector<Option> options;
        for (const auto& part :
             {folders_and_sockets(), limits(), queries(), identity_and_upstreams(), rhythm_and_log()}) {
            options.insert(options.end(), part.begin(), part.end());
        }
        return options;
    }();
    return all;
}

}  // namespace ringside::agent
