#include "agent/config.h"

#include <algorithm>
#include <set>

#include "agent/http/options.h"
#include "agent/units.h"
#include "agent/upstream/options.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kQueryTimeoutMaxNs = 3600 * kSecond;
constexpr std::uint64_t kQueryMaxSamplesMax = 1'000'000'000;  // 16 GB of them

// systemd lists several folders with colons between them; ours is the first.
std::string first_folder(const std::string& list) { return list.substr(0, list.find(':')); }

std::string default_state_directory(const Surroundings& around) {
    if (!around.state_directory_env.empty()) return first_folder(around.state_directory_env);
    if (around.root) return "/var/lib/ringside";
    if (!around.xdg_state_home.empty()) return around.xdg_state_home + "/ringside";
    if (!around.home.empty()) return around.home + "/.local/state/ringside";
    return "/var/lib/ringside";
}

std::string default_socket(const Surroundings& around) {
    if (!around.runtime_directory_env.empty()) return first_folder(around.runtime_directory_env) + "/agent.sock";
    if (!around.root && !around.xdg_runtime_dir.empty()) return around.xdg_runtime_dir + "/ringside/agent.sock";
    return "/run/ringside/agent.sock";
}

Error invalid(const std::string& option, const std::string& what) {
    return error(Code::kInvalid, "option " + option + ": " + what);
}

std::string quoted_toml(const std::string& value) {
    static const char digits[] = "0123456789abcdef";
    std::string text = "\"";
    for (char c : value) {
        auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            text += '\\';
            text += c;
        } else if (byte < 0x20 || byte == 0x7f) {
            text += std::string("\\u00") + digits[byte >> 4] + digits[byte & 15];
        } else {
            text += c;
        }
    }
    return text + '"';
}

Result<void> check_upstreams(const Config& config) {
    std::set<std::string> names;
    for (const UpstreamOptions& options : all_upstreams(config)) {
        if (auto good = checked(options); !good) return invalid("upstream", good.error().context);
        if (!names.insert(options.name).second) {
            return invalid("upstream", "the name \"" + options.name + "\" stands twice");
        }
    }
    return {};
}

// NAME=URL without user and password; all else as it is.
std::string shown(const Option& option, const std::string& value) {
    if (std::string_view(option.name) != "upstream") return value;
    const std::size_t url = value.find('=') + 1;
    return value.substr(0, url) + url_without_credentials(value.substr(url));
}

}  // namespace

const Option* find_option(std::string_view name) {
    for (const Option& option : config_options()) {
        if (option.name == name) return &option;
    }
    return nullptr;
}

Config default_config(const Surroundings& around) {
    Config config;
    config.directory = "/dev/shm/ringside";
    config.state_directory = default_state_directory(around);
    config.socket = default_socket(around);
    config.http_address = "127.0.0.1";
    config.http_port = 9465;
    config.query_timeout_ns = 30 * kSecond;
    config.query_concurrency = 4;
    config.query_max_samples = 5'000'000;
    config.instance = around.host_name.empty() ? "localhost" : around.host_name;
    config.job = "ringside";
    config.archive_max_bytes = 4ull << 30;
    config.archive_max_age_ns = 15 * 86400 * kSecond;
    config.black_box_span_ns = 300 * kSecond;
    config.black_box_max_bytes = 512ull << 20;
    config.black_box_max_age_ns = 90 * 86400 * kSecond;
    config.upstream_grace_ns = 15 * kSecond;
    config.upstream_timeout_ns = 10 * kSecond;
    config.upstream_backlog_max_ns = 48 * 3600 * kSecond;
    config.scan_interval_ns = kSecond;
    config.creating_max_age_ns = 300 * kSecond;
    config.shutdown_timeout_ns = 20 * kSecond;
    config.log_level = "info";
    return config;
}

Result<void> apply_option(Config& config, std::string_view name, const std::vector<std::string>& values) {
    const Option* option = find_option(name);
    if (!option) return error(Code::kInvalid, "there is no option \"" + std::string(name) + "\"");
    if (values.empty() && !option->list) return invalid(option->name, std::string("needs a value: ") + option->form);
    if (values.size() > 1 && !option->list) return invalid(option->name, "is given more than once");
    if (auto read = option->read(config, values); !read) return invalid(option->name, read.error().context);
    return {};
}

UpstreamOptions upstream_options(const Config& config, const UpstreamConfig& upstream) {
    auto milliseconds = [](std::uint64_t ns) { return std::chrono::milliseconds(ns / 1'000'000); };
    UpstreamOptions options;
    options.name = upstream.name;
    options.url = upstream.url;
    options.job = config.job;
    options.instance = config.instance;
    options.labels = config.labels;
    options.state_directory = config.state_directory + "/upstream";
    options.timeout = milliseconds(config.upstream_timeout_ns);
    options.grace = milliseconds(config.upstream_grace_ns);
    // Between two scans nothing new is there to be seen.
    options.poll = std::max(options.poll, milliseconds(config.scan_interval_ns));
    options.backlog_max = std::chrono::seconds(config.upstream_backlog_max_ns / kSecond);
    return options;
}

HttpOptions http_options(const Config& config) {
    HttpOptions options;
    options.address = config.http_address;
    options.port = config.http_port;
    options.certificate_path = config.http_certificate;
    options.key_path = config.http_key;
    options.token_path = config.http_token_file;
    options.open_paths = {"/-/healthy", "/-/ready"};
    if (!config.http_socket.empty()) {
        options.socket = UnixSocketOptions{config.http_socket, config.socket_mode, config.socket_gid};
    }
    return options;
}

std::vector<UpstreamOptions> all_upstreams(const Config& config) {
    std::vector<UpstreamOptions> all;
    for (const UpstreamConfig& one : config.upstreams) all.push_back(upstream_options(config, one));
    all.insert(all.end(), config.file_upstreams.begin(), config.file_upstreams.end());
    return all;
}

Result<void> check_config(const Config& config) {
    if (config.directory == config.state_directory || config.directory == config.archive_path()) {
        return invalid("directory", "segments need a folder of their own, " + config.directory +
                                        " is the state or the archive directory");
    }
    constexpr std::size_t kSocketPathMax = 107;
    for (const auto& [name, path] :
         {std::pair("socket", config.socket), std::pair("http-socket", config.http_socket)}) {
        if (path.size() <= kSocketPathMax) continue;
        return invalid(name, "the path has " + std::to_string(path.size()) + " bytes; a socket's has at most " +
                                 std::to_string(kSocketPathMax));
    }
    if (config.http_socket == config.socket) {
        return invalid("http-socket", config.socket + " is the socket of the API; HTTP needs one of its own");
    }
    if (auto safe = check_exposure(http_options(config)); !safe) return invalid("http-listen", safe.error().context);
    if (config.query_timeout_ns < kSecond / 1000 || config.query_timeout_ns > kQueryTimeoutMaxNs) {
        return invalid("query-timeout", duration_text(config.query_timeout_ns) + " is not within 1ms to 1h");
    }
    if (config.query_concurrency < 1 || config.query_concurrency > 16) {
        return invalid("query-concurrency", std::to_string(config.query_concurrency) + " is not within 1 to 16");
    }
    if (config.query_max_samples < 1 || config.query_max_samples > kQueryMaxSamplesMax) {
        return invalid("query-max-samples", std::to_string(config.query_max_samples) + " is not within 1 to " +
                                                std::to_string(kQueryMaxSamplesMax));
    }
    if (config.scan_interval_ns < kSecond / 100 || config.scan_interval_ns > 60 * kSecond) {
        return invalid("scan-interval", duration_text(config.scan_interval_ns) + " is not within 10ms to 1m");
    }
    if (config.shutdown_timeout_ns == 0) return invalid("shutdown-timeout", "0 leaves no time to end; give 20s");
    return check_upstreams(config);
}

std::string config_text(const Config& config) {
    std::string text;
    const char* group = nullptr;
    for (const Option& option : config_options()) {
        if (group != option.group) {
            text += (group ? "\n# --- " : "# --- ") + std::string(option.group) + "\n";
            group = option.group;
        }
        text += "# " + std::string(option.help) + (option.live ? "" : " (needs a restart)") + "\n";
        text += std::string(option.name) + " = ";
        const std::vector<std::string> values = option.write(config);
        if (!option.list) {
            text += quoted_toml(values.front()) + "\n";
            continue;
        }
        text += '[';
        for (std::size_t i = 0; i < values.size(); ++i) {
            text += (i ? ", " : "") + quoted_toml(shown(option, values[i]));
        }
        text += "]\n";
    }
    return text;
}

Config take_live_options(const Config& running, const Config& wanted) {
    Config config = running;
    for (const Option& option : config_options()) {
        // What write() gave, read() takes.
        if (option.live) (void)option.read(config, option.write(wanted));
    }
    return config;
}

std::vector<const Option*> changed_options(const Config& before, const Config& after) {
    std::vector<const Option*> changed;
    for (const Option& option : config_options()) {
        if (option.write(before) != option.write(after)) changed.push_back(&option);
    }
    return changed;
}

}  // namespace ringside::agent
