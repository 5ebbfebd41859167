#include "agent/api/http_pages.h"

#include <utility>

namespace ringside::agent {

HttpHandler http_pages(const Metrics& metrics, std::function<bool()> ready) {
    return [&metrics, ready = std::move(ready)](const HttpRequest& request) -> HttpAnswer {
        HttpAnswer answer;
        if (request.path == "/metrics") {
            answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
            answer.body = metrics.text();
        } else if (request.path == "/-/healthy") {
            answer.body = "healthy\n";
        } else if (request.path == "/-/ready") {
            const bool is_ready = ready();
            answer.status = is_ready ? 200 : 503;
            answer.body = is_ready ? "ready\n" : "not ready: the first scan of the segments is not over\n";
        } else {
            answer.status = 404;
            answer.body = "no such page; there are /metrics, /-/healthy and /-/ready\n";
        }
        return answer;
    };
}

}  // namespace ringside::agent
