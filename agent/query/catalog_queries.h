// The VMs of a catalog as those who answer queries see them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/labels.h"
#include "agent/catalog/catalog.h"
#include "agent/promql/run/backend.h"
#include "agent/query/vm_samples.h"

namespace ringside::agent {

class CatalogQueries : public QueryBackend {
  public:
    // `catalog` must outlive it.
    CatalogQueries(const Catalog& catalog, HostLabels host, std::function<std::uint64_t()> now_ns = realtime_ns)
        : catalog_(catalog), host_(std::move(host)), now_ns_(std::move(now_ns)) {}

    std::int64_t now_ms() const override;
    std::unique_ptr<QuerySession> open(const Caller& caller) const override;
    // Of all VMs that the caller sees, drained ones, too: schemas are in memory, and few. And of what the agent adds.
    std::map<std::string, std::vector<MetricMetadata>> metadata(const Caller& caller) const override;

  private:
    VmList visible(const Caller& caller) const;
    std::vector<std::string> gaps(const Caller& caller) const;

    const Catalog& catalog_;
    const HostLabels host_;
    const std::function<std::uint64_t()> now_ns_;  // CLOCK_REALTIME
};

}  // namespace ringside::agent
