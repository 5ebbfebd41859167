// Sends the workload to the peers by remote write, as the samples that a scrape of each VM in each second would have had.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/query/workload.h"

namespace ringside::bench {

class PeerFeed {
  public:
    // `end_s` as in SegmentFleet. `ports` are those of servers that take /api/v1/write on loopback.
    PeerFeed(std::uint32_t vms, std::uint64_t end_s, std::vector<int> ports);

    // kDataSeconds of all VMs. Returns how many samples of m each server was sent.
    std::uint64_t fill();
    // The next second of all VMs, at `time_s`.
    void send_second(std::uint64_t time_s);

  private:
    void fill_some(std::uint32_t first, std::uint32_t step);

    const std::uint64_t end_s_;
    const std::vector<int> ports_;
    std::vector<VmTotals> vms_;
    std::uint64_t second_ = 0;
};

}  // namespace ringside::bench
