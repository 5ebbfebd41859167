// Finds the living segment in which the host's collector records the host's own signals.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "agent/base/model.h"
#include "agent/catalog/catalog.h"

namespace ringside::agent {

// Any thread.
class HostSignals {
  public:
    // `catalog` must outlive it.
    explicit HostSignals(const Catalog& catalog) : catalog_(catalog) {}

    // Null when there is none. Looks through all VMs once a second at most: many ask at once when many VMs die.
    std::shared_ptr<const SeriesSource> find();

  private:
    const Catalog& catalog_;
    std::mutex mutex_;                // guards all below
    std::string key_;                 // of the one found last
    std::uint64_t next_look_ns_ = 0;  // monotonic
};

}  // namespace ringside::agent
