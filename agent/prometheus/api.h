// The HTTP API of Prometheus, as far as Grafana, promtool and other Prometheus servers ask for it: /api/v1/... and /federate.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "agent/base/fair_pool.h"
#include "agent/http/form.h"
#include "agent/http/message.h"
#include "agent/http/server.h"
#include "agent/promql/run/host.h"
#include "agent/promql/run/run.h"

namespace ringside::agent {

struct PrometheusOptions {
    std::string version;  // of the agent
    std::size_t answer_bytes_max = 64 * 1024 * 1024;
};

// Any thread, several at a time.
class PrometheusApi {
  public:
    // `host` must outlive it, and its pool is the one that turns are of.
    PrometheusApi(PrometheusOptions options, QueryHost& host) : options_(std::move(options)), host_(host) {}

    static bool serves(const std::string& path);
    // Ends early when its turn or its time is over.
    HttpAnswer answer(const HttpRequest& request, FairPool::Turn& turn) const;
    // What the answer is going to take, if it is a query that was asked before. Quick.
    std::optional<FairPool::Expected> expected(const HttpRequest& request) const;
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
    HttpAnswer evaluate(const Call& call, const promql::Expr& expr, const Query& query,
                        std::chrono::milliseconds timeout, std::size_t limit) const;
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

    const PrometheusOptions options_;
    QueryHost& host_;
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
