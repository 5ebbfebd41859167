// The core of an upstream, without its thread: reads what is due, rolls it up, has it delivered and
// moves the cursors. See U1 to U5 in upstream.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/upstream/cursor_store.h"
#include "agent/upstream/delivery.h"
#include "agent/upstream/rollup.h"
#include "agent/upstream/vm_tracker.h"

namespace ringside::agent {

// How much of one VM is read ahead at once: catching up reads a source once for many windows, and the
// memory that this takes stays bounded.
inline constexpr std::uint64_t kRunWindowsMax = 32;
inline constexpr std::uint64_t kRunPointsMax = 65'536;  // series x windows

class Pusher {
  public:
    // All of them must outlive it.
    Pusher(const UpstreamOptions& options, VmTracker& tracker, CursorStore& store, Delivery& delivery, Pacer& pacer,
           StatsBoard& stats, const UpstreamEvents& events);

    // Pushes what is due: all VMs that are up to date but for their newest windows, then one batch of
    // those that lag, so that a long backlog never keeps fresh windows waiting for long. Blocks while
    // the receiver cannot be reached.
    struct Round {
        bool more = false;              // there is more to push: call again at once
        bool pending = false;           // something is due, if only later because its source is busy
        std::uint64_t next_due_ns = 0;  // when to call again; UINT64_MAX: nothing known
    };
    Round round();

  private:
    // A stretch of one VM's windows on its way.
    struct Run {
        TrackedVm* vm = nullptr;
        VmRollup rollup;
        std::size_t next_step = 0;
        std::uint64_t until_ns = 0;  // the cursor's place when all steps are acknowledged
        bool final = false;
    };
    // The points of one step within a batch.
    struct Share {
        Run* run = nullptr;
        std::size_t next_point = 0;  // the first that is not answered
        Tally answered;
        std::uint64_t accepted = 0;
        std::vector<Loss> losses;
        const RollupStep& step() const { return run->rollup.steps[run->next_step]; }
    };

    std::size_t push_group(const std::vector<TrackedVm*>& lane, std::size_t first, std::uint64_t now_ns);
    bool read_run(TrackedVm& vm, std::uint64_t now_ns, Run& run);
    void lose_series(const Run& run, const std::vector<std::uint32_t>& series);
    void put_off(TrackedVm& vm, std::uint64_t now_ns, const Error& why);
    void give_up_windows(const Run& run, const Error& why);
    bool push_steps(std::vector<Run>& runs);
    bool push_samples(const std::vector<WireSample>& samples, std::vector<Share>& shares);
    std::size_t batch_end(const std::vector<WireSample>& samples, std::size_t begin) const;
    bool take_answer(std::span<const WireSample> batch, std::vector<Share>::iterator& share);
    void refuse(Share& share, std::uint32_t series, const std::string& reason, std::uint64_t samples);
    void acknowledge(Share& share);
    void finish(Run& run);
    void save();
    void left_out(const char* reason, std::uint64_t series);

    const UpstreamOptions& options_;
    VmTracker& tracker_;
    CursorStore& store_;
    Delivery& delivery_;
    Pacer& pacer_;
    StatsBoard& stats_;
    const UpstreamEvents& events_;
    std::uint64_t pushes_ = 0;
    bool store_fails_ = false;  // said in the log, once until it has passed
};

}  // namespace ringside::agent
