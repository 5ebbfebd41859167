// The agent's own metrics that no part of it counts for itself: what the catalog holds, and the process.
#pragma once

#include "agent/base/metrics.h"
#include "agent/catalog/catalog.h"

namespace ringside::agent {

// All must outlive the registry's last use.
void export_own_metrics(Metrics& metrics, Catalog& catalog, const EventBus& events);

}  // namespace ringside::agent
