// What another Prometheus asks remote read for: a prometheus.ReadRequest in snappy.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/prometheus/parameters.h"

namespace ringside::agent {

// One selection.
struct ReadQuery {
    Period period;
    Selector selector;
    // As the asker means to use it; 0 where it does not say.
    std::int64_t step_ms = 0;
    std::int64_t range_ms = 0;
};

struct RemoteReadRequest {
    std::vector<ReadQuery> queries;
    bool wants_chunks = false;  // rather than samples: the first accepted type that is known
};

// kInvalid: the bytes are no such request, or want an answer of a type that is not known.
Result<RemoteReadRequest> read_remote_read_request(const std::string& packed);

}  // namespace ringside::agent
