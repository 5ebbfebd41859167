// The pages that the agent serves over HTTP: /metrics, /-/healthy and /-/ready.
#pragma once

#include <functional>

#include "agent/api/http_codec.h"
#include "agent/base/metrics.h"

namespace ringside::agent {

// `metrics` must outlive the handler. `ready` is asked at each probe of /-/ready: any thread, no blocking.
HttpHandler http_pages(const Metrics& metrics, std::function<bool()> ready);

}  // namespace ringside::agent
