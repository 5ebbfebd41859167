// The agent without its threads, its sockets and its signals: segments, catalog, archive, drain, admissions and upstreams
// wired together. The agent runs it from its threads; a simulation steps it by calls.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "agent/admission_keeper.h"
#include "agent/archive/black_box.h"
#include "agent/archive/store.h"
#include "agent/base/file.h"
#include "agent/base/metrics.h"
#include "agent/catalog/catalog.h"
#include "agent/config.h"
#include "agent/drain/drain.h"
#include "agent/host_signals.h"
#include "agent/scanner.h"
#include "agent/segment_drain.h"
#include "agent/upstreams.h"

namespace ringside::agent {

// What the core meets the world through, apart from the folder of segments and realtime_ns(). The defaults are the real
// ones. All of it must outlive the core.
struct Outside {
    FileSystem& files = FileSystem::real();
    ClockOf clock = real_clock;
    MakeSender sender = make_sender;
    // What stands between the drain and the segments; empty: nothing.
    std::function<std::unique_ptr<DrainHost>(DrainHost& segments)> drain_host = {};
};

// The parts are in the order in which they need each other; each has its own lock, and says which thread may call it.
struct Core {
    // `dead_waiting` is called from the thread that scans when a VM is ready to be drained; it must not block.
    Core(const Config& config, const ScanLimits& limits, SegmentDirectory folder, std::function<void()> dead_waiting,
         const Outside& outside = {});
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    // Reads what earlier runs have left: archive, admissions, cursors. An archive that cannot be read is logged, and dead
    // VMs wait in their segments; any other failure is the error.
    Result<void> open();
    // The thread that drains: drains dead VMs that are due, then keeps the archive within its bounds when something was
    // drained or a minute has passed. The number of attempts.
    std::size_t drain_dead();
    // What is in the archive is told to the catalog, and what has to go is removed from both; then the black box.
    void maintain_archive();
    // Takes from `config` and `limits` what can change while the agent runs.
    void reload(const Config& config, const ScanLimits& limits);

    const Config config;
    Metrics metrics;
    EventBus events;
    Catalog catalog;
    HostSignals host_signals;
    ArchiveStore archive;
    BlackBox black_box;
    Scanner scanner;
    SegmentDrain segment_drain;
    const std::unique_ptr<DrainHost> drain_host;  // null: segment_drain is
    Drain drain;
    AdmissionKeeper admissions;
    Upstreams upstreams;

  private:
    std::uint64_t next_maintenance_ns_ = 0;  // monotonic
};

}  // namespace ringside::agent
