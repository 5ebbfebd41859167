// ringside-agent: reads its options, starts the agent, and turns signals into what they mean.
//
//   SIGTERM, SIGINT   finish the drain in hand and end with 0; the second one ends at once, with 1
//   SIGHUP            read the options again and take what can change without a restart
#include <malloc.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/agent.h"
#include "agent/base/clock.h"
#include "agent/command_line.h"
#include "agent/descriptors.h"
#include "agent/log.h"
#include "agent/notify.h"
#include "agent/segment/bus_guard.h"

namespace ringside::agent {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

Surroundings look_around() {
    Surroundings around;
    around.root = ::geteuid() == 0;
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) == 0) around.host_name = name;
    around.state_directory_env = environment("STATE_DIRECTORY");
    around.runtime_directory_env = environment("RUNTIME_DIRECTORY");
    around.xdg_state_home = environment("XDG_STATE_HOME");
    around.xdg_runtime_dir = environment("XDG_RUNTIME_DIR");
    around.home = environment("HOME");
    return around;
}

sigset_t handled_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
    return signals;
}

// The next signal, or 0 when none came in time.
int wait_for_signal(const sigset_t& signals, std::uint64_t timeout_ns) {
    const timespec timeout{static_cast<time_t>(timeout_ns / 1'000'000'000u),
                           static_cast<long>(timeout_ns % 1'000'000'000u)};
    const int signal = ::sigtimedwait(&signals, nullptr, &timeout);
    return signal > 0 ? signal : 0;
}

// Reads the options again. A mistake in them changes nothing.
void reload(Agent& agent, Config& config, const std::vector<std::string>& arguments) {
    notify_reloading();
    auto line = read_command_line(arguments, look_around());
    if (!line) {
        log_error("nothing reloaded: " + line.error().message());
    } else {
        for (const Option* option : changed_options(config, line->config)) {
            const std::string name(option->name);
            if (option->live) {
                log_info("option " + name + " is now " + option->write(line->config).front());
            } else {
                log_warning("option " + name + " has changed, which needs a restart: the old value holds until then");
            }
        }
        config = take_live_options(config, line->config);
        agent.reload(config);
        log_info("reloaded");
    }
    notify_ready(agent.status());
}

// Ends at the second signal or when the time is over, whatever hangs.
void stop(std::unique_ptr<Agent> agent, const Config& config, const sigset_t& signals) {
    notify_stopping();
    std::promise<void> promise;
    std::future<void> stopped = promise.get_future();
    std::thread worker([&] {
        agent->stop();
        agent.reset();
        promise.set_value();
    });
    const std::uint64_t deadline_ns = monotonic_ns() + config.shutdown_timeout_ns;
    while (stopped.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
        const int signal = wait_for_signal(signals, 10'000'000);
        const bool late = monotonic_ns() > deadline_ns;
        if (signal != SIGTERM && signal != SIGINT && !late) continue;
        log_error(late
                      ? "not stopped within shutdown-timeout: ending at once, the next start goes on where this one was"
                      : "told to end again: ending at once");
        ::_exit(kExitFailed);
    }
    worker.join();
    log_info("stopped");
}

int run(const CommandLine& line, const std::vector<std::string>& arguments) {
    start_log(line.config.log_format, line.config.log_level);
    // Blocked before any thread is made, so that all threads leave them to this one.
    const sigset_t signals = handled_signals();
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);

    log_info("ringside-agent " RINGSIDE_VERSION " starts" +
             (line.config_file.empty() ? std::string() : " with " + line.config_file));
    auto started = Agent::start(line.config);
    if (!started) {
        log_error("cannot start: " + started.error().message());
        return kExitFailed;
    }
    std::unique_ptr<Agent> agent = std::move(*started);
    Config config = line.config;
    notify_ready(agent->status());

    constexpr std::uint64_t kStatusNs = 10'000'000'000;
    const std::uint64_t watchdog_ns = watchdog_interval_ns();
    const std::uint64_t wake_ns = watchdog_ns ? std::min(watchdog_ns, kStatusNs) : kStatusNs;
    for (;;) {
        const int signal = wait_for_signal(signals, wake_ns);
        if (signal == SIGTERM || signal == SIGINT) break;
        if (signal == SIGHUP) reload(*agent, config, arguments);
        if (watchdog_ns && agent->healthy()) notify_watchdog();
        notify_status(agent->status());
    }
    log_info("stopping");
    stop(std::move(agent), config, signals);
    return kExitOk;
}

// A limit is that of the caller's shell, not the unit's: what it cannot hold is worth a warning, and no more.
int check(const Config& config) {
    auto descriptors = claim_descriptors();
    const auto warning = descriptors ? descriptor_warning(*descriptors, config.budgets) : descriptors.error().message();
    if (warning) std::fprintf(stderr, "ringside-agent: warning: %s\n", warning->c_str());
    for (const UpstreamOptions& upstream : all_upstreams(config)) {
        auto files = check_connection_files(upstream);
        if (files) continue;
        std::fprintf(stderr, "ringside-agent: upstream '%s': %s\n", upstream.name.c_str(),
                     files.error().message().c_str());
        return kExitUsage;
    }
    std::puts("the configuration is good");
    return kExitOk;
}

int run_command_line(const std::vector<std::string>& arguments) {
    auto line = read_command_line(arguments, look_around());
    if (!line) {
        std::fprintf(stderr, "ringside-agent: %s\n", line.error().message().c_str());
        return kExitUsage;
    }
    switch (line->action) {
        case Action::kPrintText: std::fputs(line->text.c_str(), stdout); return kExitOk;
        case Action::kPrintConfig: std::fputs(config_text(line->config).c_str(), stdout); return kExitOk;
        case Action::kCheckConfig: return check(line->config);
        case Action::kRun: break;
    }
    return run(*line, arguments);
}

}  // namespace
}  // namespace ringside::agent

int main(int argc, char** argv) {
    // By default each thread that answers queries gets a heap of its own, and keeps what its largest answer took: with 1,000
    // VMs 32 MB after a few queries, with two heaps 22.
    ::mallopt(M_ARENA_MAX, 2);
    ringside::agent::install_bus_guard();  // queries map segments, which their owners can cut

    return ringside::agent::run_command_line(std::vector<std::string>(argv + 1, argv + argc));
}
