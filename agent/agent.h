// The agent put together: every part, every thread, and the order in which they start and stop.
//
// Threads: one scans (ScanLoop), one drains and keeps the archive within its bounds, one an upstream, and those of
// the API and of HTTP. They meet in the catalog, the drain's list of jobs and the archive, each of which has its own
// lock; no thread waits for another one while it holds a lock.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/agent_backend.h"
#include "agent/config.h"
#include "agent/core.h"
#include "agent/descriptors.h"
#include "agent/folder.h"
#include "agent/promql/run/host.h"
#include "agent/query/catalog_queries.h"
#include "agent/scan_loop.h"

namespace ringside::agent {

class ApiServer;
class HttpServer;
class PrometheusApi;

class Agent {
  public:
    // Starts everything; on return the first scan is over and the API answers. An error names what could not be
    // started and the next step; whatever had been started is stopped again.
    static Result<std::unique_ptr<Agent>> start(const Config& config);
    ~Agent();  // stops
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;

    // Takes what can change without a restart (Option::live) from `config`. The rest stays as it was.
    void reload(const Config& config);
    // Finishes the drain in hand and ends every thread. What is not drained or pushed yet is found again at the next
    // start. Idempotent.
    void stop();

    // False when a thread has not come round for so long that only a restart helps.
    bool healthy() const;
    // One line for people: "3 running, 1 exited, 12 drained, 0 quarantined".
    std::string status() const;

  private:
    Agent(const Config& config, const DescriptorShares& descriptors, StateLock lock, SegmentDirectory folder);

    Result<void> serve();
    Result<void> serve_http();
    void dead_waiting();
    void drain_loop();
    void export_metrics();

    const Config config_;
    const DescriptorShares descriptors_;
    const StateLock lock_;
    Core core_;
    ScanLoop scan_;
    AgentBackend backend_;
    CatalogQueries queries_;
    QueryHost query_host_;
    std::unique_ptr<ApiServer> api_;
    std::unique_ptr<PrometheusApi> query_api_;
    std::unique_ptr<HttpServer> http_;  // uses the two above

    std::mutex drain_mutex_;
    std::condition_variable drain_wanted_;
    bool dead_waiting_ = false;  // guarded by drain_mutex_
    bool stopping_ = false;      // guarded by drain_mutex_
    std::thread drain_thread_;
};

}  // namespace ringside::agent
