// Which VM epochs there are, how far each has been pushed, and which of them may be pushed now.
// Reads sources and the clock's value that it is given; sends nothing.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "agent/upstream/cursor_store.h"
#include "agent/upstream/options.h"
#include "agent/upstream/rollup_plans.h"
#include "agent/upstream/source.h"
#include "agent/upstream/stats.h"

namespace ringside::agent {

// A cursor whose VM has not been listed for so long, with windows left to push, is given up.
inline constexpr std::uint64_t kGoneAfterNs = std::uint64_t{3600} * 1'000'000'000;
// A source that cannot be read now is asked again after this long, then after twice as long, and so on
// up to this many doublings. The log says so after this many tries.
inline constexpr std::uint64_t kBusyPauseNs = 200'000'000;
inline constexpr std::uint32_t kBusyDoublingsMax = 6;
inline constexpr std::uint32_t kBusyTriesQuiet = 10;

struct TrackedVm {
    std::string key;
    std::shared_ptr<const SeriesSource> source;
    VmInfo vm;  // as of the last refresh
    std::shared_ptr<const RollupPlans> plans;
    std::shared_ptr<const RollupPlan> plan;  // of them, for the VM as of the last refresh
    // Positioned: acked_ns is a window's end (or the VM's true end) and not 0.
    Cursor cursor;
    std::uint64_t closed_ns = 0;      // end of the newest window that may be pushed; 0: not known
    std::uint64_t served = 0;         // when it was last pushed, as a count of pushes
    std::uint64_t not_before_ns = 0;  // its source is busy
    std::uint32_t busy_tries = 0;
    std::uint64_t second_time_ns = 0;  // until when the clock shows time that has been pushed, and that has been told
    bool blocked = false;              // an earlier life of the VM has to end first
    bool lost = false;                 // its windows cannot be read, and the log has said so
    bool made = false;                 // no VM: see UpstreamSource
};

// What is to be pushed of one VM at one time.
struct DueWindows {
    std::uint64_t until_ns = 0;  // newest closed window; not before the cursor
    std::uint64_t windows = 0;   // closed ones after the cursor
    bool final = false;          // the VM's end comes after them
    bool any() const { return windows > 0 || final; }
};

// Up to when it is known what the VM has recorded: windows that end later are not over. UINT64_MAX: up to now.
std::uint64_t closed_until_ns(const VmInfo& vm);

class VmTracker {
  public:
    VmTracker(const UpstreamOptions& options, SourceProvider& provider, CursorStore& store, StatsBoard& stats,
              const UpstreamEvents& events);

    // Lists the sources, takes in new ones, forgets what is over.
    void refresh(std::uint64_t now_ns);

    // Finds the VMs that have to wait for an earlier life of theirs. Part of a refresh; on its own after
    // lives have ended.
    void order_lives(std::uint64_t now_ns);

    DueWindows due(const TrackedVm& vm, std::uint64_t now_ns) const;
    // VMs with something due that may be pushed now: those that are up to date but for the newest
    // windows, and those that lag, longest unserved first. Valid until the next refresh.
    struct Lanes {
        std::vector<TrackedVm*> fresh, backlog;
    };
    Lanes lanes(std::uint64_t now_ns);
    // When the next of the windows known now will be due; UINT64_MAX: none.
    std::uint64_t next_due_ns(std::uint64_t now_ns) const;
    // Whether anything is due, be its source busy or not.
    bool any_due(std::uint64_t now_ns) const;
    // Works out how far behind each VM is, and publishes that.
    void update_backlog(std::uint64_t now_ns);

    // Takes the VM's cursor into the store (the caller saves).
    void moved(TrackedVm& vm);
    // It is done: the store knows, and so does the owner.
    void finished(TrackedVm& vm);

    // Any thread, from the construction on: what the stored cursors say is known at once. Of an epoch that is not known:
    // nothing is done.
    Progress progress(const std::string& key) const;

  private:
    using Chain = std::vector<TrackedVm*>;

    void take_in(UpstreamSource& source, std::uint64_t now_ns);
    static bool may_have_left_as_usual(const TrackedVm& vm);
    void position(TrackedVm& vm, std::uint64_t now_ns, bool first_sight);
    void position_future(TrackedVm& vm, std::uint64_t now_ns, bool first_sight);
    void note_second_time(TrackedVm& vm, std::uint64_t now_ns);
    void tell_at_once(TrackedVm& vm);
    bool given_up(TrackedVm& vm, std::uint64_t now_ns);
    void skip_to(TrackedVm& vm, std::uint64_t oldest_ns, const char* reason);
    void order_chain(Chain& chain, std::uint64_t now_ns);
    void take_over(TrackedVm& earlier);
    void set_floor(TrackedVm& vm, std::uint64_t now_ns) const;
    void collect_garbage(std::uint64_t now_ns);
    void forget_the_forgotten();
    void set_progress(const std::string& key, const Progress& progress);
    void set_lag(const TrackedVm& vm);
    std::shared_ptr<const RollupPlans> plans_of(std::shared_ptr<const SchemaInfo> schema, bool made);
    void drop_windows(const TrackedVm& vm, const char* reason, std::uint64_t until_ns, std::uint64_t count);

    const UpstreamOptions& options_;
    const std::uint64_t shape_;
    SourceProvider& provider_;
    CursorStore& store_;
    StatsBoard& stats_;
    const UpstreamEvents& events_;

    std::map<std::string, TrackedVm> vms_;    // not done, by key
    std::unordered_set<std::string> listed_;  // keys of the last refresh
    std::unordered_map<std::string, std::uint64_t> missing_since_ns_;
    // By VM (vm_id and component): the newest sample that any of its lives has sent.
    std::unordered_map<std::string, std::int64_t> newest_ms_;
    std::unordered_map<std::uint64_t, std::vector<std::shared_ptr<const RollupPlans>>> plans_;
    std::vector<std::shared_ptr<const RollupPlans>> plans_of_made_;
    std::uint64_t next_garbage_ns_ = 0;

    // Of every epoch that is stored or listed: what decides whether an epoch is done. A cursor says so for the next run.
    mutable std::mutex progress_mutex_;
    std::unordered_map<std::string, Progress> progress_;  // under progress_mutex_
};

}  // namespace ringside::agent
