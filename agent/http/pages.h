// The pages of the agent that are there without a query: /metrics, /-/healthy and /-/ready.
#pragma once

#include <functional>
#include <optional>

#include "agent/base/metrics.h"
#include "agent/http/message.h"

namespace ringside::agent {

using HttpPages = std::function<std::optional<HttpAnswer>(const HttpRequest& request)>;

// Nothing for other paths. /metrics is for operators: it tells of the host and of all its users. `metrics` must outlive the
// pages. `ready` is asked at each probe of /-/ready: any thread, no blocking.
HttpPages http_pages(const Metrics& metrics, std::function<bool()> ready);

// 405, saying what is allowed instead: "GET, HEAD".
HttpAnswer wrong_method(const std::string& allowed);

}  // namespace ringside::agent
