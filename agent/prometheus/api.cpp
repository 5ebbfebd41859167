#include "agent/prometheus/api.h"

#include <array>
#include <new>

#include "agent/http/pages.h"
#include "agent/prometheus/reply.h"
#include "agent/promql/run/json.h"
#include "agent/promql/run/turn.h"

namespace ringside::agent {

namespace {

using std::chrono::steady_clock;

constexpr std::string_view kLabelPath = "/api/v1/label/", kValues = "/values";

bool is_label_values(std::string_view path) {
    return path.size() > kLabelPath.size() + kValues.size() && path.starts_with(kLabelPath) && path.ends_with(kValues);
}

HttpAnswer reply(std::string_view data) { return finish_reply(begin_reply().append(data)); }

}  // namespace

struct PrometheusApi::Route {
    std::string_view path;
    std::string_view methods;
    Endpoint endpoint;
};

const PrometheusApi::Route* PrometheusApi::find_route(const std::string& path) {
    static constexpr std::string_view kGet = "GET, HEAD, OPTIONS", kForm = "GET, HEAD, POST, OPTIONS";
    static constexpr Route kLabelValues{"", kGet, &PrometheusApi::label_values};
    static constexpr std::array kRoutes = {
        Route{"/api/v1/query", kForm, &PrometheusApi::query},
        Route{"/api/v1/query_range", kForm, &PrometheusApi::query_range},
        Route{"/api/v1/series", kForm, &PrometheusApi::series},
        Route{"/api/v1/labels", kForm, &PrometheusApi::labels},
        Route{"/api/v1/metadata", kGet, &PrometheusApi::metadata},
        Route{"/api/v1/status/buildinfo", kGet, &PrometheusApi::build_info},
        Route{"/api/v1/query_exemplars", kForm, &PrometheusApi::no_exemplars},
        Route{"/api/v1/rules", kGet, &PrometheusApi::no_rules},
        Route{"/api/v1/alerts", kGet, &PrometheusApi::no_alerts},
        Route{"/api/v1/format_query", kForm, &PrometheusApi::format_query},
        Route{"/api/v1/parse_query", kForm, &PrometheusApi::parse_query},
        Route{"/api/v1/read", "POST, OPTIONS", &PrometheusApi::remote_read},
        Route{"/federate", kGet, &PrometheusApi::federate},
    };
    if (is_label_values(path)) return &kLabelValues;
    for (const Route& route : kRoutes) {
        if (route.path == path) return &route;
    }
    return nullptr;
}

bool PrometheusApi::serves(const std::string& path) { return find_route(path) != nullptr; }

HttpAnswer PrometheusApi::answer(const HttpRequest& request, FairPool::Turn& turn) const {
    const Route* route = find_route(request.path);
    if (!route) return http_error(404);
    // As a browser asks before it sends a query from another site: without headers that would allow it, it does not.
    if (request.method == "OPTIONS") return {.status = 204, .headers = {{"Allow", std::string(route->methods)}}};
    const bool known = request.method == "GET" || request.method == "HEAD" || request.method == "POST";
    if (!known || route->methods.find(request.method) == std::string_view::npos) {
        return wrong_method(std::string(route->methods));
    }
    try {
        const HttpForm form(request);
        return (this->*route->endpoint)({request, form, turn, steady_clock::now() + host_.limits.timeout});
    } catch (const std::bad_alloc&) {
        // The largest answers take hundreds of MiB. The agent has more to do than to answer them.
        return error_reply(ErrorType::kInternal, "no memory for this query; ask for fewer series or a larger step");
    }
}

Result<void> PrometheusApi::Call::go_on() const { return agent::go_on(turn, deadline); }

HttpAnswer PrometheusApi::busy() {
    return error_reply(ErrorType::kUnavailable,
                       "too many queries wait already; try again, or let the agent run more with query-concurrency");
}

HttpAnswer PrometheusApi::starting() {
    return error_reply(ErrorType::kUnavailable,
                       "the agent is starting and has not seen all VMs yet; /-/ready says when it has");
}

HttpAnswer PrometheusApi::build_info(const Call&) const {
    std::string data = "{\"version\":";
    append_json(data, std::string_view(options_.version));
    return reply(data + ",\"revision\":\"\",\"branch\":\"\",\"buildUser\":\"\",\"buildDate\":\"\",\"goVersion\":\"\"}");
}

HttpAnswer PrometheusApi::no_exemplars(const Call&) const { return reply("[]"); }
HttpAnswer PrometheusApi::no_rules(const Call&) const { return reply("{\"groups\":[]}"); }
HttpAnswer PrometheusApi::no_alerts(const Call&) const { return reply("{\"alerts\":[]}"); }

}  // namespace ringside::agent
