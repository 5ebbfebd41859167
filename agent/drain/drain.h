// Drains dead VMs: from a segment without a writer to an archive file that everybody reads, and a segment that is gone.
//
// Invariants:
//  N1  A segment is unlinked only after store.add() gave back a file of that VM, checked whole and durable.
//  N2  An attempt begins at the first step. Nothing that an attempt needs lives in memory only, so a crash between any
//      two system calls costs repeated work and nothing else.
//  N3  A VM that fails waits for its own time. It never delays another one by more than one attempt, and fails no other
//      of its batch.
//  N4  At most one thread works on a VM at a time.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "agent/archive/store.h"
#include "agent/base/metrics.h"
#include "agent/drain/host.h"

namespace ringside::agent {

struct DrainOptions {
    // Attempts that are made side by side, so that their files become durable together; what comes in between waits for
    // all of them.
    std::size_t max_per_tick = 24;
    std::uint64_t retry_min_ns = 1'000'000'000;  // after the first failure, doubled after each further one
    std::uint64_t retry_max_ns = 60'000'000'000;
};

// A time as the drain needs it: to write down, and to wait by.
struct DrainTime {
    std::uint64_t realtime_ns = 0;
    std::uint64_t monotonic_ns = 0;
};

struct PendingDrain {
    std::string key;
    bool running = false;
    std::uint64_t attempts = 0;  // failed so far
    DrainStep failed_at = DrainStep::kFinalise;
    Error last_error;               // empty context before the first failure
    std::uint64_t next_try_ns = 0;  // monotonic
};

inline constexpr std::size_t kDrainSteps = 5;  // kDone left out

struct DrainStatus {
    std::uint64_t pending = 0;
    std::uint64_t retrying = 0;  // of them, after a failure
    // Since start:
    std::array<std::uint64_t, kExitCauses> drained{};   // by ExitCause
    std::array<std::uint64_t, kDrainSteps> failures{};  // by the step that failed
    std::uint64_t given_up = 0;  // the segment is in quarantine, or vanished before it was archived
};

// Safe for use by any thread. Calls of the host and of the store happen without a lock held.
class Drain {
  public:
    // `store` and `host` must outlive the drain.
    Drain(DrainOptions options, ArchiveStore& store, DrainHost& host);

    // The VM of this key is dead: drain it from the next tick on. A second time changes nothing.
    void submit(const std::string& key);

    // Makes up to max_per_tick attempts whose time has come, the longest waiting first, each step for all of them before
    // the next one. The number made.
    std::size_t tick(const DrainTime& now);

    // One attempt now, whatever is due, on the caller's thread; waits for an attempt that is running elsewhere. When it
    // fails the VM stays pending. A VM that is in the archive already and was not submitted is given as it is.
    Result<std::shared_ptr<const ArchivedVm>> drain_now(const std::string& key, const DrainTime& now);

    // Later ticks do nothing. What is pending is found again at the next start.
    void stop();

    DrainStatus status() const;
    std::vector<PendingDrain> pending() const;  // by key
    // Offers status() as ringside_drain_* metrics. The drain must outlive the registry's last use.
    void export_to(Metrics& metrics) const;

  private:
    struct Job {
        bool running = false;
        std::uint64_t sequence = 0;  // of submission: the order among those that wait equally long
        std::uint64_t attempts = 0;
        DrainStep failed_at = DrainStep::kFinalise;
        Error last_error;
        std::uint64_t next_try_ns = 0;
    };
    using Turn = std::tuple<std::uint64_t, std::uint64_t, std::string>;  // next_try_ns, sequence, key
    using Archived = std::shared_ptr<const ArchivedVm>;

    // One VM's way through the steps, as far as it came.
    struct Attempt {
        std::string key;
        DrainStep step = DrainStep::kFinalise;  // the next one, or that which failed
        Result<void> result;
        FinalisedVm finalised;
        Archived archived;
        bool given_up = false;
    };
    using Batch = std::vector<Attempt>;

    Attempt start(const std::string& key, Job* job);
    void wait(const std::string& key, Job* job, std::uint64_t next_try_ns);
    void run(Batch* batch, const DrainTime& now);
    static std::vector<Attempt*> at(DrainStep step, Batch* batch);
    static void pass(Attempt* attempt, Result<void> result);
    void finalise(Attempt* attempt);
    void archive(const std::vector<Attempt*>& attempts, std::uint64_t realtime_ns);
    void keep_black_box(const std::vector<Attempt*>& attempts);
    void finish(Attempt* attempt, const DrainTime& now);
    void settle(Attempt* attempt, const DrainTime& now);

    const DrainOptions options_;
    ArchiveStore& store_;
    DrainHost& host_;

    mutable std::mutex mutex_;      // guards all below
    std::condition_variable idle_;  // a job stopped running
    std::map<std::string, Job> jobs_;
    std::set<Turn> turns_;        // of all jobs that do not run, the next one first
    std::uint64_t retrying_ = 0;  // jobs that have failed
    std::uint64_t submitted_ = 0;
    bool stopping_ = false;
    DrainStatus status_;
};

}  // namespace ringside::agent
