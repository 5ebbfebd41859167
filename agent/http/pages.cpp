#include "agent/http/pages.h"

#include <utility>

namespace ringside::agent {

HttpAnswer wrong_method(const std::string& allowed) {
    return {.status = 405, .body = "this page answers " + allowed + " only\n", .headers = {{"Allow", allowed}}};
}

HttpPages http_pages(const Metrics& metrics, std::function<bool()> ready) {
    return [&metrics, ready = std::move(ready)](const HttpRequest& request) -> std::optional<HttpAnswer> {
        const bool is_metrics = request.path == "/metrics";
        const bool is_ready = request.path == "/-/ready";
        if (!is_metrics && !is_ready && request.path != "/-/healthy") return std::nullopt;
        if (request.method != "GET" && request.method != "HEAD") return wrong_method("GET, HEAD");
        // They tell of all VMs, and of the host.
        if (is_metrics && !request.caller.is_operator) {
            return HttpAnswer{.status = 403, .body = "only operators of the agent may read its own metrics\n"};
        }
        if (is_metrics)
            return HttpAnswer{.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = metrics.text()};
        if (!is_ready) return HttpAnswer{.body = "healthy\n"};
        if (ready()) return HttpAnswer{.body = "ready\n"};
        return HttpAnswer{.status = 503, .body = "not ready: the first scan of the segments is not over\n"};
    };
}

}  // namespace ringside::agent
