// Debian's prometheus as a child process on a free port of loopback.
#pragma once

#include <cstdint>
#include <string>

#include "bench/size/server_process.h"

namespace ringside::bench {

class PrometheusProcess : public ServerProcess {
  public:
    // Keeps its data in `folder`, takes remote writes, and is ready on return. Ends the program when it cannot be.
    PrometheusProcess(const std::string& folder, const std::string& configuration);

    std::string write_url() const { return url("/api/v1/write"); }
    // A value of its own /metrics.
    double metric(const std::string& name) const;
    std::uint64_t series() const { return static_cast<std::uint64_t>(metric("prometheus_tsdb_head_series")); }

  private:
    PrometheusProcess(const std::string& folder, const std::string& configuration, int port);
};

}  // namespace ringside::bench
