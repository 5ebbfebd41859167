#include "bench/query/hosts.h"

#include <cstdio>
#include <filesystem>
#include <thread>

#include "bench/query/answer.h"
#include "bench/query/workload.h"
#include "bench/writer/scratch.h"

namespace ringside::bench {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

// What filling the peers takes, about. They do not mind samples of the near future, and the segments are made after them.
constexpr std::uint64_t kFillSeconds = 60;

std::uint64_t now_s() { return static_cast<std::uint64_t>(std::time(nullptr)); }

}  // namespace

void say(const std::string& text) { std::fprintf(stderr, "query_bench: %s\n", text.c_str()); }

Hosts::Hosts(std::uint32_t vms, Peers peers) : folder_(scratch_folder("hosts")) {
    std::uint64_t end_s = now_s();
    if (peers == Peers::kFilled) {
        end_s += kFillSeconds;
        start_peers();
        feed_ =
            std::make_unique<PeerFeed>(vms, end_s, std::vector<int>{prometheus_->port(), victoria_metrics_->port()});
        say("sends " + std::to_string(kDataSeconds) + " s of " + std::to_string(vms) + " VMs to the peers");
        feed_->fill();
        clients_[kVictoriaMetrics]->get("/internal/force_flush");
        while (now_s() <= end_s) std::this_thread::sleep_for(100ms);
    }
    start_agent();
    fleet_ = std::make_unique<SegmentFleet>(folder_ + "/agent/vms", vms, end_s);
    check_count(kOurs, "count(count_over_time(m[30s]))", std::uint64_t{vms} * kCounters, 60s);
    for (std::size_t side = 0; side < sides(); ++side) {
        check_count(side, "sum(count_over_time(m[" + std::to_string(kDataSeconds) + "s]))",
                    std::uint64_t{vms} * kCounters * kDataSeconds, 0s);
    }
}

Hosts::~Hosts() {
    agent_.reset();  // first, so that it drains no VM
    fleet_.reset();
    prometheus_.reset();
    victoria_metrics_.reset();
    std::error_code left;  // Scratch tries again and says what it cannot do.
    std::filesystem::remove_all(folder_, left);
}

std::string Hosts::place(const std::string& name) const {
    const std::string path = folder_ + '/' + name;
    std::filesystem::create_directory(path);
    return path;
}

void Hosts::start_agent() {
    const std::string folder = place("agent");
    const int port = free_port();
    const std::vector<std::string> words = {RINGSIDE_AGENT,
                                            "--directory=" + folder + "/vms",
                                            "--archive-directory=" + folder + "/archive",
                                            "--state-directory=" + folder + "/state",
                                            "--socket=" + folder + "/agent.sock",
                                            "--http-listen=127.0.0.1:" + std::to_string(port),
                                            "--instance=bench",
                                            "--job=ringside"};
    agent_ = std::make_unique<ServerProcess>(words, port, "/-/ready", folder + "/agent.log");
    clients_[kOurs] = std::make_unique<HttpClient>(port);
}

void Hosts::start_peers() {
    prometheus_ = std::make_unique<PrometheusProcess>(place("prometheus"), "global: {scrape_interval: 1h}\n");
    clients_[kPrometheus] = std::make_unique<HttpClient>(prometheus_->port());
    const int port = free_port();
    const std::string folder = place("victoriametrics");
    const std::vector<std::string> words = {"victoria-metrics", "-storageDataPath=" + folder + "/data",
                                            "-httpListenAddr=127.0.0.1:" + std::to_string(port),
                                            "-search.latencyOffset=1s"};
    victoria_metrics_ = std::make_unique<ServerProcess>(words, port, "/health", folder + "/log");
    clients_[kVictoriaMetrics] = std::make_unique<HttpClient>(port);
}

const ServerProcess& Hosts::process(std::size_t side) const {
    if (side == kPrometheus) return *prometheus_;
    return side == kOurs ? *agent_ : *victoria_metrics_;
}

std::string Hosts::instant(std::size_t side, const std::string& expression) const {
    const std::string uncached = side == kVictoriaMetrics ? "&nocache=1" : "";
    return "/api/v1/query?query=" + clients_[side]->escaped(expression) + "&time=" + std::to_string(fleet_->end_s()) +
           ".5" + uncached;
}

std::string Hosts::range(std::size_t side, const std::string& expression, std::uint64_t range_s,
                         std::uint64_t step_s) const {
    const std::string uncached = side == kVictoriaMetrics ? "&nocache=1" : "";
    const std::uint64_t end_s = fleet_->end_s();
    return "/api/v1/query_range?query=" + clients_[side]->escaped(expression) +
           "&start=" + std::to_string(end_s - range_s) + ".5&end=" + std::to_string(end_s) +
           ".5&step=" + std::to_string(step_s) + uncached;
}

void Hosts::check_count(std::size_t side, const std::string& expression, std::uint64_t expected,
                        std::chrono::seconds patience) {
    const auto deadline = steady_clock::now() + patience;
    for (;;) {
        const Answer answer = parse_answer(clients_[side]->get(instant(side, expression)));
        const double found = answer.empty() ? 0 : answer.begin()->second.front().second;
        if (found == static_cast<double>(expected)) return;
        if (steady_clock::now() >= deadline) {
            fail(std::string(kSideNames[side]) + ": " + expression + " is " + std::to_string(found) + ", not " +
                 std::to_string(expected));
        }
        std::this_thread::sleep_for(50ms);
    }
}

std::array<std::uint64_t, kSides> Hosts::cpu_ns() const {
    std::array<std::uint64_t, kSides> all{};
    for (std::size_t side = 0; side < sides(); ++side) all[side] = process(side).cpu_ns();
    return all;
}

std::array<double, kSides> Hosts::idle_cores(std::chrono::seconds time) {
    fleet_->go_on();
    std::this_thread::sleep_for(2s);  // what begins to live again costs once
    const auto begin_ns = cpu_ns();
    const auto begin = steady_clock::now();
    const std::uint64_t begin_s = now_s();
    std::int64_t sent = 0;
    for (std::int64_t second = 0; second < time.count(); ++second) {
        std::this_thread::sleep_until(begin + std::chrono::seconds(second));
        const bool late = steady_clock::now() >= begin + std::chrono::seconds(second + 1);
        if (!feed_ || late) continue;
        feed_->send_second(begin_s + static_cast<std::uint64_t>(second));  // each once
        ++sent;
    }
    std::this_thread::sleep_until(begin + time);
    if (feed_ && sent < time.count()) {
        say("this machine is too slow or busy: the peers were sent " + std::to_string(sent) + " of " +
            std::to_string(time.count()) + " seconds");
    }
    const auto end_ns = cpu_ns();
    const std::chrono::duration<double, std::nano> passed = steady_clock::now() - begin;
    std::array<double, kSides> cores{};
    for (std::size_t side = 0; side < sides(); ++side) {
        cores[side] = static_cast<double>(end_ns[side] - begin_ns[side]) / passed.count();
    }
    return cores;
}

}  // namespace ringside::bench
