// The HTTP API of Prometheus, as far as Grafana, promtool and other Prometheus servers ask for it: /api/v1/... and /federate.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "agent/base/fair_pool.h"
#include "agent/http/form.h"
#include "agent/http/message.h"
#include "agent/http/server.h"
#include "agent/prometheus/backend.h"
#include "agent/prometheus/long_queries.h"
#include "agent/prometheus/sample_budget.h"

namespace ringside::agent {

struct QueryOptions {
    std::chrono::milliseconds timeout{30'000};  // of a query; one that asks for less gets less
    std::uint64_t samples_max = 5'000'000;      // of a query, in memory at once; of all queries, twice as many
    std::int64_t lookback_ms = 5 * 60 * 1000;
    std::size_t answer_bytes_max = 64 * 1024 * 1024;
    bool experimental = false;  // functions and modifiers that Prometheus hides behind feature flags
    std::string version;        // of the agent
};

// Any thread, several at a time.
class PrometheusApi {
  public:
    // `backend` must outlive it.
    PrometheusApi(QueryOptions options, const QueryBackend& backend)
        : options_(std::move(options)), backend_(backend), budget_(2 * options_.samples_max) {}

    static bool serves(const std::string& path);
    // Ends early when its turn or its time is over.
    HttpAnswer answer(const HttpRequest& request, FairPool::Turn& turn) const;
    // To who comes while all places are taken.
    static HttpAnswer busy();
    // To who comes before there is anything to ask about.
    static HttpAnswer starting();

  private:
    struct Call;
    using Endpoint = HttpAnswer (PrometheusApi::*)(const Call& call) const;
    struct Route;
    static const Route* find_route(const std::string& path);

    // query.cpp
    HttpAnswer query(const Call& call) const;
    HttpAnswer query_range(const Call& call) const;
    HttpAnswer format_query(const Call& call) const;
    HttpAnswer parse_query(const Call& call) const;
    // series.cpp
    HttpAnswer series(const Call& call) const;
    HttpAnswer labels(const Call& call) const;
    HttpAnswer label_values(const Call& call) const;
    HttpAnswer metadata(const Call& call) const;
    // federate.cpp
    HttpAnswer federate(const Call& call) const;
    // remote_read.cpp
    HttpAnswer remote_read(const Call& call) const;
    // What Grafana looks for when it starts.
    HttpAnswer build_info(const Call& call) const;
    HttpAnswer no_exemplars(const Call& call) const;
    HttpAnswer no_rules(const Call& call) const;
    HttpAnswer no_alerts(const Call& call) const;

    const QueryOptions options_;
    const QueryBackend& backend_;
    mutable SampleBudget budget_;
    mutable LongQueries long_queries_;
};

// What is asked, ready for an endpoint.
struct PrometheusApi::Call {
    const HttpRequest& request;
    const HttpForm& form;
    FairPool::Turn& turn;
    FairPool::Time deadline;  // for all of it; a query may have one before that

    // To be asked often. kUnavailable or kTimeout.
    Result<void> go_on() const;
};

}  // namespace ringside::agent
