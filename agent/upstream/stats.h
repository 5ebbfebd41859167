// What one upstream counts of itself. Everything that does not reach the receiver is in one of the
// maps, under the reason.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace ringside::agent {

struct UpstreamStats {
    // Acknowledged by the receiver.
    std::uint64_t samples_sent = 0;
    std::uint64_t windows_sent = 0;  // of one VM each
    std::uint64_t batches_sent = 0;
    std::uint64_t bytes_sent = 0;  // compressed bodies of acknowledged requests

    std::uint64_t requests = 0;  // attempts, whatever came of them
    std::uint64_t retries = 0;   // of them, repeats of a request after an error that may pass

    // Samples that the receiver refused for good, by answer ("http_400"), or that it did not take before they were
    // over backlog_max ("too_old").
    std::map<std::string, std::uint64_t> samples_refused;
    // Windows of one VM that were never sent: "too_old" (over backlog_max), "lapped" (the ring had
    // them no more), "overlap" (another life of the VM has the series at that time), "read_failed" (no
    // series of the VM can be read, for good). And those that were sent before the clock was set back into them: "clock_step".
    std::map<std::string, std::uint64_t> windows_dropped;
    // Series of one VM left out of a window: "read_failed", "duplicate" (same labels once the agent's
    // own are in place), "name_taken" (its rollup would carry another metric's name),
    // "bad_name" (relabeling made no metric's name of its own).
    std::map<std::string, std::uint64_t> series_left_out;

    std::uint64_t cursor_write_failures = 0;
    std::uint64_t cursor_records_damaged = 0;  // found at start
    std::uint64_t cursor_resets = 0;           // cursors that pointed into the future

    std::uint64_t vms_gone = 0;                  // vanished before their end was pushed
    std::uint64_t vms = 0;                       // epochs listed and not done
    bool looked = false;                         // at the VMs: the two that follow are known
    std::uint64_t backlog_windows = 0;           // closed windows not acknowledged, of all VMs
    std::uint64_t oldest_unacknowledged_ns = 0;  // end of the oldest of them; 0: none
    std::uint64_t last_success_ns = 0;           // of the newest acknowledgement; 0: never
    std::string last_error;                      // of the newest failed attempt
    std::uint64_t last_error_ns = 0;             // when it ended; 0: none failed
};

// Stats that one thread changes and any thread reads.
class StatsBoard {
  public:
    template <typename Change>
    void update(Change change) {
        std::lock_guard lock(mutex_);
        change(stats_);
    }
    UpstreamStats snapshot() const {
        std::lock_guard lock(mutex_);
        return stats_;
    }

  private:
    mutable std::mutex mutex_;
    UpstreamStats stats_;  // under mutex_
};

}  // namespace ringside::agent
