// A fleet of VMs that the real upstream pushes: counters that grow, in windows of any resolution, made up as they are read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/upstream/source.h"

namespace ringside::bench {

struct FleetSize {
    std::uint32_t vms = 0;
    std::uint32_t series = 0;  // of each VM
    std::uint32_t resolution_s = 0;
    std::uint64_t begin_ns = 0;  // a window's end
    std::uint64_t windows = 0;   // after it
};

class Fleet : public agent::SourceProvider {
  public:
    explicit Fleet(const FleetSize& size);
    std::vector<agent::UpstreamSource> sources() override { return sources_; }

  private:
    std::vector<agent::UpstreamSource> sources_;
};

}  // namespace ringside::bench
