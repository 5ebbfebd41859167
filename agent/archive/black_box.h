// The last minutes of VMs that ended badly, kept longer than the archive keeps whole VMs: of each such VM one file with its
// finest tier, cut to the minutes before its end, and one with the host's own signals of the same minutes. Both are archive
// files in a folder and within bounds of their own.
//
// Invariants:
//  B1  What is kept comes from the archive, where it is durable already. Nothing here is remembered but in the files: who
//      asked asks again until it has succeeded, or until can_be_kept() says that it never will.
//  B2  A file that was kept is not written again while the VM has not changed: keep() may be repeated after any crash.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
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

// Whether keep() that failed with this may succeed another time.
bool can_be_kept(const Error& error);

// Safe for use by any thread.
class BlackBox {
  public:
    // The living collector of the host's signals; null when there is none.
    using HostSource = std::function<std::shared_ptr<const SeriesSource>()>;

    // `directory` is the black box's own. `fs` must outlive it.
    BlackBox(FileSystem& fs, std::string directory, const BlackBoxBounds& bounds, HostSource host);

    // As ArchiveStore::open().
    Result<void> open() { return files_.open(); }

    // Keeps what each of `vms` ended with, if it ended badly: durable where it succeeds. The results are in the order of
    // the VMs, and what fails for one costs no other.
    std::vector<Result<void>> keep(const std::vector<std::shared_ptr<const ArchivedVm>>& vms, std::uint64_t now_ns);

    // Keeps the files within their bounds.
    void maintain(std::uint64_t now_ns) { files_.maintain(now_ns, {}); }

    // Kept from the next call on.
    void set_bounds(const BlackBoxBounds& bounds);

    // All files, the oldest end first; those of the host's signals have the VM's name and epoch and kHostSignals.
    std::vector<std::shared_ptr<const ArchivedVm>> list() const { return files_.list(); }
    ArchiveStatus status() const { return files_.status(); }

    // Offers ringside_black_box_* metrics. It must outlive the registry's last use.
    void export_to(Metrics& metrics) const;

  private:
    ArchiveStore files_;
    const HostSource host_;
    std::atomic<std::uint64_t> span_ns_;
    std::atomic<std::uint64_t> write_errors_{0}, given_up_{0};
};

}  // namespace ringside::agent
