// What all who take queries share, so that the limits hold for HTTP and gRPC together.
#pragma once

#include <chrono>
#include <cstdint>

#include "agent/base/fair_pool.h"
#include "agent/promql/run/backend.h"
#include "agent/promql/run/query_costs.h"
#include "agent/promql/run/sample_budget.h"

namespace ringside::agent {

struct QueryLimits {
    std::chrono::milliseconds timeout{30'000};  // of a query; one that asks for less gets less
    std::uint64_t samples_max = 5'000'000;      // of a query, in memory at once; of all queries, twice as many
    std::int64_t lookback_ms = 5 * 60 * 1000;
    bool experimental = false;  // functions and modifiers that Prometheus hides behind feature flags
};

// Any thread. Outlives those who take queries.
struct QueryHost {
    // `query_backend` must outlive it.
    QueryHost(const QueryBackend& query_backend, const QueryLimits& query_limits, const FairPool::Limits& pool_limits)
        : backend(query_backend), limits(query_limits), budget(2 * query_limits.samples_max), pool(pool_limits) {}

    const QueryBackend& backend;
    const QueryLimits limits;
    SampleBudget budget;
    QueryCosts costs;
    FairPool pool;  // where queries are evaluated; the last one, as its jobs use the others
};

}  // namespace ringside::agent
