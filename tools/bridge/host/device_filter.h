// Which disks and interfaces are left alone: shell patterns, as in *.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ringside::bridge {

class DeviceFilter {
  public:
    explicit DeviceFilter(std::vector<std::string> ignored) : ignored_(std::move(ignored)) {}
    bool ignores(std::string_view device) const;

  private:
    std::vector<std::string> ignored_;
};

// What holds no data of its own: RAM disks, loop devices, floppies, and partitions, whose requests the disk counts.
std::vector<std::string> default_ignored_disks();

// The loopback, and what comes and goes with VMs and containers: a segment's room is fixed at start, and their traffic
// belongs to their own segments.
std::vector<std::string> default_ignored_interfaces();

}  // namespace ringside::bridge
