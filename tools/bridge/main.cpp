// ringside-bridge: records for what cannot link the library. One subcommand a collector.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "tools/bridge/host.h"
#include "tools/bridge/metronome.h"
#include "tools/bridge/text.h"

namespace ringside::bridge {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr std::uint64_t kNsPerMs = 1'000'000;

struct Options {
    std::uint64_t interval_ms = 1000;
    std::uint64_t run_ms = 0;
    std::string log_level = "info";
    HostOptions host;
};

void start_logging(const std::string& level) {
    spdlog::set_default_logger(spdlog::stderr_logger_mt("ringside-bridge"));
    spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l: %v", spdlog::pattern_time_type::utc);
    spdlog::set_level(spdlog::level::from_str(level));
}

// Runs until a signal or the end of the time; both are planned ends.
int run_host(const Options& options) {
    Metronome metronome(options.interval_ms * kNsPerMs, options.run_ms * kNsPerMs);
    std::string error;
    const auto host = HostCollector::create(options.host, error);
    if (!host) {
        spdlog::error("{}", error);
        return kExitFailed;
    }
    spdlog::info("recording into {} ({} bytes)", host->recorder().path(), host->recorder().bytes());
    host->pass(0);
    for (;;) {
        switch (metronome.wait()) {
            case Metronome::Wake::kBeat: host->pass(metronome.missed_beats()); break;
            case Metronome::Wake::kSignal: {
                const std::string why = std::string("stopped by SIG") + sigabbrev_np(metronome.signal_number());
                spdlog::info("{}", why);
                host->close(why.c_str());
                return 0;
            }
            case Metronome::Wake::kTimeOver:
                spdlog::info("the time is over");
                host->close("the time is over");
                return 0;
        }
    }
}

// "500ms", "30s", "5m" or "24h" in milliseconds; 0 when it is none of these, or nothing, or more than a year.
std::uint64_t milliseconds_of(std::string_view text) {
    constexpr std::uint64_t kYearMs = std::uint64_t{365} * 24 * 3'600'000;
    constexpr std::pair<std::string_view, std::uint64_t> kUnits[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
    const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
    std::uint64_t count = 0;
    if (!parse_number(text.substr(0, digits), count)) return 0;
    for (const auto& [unit, unit_ms] : kUnits) {
        if (text.substr(digits) == unit) return count <= kYearMs / unit_ms ? count * unit_ms : 0;
    }
    return 0;
}

CLI::Option* add_time_option(CLI::App& app, const std::string& name, std::uint64_t& out_ms, std::uint64_t least_ms,
                             const std::string& help) {
    const auto parse = [name, &out_ms, least_ms](const std::string& text) {
        out_ms = milliseconds_of(text);
        if (out_ms >= least_ms) return;
        throw CLI::ValidationError(
            name, "'" + text + "' must be a time such as 1s, 5m or 500ms, at least " + std::to_string(least_ms) + "ms");
    };
    return app.add_option_function<std::string>(name, parse, help)->type_name("TIME");
}

void add_common_options(CLI::App& app, Options& options) {
    add_time_option(app, "--interval", options.interval_ms, 100, "Time between two records, such as 1s or 500ms")
        ->default_str("1s");
    add_time_option(app, "--for", options.run_ms, 1,
                    "End by itself after this time, such as 30s or 5m; without it run until SIGTERM");
    app.add_option("--log-level", options.log_level, "What to log on standard error")
        ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
        ->capture_default_str();
}

void add_host_options(CLI::App& app, HostOptions& host) {
    app.add_option("-d,--directory", host.directory, "Segment directory")->capture_default_str();
    app.add_option("--vm-id", host.vm_id, "Name under which this host is listed; by default the host's name");
    app.add_option("--proc", host.proc, "Where the proc file system is mounted")->capture_default_str();
    app.add_option("--sys", host.sys, "Where sysfs is mounted")->capture_default_str();
    app.add_option("--ignore-disk", host.ignored_disks, "Shell patterns of disks to leave alone; replace the defaults")
        ->type_name("PATTERN")
        ->capture_default_str();
    app.add_option("--ignore-interface", host.ignored_interfaces,
                   "Shell patterns of network interfaces to leave alone; replace the defaults")
        ->type_name("PATTERN")
        ->capture_default_str();
    app.add_option("--max-disks", host.max_disks, "Most disks to make room for")
        ->check(CLI::Range(1u, 1024u))
        ->capture_default_str();
    app.add_option("--max-interfaces", host.max_interfaces, "Most network interfaces to make room for")
        ->check(CLI::Range(1u, 1024u))
        ->capture_default_str();
}

int run(int argc, char** argv) {
    CLI::App app("Records metrics into Ringside segments for what cannot link the library.", "ringside-bridge");
    app.set_version_flag("--version", "ringside-bridge " RINGSIDE_VERSION);
    app.require_subcommand(1);
    Options options;
    CLI::App* host = app.add_subcommand("host", "This host: CPU, memory, disks, network, load and pressure");
    add_common_options(*host, options);
    add_host_options(*host, options.host);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        // CLI11 would only say that a subcommand is missing.
        if (const auto left = app.remaining(); app.get_subcommands().empty() && !left.empty()) {
            (void)std::fprintf(stderr, "ringside-bridge: no subcommand '%s', there is: host\n", left.front().c_str());
            return kExitUsage;
        }
        return app.exit(error) == 0 ? 0 : kExitUsage;
    }
    start_logging(options.log_level);
    return run_host(options);
}

}  // namespace
}  // namespace ringside::bridge

int main(int argc, char** argv) {
    // CLI11 and spdlog may throw while they are set up.
    try {
        return ringside::bridge::run(argc, argv);
    } catch (const std::exception& error) {
        (void)std::fprintf(stderr, "ringside-bridge: %s\n", error.what());
        return 1;
    }
}
