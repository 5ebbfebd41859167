// An upstream's VMs, and beside them what its recording rules make of all VMs, as one more source.
//
// A window of the rules is computed when it cannot change any more, saved, and only then handed out: so a crash neither
// repeats nor loses an increase, and a window that is pushed again is the same. Where the state is damaged, or the
// rules have been changed, or the clock was ahead and has been set back, the series start anew at zero, with a new epoch.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "agent/base/file.h"
#include "agent/upstream/clock.h"
#include "agent/upstream/options.h"
#include "agent/upstream/rule_totals.h"
#include "agent/upstream/source.h"

namespace ringside::agent {

class RuleSources : public SourceProvider {
  public:
    using Log = std::function<void(bool warning, const std::string& text)>;

    // `options` are checked and have rules; the state is <name>.rules in their state directory. All must outlive it.
    RuleSources(const UpstreamOptions& options, SourceProvider& vms, FileSystem& files, Clock& clock, Log log);

    // Computes a window that is due, then lists the VMs and the source of the rules. A state that cannot be saved is tried again
    // at the next call; until then the rules stand still.
    std::vector<UpstreamSource> sources() override;

    // Any thread. Whether the VM's last increase is not in a window that has been saved yet.
    bool needs(const std::string& key) const;
    RuleStats stats() const;

  private:
    bool begin(std::uint64_t now_ns);
    void begin_with(RuleState state);
    RuleState anew(std::uint64_t now_ns) const;
    std::uint64_t closed_ns(std::uint64_t now_ns) const;
    bool save();

    const std::vector<Rule> rules_;
    const std::string path_;
    const std::uint32_t resolution_s_;
    const std::uint64_t hash_;  // of the rules: whose state it is
    const std::uint64_t grace_ns_;
    SourceProvider& vms_;
    FileSystem& files_;
    Clock& clock_;
    const Log log_;
    std::unique_ptr<RuleTotals> totals_;  // once begun
    std::shared_ptr<const SeriesSource> made_;
    bool unsaved_ = false;
    bool read_fails_ = false, save_fails_ = false;  // said in the log, once until it has passed
    mutable std::mutex mutex_;
    // Under mutex_, as of the last state that was saved.
    RuleStats stats_;
    std::unordered_set<std::string> done_;
};

}  // namespace ringside::agent
