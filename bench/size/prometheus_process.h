// Debian's prometheus as a child process on a free port of loopback, and what it takes of the machine.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace ringside::bench {

class PrometheusProcess {
  public:
    // Keeps its data in `folder`, takes remote writes, and is ready on return. Ends the program when it cannot be.
    PrometheusProcess(const std::string& folder, const std::string& configuration);
    ~PrometheusProcess();
    PrometheusProcess(const PrometheusProcess&) = delete;
    PrometheusProcess& operator=(const PrometheusProcess&) = delete;

    std::string write_url() const;
    // A value of its own /metrics.
    double metric(const std::string& name) const;
    std::uint64_t series() const { return static_cast<std::uint64_t>(metric("prometheus_tsdb_head_series")); }
    // Memory that no file backs.
    std::uint64_t private_bytes() const;
    // CPU time of all its threads since it began.
    std::uint64_t cpu_ns() const;

  private:
    int port_;
    pid_t pid_ = -1;
};

}  // namespace ringside::bench
