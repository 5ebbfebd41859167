// Processes that have the segments of many VMs, ten each: the agent looks at the mappings of every VM's process, and those of
// one process with all of them would be a cost that no host has.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace ringside::bench {

class SegmentFleet {
  public:
    // Makes segments of `vms` VMs in `directory`, each with kDataSeconds of the workload, the last of which ends at the second
    // `end_s` (Unix time). On return all are there. Nothing is recorded any more until go_on().
    SegmentFleet(const std::string& directory, std::uint32_t vms, std::uint64_t end_s);
    ~SegmentFleet();
    SegmentFleet(const SegmentFleet&) = delete;
    SegmentFleet& operator=(const SegmentFleet&) = delete;

    std::uint32_t vms() const { return vms_; }
    std::uint64_t end_s() const { return end_s_; }
    // From now on every VM records each second, by the clock.
    void go_on();

  private:
    std::uint32_t vms_;
    std::uint64_t end_s_;
    pid_t pid_ = -1;  // the parent of all
    int orders_ = -1;
};

}  // namespace ringside::bench
