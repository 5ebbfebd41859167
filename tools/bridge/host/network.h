// /proc/net/dev, and what /sys/class/net says about the same interfaces.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/bridge/device_table.h"
#include "tools/bridge/host/device_filter.h"
#include "tools/bridge/source.h"

namespace ringside::bridge {

// In the order of a line of /proc/net/dev: eight of each direction.
inline constexpr std::size_t kNetworkFields = 16;
struct NetworkStats {
    std::string_view interface;
    std::array<std::uint64_t, kNetworkFields> fields;
};

// Replaces what is in `out` and returns how many lines made no sense. Views point into `text`.
std::size_t parse_net_dev(std::string_view text, std::vector<NetworkStats>& out);

class NetworkSource : public Source {
  public:
    NetworkSource(const std::string& proc, const std::string& sys, DeviceFilter filter)
        : path_(proc + "/net/dev"), sys_(sys + "/class/net/"), filter_(std::move(filter)) {}
    std::string_view name() const override { return "net_dev"; }
    ReadResult read() override;
    void record(Recorder& recorder) override;

    // Interfaces of the last read that are not ignored.
    std::size_t device_count() const { return stats_.size(); }

  private:
    struct Link {
        std::optional<double> up, mtu_bytes, speed_bytes;
    };
    struct Interface {
        std::array<Total, kNetworkFields> totals;
        std::optional<Reading> up, mtu_bytes, speed_bytes;
    };
    Link read_link(std::string_view interface);
    std::optional<std::int64_t> read_link_number(const std::string& folder, const char* file);

    std::string path_, sys_;
    DeviceFilter filter_;
    FileReader file_, link_file_;
    std::vector<NetworkStats> stats_;
    std::vector<Link> links_;  // beside stats_
    DeviceTable<Interface> interfaces_;
};

}  // namespace ringside::bridge
