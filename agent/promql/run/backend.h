// What those who answer queries ask of the agent.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/caller.h"
#include "agent/promql/engine/source.h"

namespace ringside::agent {

// What one selector of a query has read.
struct ReadReport {
    std::string selector;
    std::map<std::uint32_t, std::uint64_t> series_by_resolution_s;
    std::uint32_t columns = 0;  // bits of model.h, of all its series together
    std::uint64_t windows = 0;
    std::uint64_t bytes = 0;
    std::int64_t newest_ms = 0;  // 0: nothing was read
};

// The series of one query. One thread.
class QuerySession {
  public:
    virtual ~QuerySession() = default;

    virtual promql::SampleSource& source() = 0;
    // `call` is called before it waits for a disk.
    virtual void before_waiting(std::function<void()> /*call*/) {}
    // What is missing in all answers of this session: "vm-7 is in quarantine".
    virtual std::vector<std::string> warnings() const { return {}; }
    virtual std::vector<ReadReport> reports() const { return {}; }  // of its selections so far
};

struct MetricMetadata {
    std::string type;  // counter, gauge, histogram
    std::string help;
    std::string unit;
    auto operator<=>(const MetricMetadata&) const = default;
};

// Any thread, several at a time.
class QueryBackend {
  public:
    virtual ~QueryBackend() = default;

    virtual std::int64_t now_ms() const = 0;
    // What this caller may see, as of now.
    virtual std::unique_ptr<QuerySession> open(const Caller& caller) const = 0;
    // By the name of the metric, each reading of it once.
    virtual std::map<std::string, std::vector<MetricMetadata>> metadata(const Caller& caller) const = 0;
};

}  // namespace ringside::agent
