// The last minutes of VMs that ended badly, kept longer than the archive keeps whole VMs: of each such VM one file with its
// finest tier, cut to the minutes before its end, and one with the host's own signals of the same minutes. Both are archive
// files in a folder and within bounds of their own.
//
// Invariants:
//  B1  What is kept comes from the archive, where it is durable already. So a failure here loses nothing that cannot be
//      tried again, and never holds up the drain that asked.
//  B2  A file that was kept is not written again while the VM has not changed: keep() may be repeated after any crash.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/archive/archived_vm.h"
#include "agent/archive/store.h"
#include "agent/base/metrics.h"

namespace ringside::agent {

// The component under which the host's signals stand beside the files of a VM.
inline constexpr char kHostSignals[] = "host";

struct BlackBoxBounds {
    std::uint64_t span_ns = 300'000'000'000;  // 0: nothing is kept any more; what is there stays and ages
    ArchiveBounds files{std::uint64_t{512} << 20, 90 * 86400};
};

// Whether this end is worth it: any but a close with code 0, and the end of the host itself, which takes all segments.
bool ended_badly(const VmInfo& vm);

// Safe for use by any thread.
class BlackBox {
  public:
    // The living collector of the host's signals; null when there is none.
    using HostSource = std::function<std::shared_ptr<const SeriesSource>()>;

    // `directory` is the black box's own. `fs` must outlive it.
    BlackBox(FileSystem& fs, std::string directory, const BlackBoxBounds& bounds, HostSource host);

    // As ArchiveStore::open().
    Result<void> open() { return files_.open(); }

    // Keeps what `vm` ended with, if it ended badly: durable when it succeeds. The error of the first failure for a VM;
    // it is tried again by maintain(), silently, as long as the archive has the VM.
    Result<void> keep(const std::shared_ptr<const ArchivedVm>& vm, std::uint64_t now_ns);

    // Tries again what failed, then keeps the files within their bounds.
    void maintain(std::uint64_t now_ns);

    // Kept from the next call on.
    void set_bounds(const BlackBoxBounds& bounds);

    // All files, the oldest end first; those of the host's signals have the VM's name and epoch and kHostSignals.
    std::vector<std::shared_ptr<const ArchivedVm>> list() const { return files_.list(); }
    ArchiveStatus status() const { return files_.status(); }

    // Offers ringside_black_box_* metrics. It must outlive the registry's last use.
    void export_to(Metrics& metrics) const;

  private:
    Result<void> write(const ArchivedVm& vm, std::uint64_t now_ns);
    Result<void> write_host(const ArchivedVm& vm, std::uint64_t begin_ns, std::uint64_t now_ns);

    ArchiveStore files_;
    const HostSource host_;

    mutable std::mutex mutex_;  // guards all below
    std::uint64_t span_ns_ = 0;
    std::map<std::string, std::shared_ptr<const ArchivedVm>> waiting_;  // could not be written yet, by key
    std::uint64_t write_errors_ = 0, given_up_ = 0;
};

}  // namespace ringside::agent
