#include "agent/upstreams_file.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "agent/config_values.h"
#include "agent/toml_table.h"
#include "agent/units.h"
#include "agent/upstreams_file_choice.h"
#include "agent/upstreams_file_rules.h"

namespace ringside::agent {
namespace {

auto into_text(std::string* to) {
    return [to](const std::string& text) -> Result<void> {
        if (text.empty()) return error(Code::kInvalid, "must not be empty; leave the key out instead");
        *to = text;
        return {};
    };
}

auto into_path(std::string* to) {
    return [to](const std::string& text) -> Result<void> {
        auto path = parse_path(text);
        if (!path) return path.error();
        *to = *path;
        return {};
    };
}

template <typename Duration>
auto into_duration(Duration* to) {
    return [to](const std::string& text) -> Result<void> {
        auto ns = parse_duration(text);
        if (!ns) return ns.error();
        *to = std::chrono::duration_cast<Duration>(std::chrono::nanoseconds(*ns));
        return {};
    };
}

// Those of all upstreams, and over them those of this one.
auto into_labels(LabelSet* to) {
    return [to](const TomlTable::Pairs& pairs) -> Result<void> {
        std::map<std::string, std::string> merged;
        for (const Label& label : *to) merged[label.name] = label.value;
        for (const auto& [name, value] : pairs) merged[name] = value;
        to->clear();
        for (const auto& [name, value] : merged) to->push_back({name, value});
        return {};
    };
}

void read_tls(TomlTable& table, TlsOptions& tls) {
    table.text("ca-file", into_path(&tls.ca_file));
    table.text("cert-file", into_path(&tls.cert_file));
    table.text("key-file", into_path(&tls.key_file));
    table.text("server-name", into_text(&tls.server_name));
    table.flag("insecure-skip-verify", &tls.insecure_skip_verify);
}

void read_auth(TomlTable& table, AuthOptions& auth) {
    table.text("user", into_text(&auth.user));
    table.text("password-file", into_path(&auth.password_file));
    table.text("bearer-token-file", into_path(&auth.bearer_token_file));
}

void read_batches(TomlTable& table, UpstreamOptions& options) {
    table.number("batch-samples", [&](std::uint64_t count) -> Result<void> {
        options.batch_samples_max = count;
        return {};
    });
    table.text("batch-bytes", [&](const std::string& text) -> Result<void> {
        auto bytes = parse_size(text);
        if (!bytes) return bytes.error();
        options.batch_bytes_max = *bytes;
        return {};
    });
    table.text("retry-min", into_duration(&options.retry_min));
    table.text("retry-max", into_duration(&options.retry_max));
    table.text("retry-after-max", into_duration(&options.retry_after_max));
}

void read_upstream(TomlTable& table, UpstreamOptions& options) {
    table.text("url", into_text(&options.url));
    table.text("protocol", [&](const std::string& text) -> Result<void> {
        auto protocol = parse_protocol(text);
        if (!protocol) return protocol.error();
        options.protocol = *protocol;
        return {};
    });
    table.pairs("labels", into_labels(&options.labels));
    table.pairs("headers", [&](const TomlTable::Pairs& pairs) -> Result<void> {
        options.headers = pairs;
        return {};
    });
    table.text("proxy", into_text(&options.proxy));
    table.flag("gzip", &options.gzip);
    table.text("timeout", into_duration(&options.timeout));
    table.text("grace", into_duration(&options.grace));
    table.text("backlog-max", into_duration(&options.backlog_max));
    table.table("tls", [&](TomlTable& tls) { read_tls(tls, options.tls); });
    table.table("auth", [&](TomlTable& auth) { read_auth(auth, options.auth); });
    read_batches(table, options);
    read_choice(table, options.choice);
    if (auto good = checked(options); !good) table.wrong(good.error().context);
}

}  // namespace

Result<std::vector<UpstreamOptions>> read_upstreams_file(const std::string& path, const UpstreamOptions& defaults) {
    std::vector<UpstreamOptions> upstreams;
    auto read = TomlTable::read_file(path, [&](TomlTable& top) {
        top.named_tables("upstream", [&](const std::string& name, TomlTable& table) {
            UpstreamOptions options = defaults;
            options.name = name;
            read_upstream(table, options);
            upstreams.push_back(std::move(options));
        });
        read_rules(top, upstreams);
    });
    if (!read) return read.error();
    return upstreams;
}

}  // namespace ringside::agent
