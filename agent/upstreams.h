// All upstreams of the agent, each with its own view of the VMs that it still has to push.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/api/backend.h"
#include "agent/audit/report.h"
#include "agent/base/metrics.h"
#include "agent/catalog/catalog.h"
#include "agent/config.h"
#include "agent/upstream/rule_sources.h"
#include "agent/upstream/upstream.h"

namespace ringside::agent {

// All of the catalog's VMs, those that the upstream is done with too: it remembers that it is as long as they are
// listed. Used by the upstream's own thread only.
class CatalogSources : public SourceProvider {
  public:
    explicit CatalogSources(const Catalog& catalog) : catalog_(catalog) {}

    std::vector<UpstreamSource> sources() override;

  private:
    const Catalog& catalog_;
    std::shared_ptr<const CatalogView> view_;  // that sources_ was made from
    std::vector<UpstreamSource> sources_;
};

// The clock of the upstream of this name.
using ClockOf = std::function<Clock&(const std::string& upstream)>;
inline Clock& real_clock(const std::string&) { return Clock::real(); }

class Upstreams {
  public:
    // All must outlive it. `clock` gives each upstream its own, `sender` makes its sender.
    Upstreams(const Catalog& catalog, EventBus& events, ClockOf clock = real_clock,
              FileSystem& files = FileSystem::real(), MakeSender sender = make_sender)
        : catalog_(catalog), events_(events), clock_(std::move(clock)), files_(files), sender_(std::move(sender)) {}

    // Reads the cursors of each. The first error, which names the upstream.
    Result<void> create(const Config& config);
    // Begins to push. Call it when the archive and the first scan are in the catalog.
    void start();
    // Gives each upstream one try, also one that waits after a failed request, all of them together at most
    // `flush_limit`, to push what is due. What is left waits in segments and archive for the next start.
    void stop(std::chrono::milliseconds flush_limit);

    // Any thread, after create().
    void wake();
    // Whether some upstream, or what its rules add up, has not finished with this VM epoch.
    bool needs(const std::string& key) const;
    std::vector<UpstreamPosition> positions(const CatalogVm& vm) const;
    // What each has of the VM of this key, which `source` is, counted again from it.
    std::vector<UpstreamAudit> audit(const std::string& key, const SeriesSource& source) const;
    std::vector<UpstreamReport> reports() const;
    void export_to(Metrics& metrics) const;
    std::size_t count() const { return all_.size(); }

  private:
    struct One {
        explicit One(const Catalog& catalog) : sources(catalog) {}
        CatalogSources sources;
        std::unique_ptr<RuleSources> rules;  // over them; null where the upstream has no rules
        std::unique_ptr<Upstream> upstream;  // last: its thread uses the rest
    };

    UpstreamEvents events_of_one(const std::string& name);
    void publish_pushed(const std::string& name, const std::string& key, std::uint64_t window_end_ns,
                        std::size_t samples);

    const Catalog& catalog_;
    EventBus& events_;
    const ClockOf clock_;
    FileSystem& files_;
    const MakeSender sender_;
    std::vector<std::unique_ptr<One>> all_;
};

}  // namespace ringside::agent
