// The agent's VMs as the query API sees them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/labels.h"
#include "agent/catalog/catalog.h"
#include "agent/prometheus/backend.h"

namespace ringside::agent {

class AgentQueries : public QueryBackend {
  public:
    // `catalog` must outlive it.
    AgentQueries(const Catalog& catalog, HostLabels host) : catalog_(catalog), host_(std::move(host)) {}

    std::int64_t now_ms() const override;
    std::unique_ptr<QuerySession> open(const Caller& caller) const override;
    // Of VMs that still have their segment: those of drained ones lie on disk.
    std::map<std::string, std::vector<MetricMetadata>> metadata(const Caller& caller) const override;

  private:
    std::vector<CatalogVmPtr> visible(const Caller& caller) const;
    std::vector<std::string> gaps(const Caller& caller) const;

    const Catalog& catalog_;
    const HostLabels host_;
};

}  // namespace ringside::agent
