// Who is asked: the agent with a fleet of VMs, and beside it Prometheus and VictoriaMetrics with the same samples.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "bench/query/http_client.h"
#include "bench/query/peer_feed.h"
#include "bench/query/segment_fleet.h"
#include "bench/size/prometheus_process.h"
#include "bench/size/server_process.h"

namespace ringside::bench {

enum Side : std::size_t { kOurs, kPrometheus, kVictoriaMetrics, kSides };
inline constexpr std::array<const char*, kSides> kSideNames = {"ours", "prometheus", "victoriametrics"};

class Hosts {
  public:
    enum class Peers { kNone, kFilled };
    // All of them have the whole workload of so many VMs on return.
    Hosts(std::uint32_t vms, Peers peers);
    ~Hosts();
    Hosts(const Hosts&) = delete;
    Hosts& operator=(const Hosts&) = delete;

    std::uint32_t vms() const { return fleet_->vms(); }
    Peers peers() const { return prometheus_ ? Peers::kFilled : Peers::kNone; }
    std::size_t sides() const { return prometheus_ ? kSides : kPrometheus; }
    const ServerProcess& process(std::size_t side) const;
    HttpClient& client(std::size_t side) { return *clients_[side]; }

    // Path and parameters of a question to a side. Where a range is asked for, it ends at the time of an instant: half a second
    // after the last sample. A range that is closed on the left and one that is open have the same samples then.
    std::string instant(std::size_t side, const std::string& expression) const;
    std::string range(std::size_t side, const std::string& expression, std::uint64_t range_s,
                      std::uint64_t step_s) const;

    // CPU time per time of each side while nobody asks, all VMs record each second, and the peers are sent each second of them.
    std::array<double, kSides> idle_cores(std::chrono::seconds time);

  private:
    // A folder of its own in the one of all.
    std::string place(const std::string& name) const;
    void start_agent();
    void start_peers();
    std::array<std::uint64_t, kSides> cpu_ns() const;
    void check_count(std::size_t side, const std::string& expression, std::uint64_t expected,
                     std::chrono::seconds patience);

    const std::string folder_;
    std::unique_ptr<ServerProcess> agent_, victoria_metrics_;
    std::unique_ptr<PrometheusProcess> prometheus_;
    std::unique_ptr<SegmentFleet> fleet_;
    std::unique_ptr<PeerFeed> feed_;
    std::array<std::unique_ptr<HttpClient>, kSides> clients_;
};

// A line on stderr about what goes on.
void say(const std::string& text);

}  // namespace ringside::bench
