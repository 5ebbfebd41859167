// All archived VMs of a host: one folder, flat, one file per VM epoch and component, named after its vm_key(). The
// folder is the truth; memory holds an index of it, rebuilt at start.
//
// Invariants:
//  S1  A VM is in the index only while its file is complete and durable under its name.
//  S2  The path follows from the key alone, so archiving the same VM again finds what is there.
//  S3  No file leaves the index or the folder uncounted: evicted by a named reason, or set aside as corrupt.
//  S4  A failed call leaves the index as it was, loses nothing, and may be repeated.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/archive/archived_vm.h"
#include "agent/archive/index.h"
#include "agent/archive/writer.h"
#include "agent/base/file.h"
#include "agent/base/metrics.h"
#include "agent/base/model.h"

namespace ringside::agent {

inline constexpr std::uint64_t kArchiveAgeWithoutLimit = UINT64_MAX / 1'000'000'000;

struct ArchiveBounds {
    std::uint64_t max_bytes = std::uint64_t{4} << 30;  // UINT64_MAX: no limit
    std::uint64_t max_age_s = 15 * 86400;
    std::uint32_t tenant_percent = 0;  // of max_bytes, for the files of one owner; 0: no share
};

struct ArchiveOptions {
    std::string directory;  // the store's own; made when missing
    ArchiveBounds bounds;
};

enum class EvictReason {
    kAge,          // ended longer ago than max_age_s
    kBytes,        // the oldest, because the archive was over max_bytes
    kBytesUnsent,  // the same, although an upstream had not finished with it: these samples are lost to it
    kTenant,       // the oldest of its tenant, because the tenant was over its share
    kTenantUnsent  // the same, although an upstream had not finished with it
};
inline constexpr std::size_t kEvictReasons = 5;
const char* evict_reason_name(EvictReason reason);  // "age", "bytes", "bytes-unsent", "tenant", "tenant-unsent"

struct Eviction {
    std::string key;
    std::uint64_t bytes = 0;
    EvictReason reason = EvictReason::kAge;
};

struct ArchiveAddition {
    const SeriesSource* source = nullptr;
    VmInfo vm;
};

struct ArchiveStatus {
    std::uint64_t files = 0, bytes = 0;
    std::uint64_t quarantined_files = 0, quarantined_bytes = 0;  // in quarantine/ now
    std::uint64_t newer_files = 0;       // written by a newer version: left alone, not readable here
    std::uint64_t unreadable_files = 0;  // could not be read when last tried
    std::uint64_t oldest_end_ns = 0;     // 0 when empty
    // Since start:
    std::array<std::uint64_t, kEvictReasons> evicted_files{}, evicted_bytes{};  // by EvictReason
    std::uint64_t corrupt_files = 0;      // found corrupt: at start, or when a drain looked again
    std::uint64_t leftovers_removed = 0;  // of writes that a crash cut off
    std::uint64_t written_files = 0, written_bytes = 0, write_errors = 0;
    std::uint64_t unreadable_runs = 0;  // series and tiers that the segment could not give any more
    std::uint64_t evict_errors = 0;
    std::string last_error;           // of the newest VM that could not be archived or evicted; empty: none
    std::uint64_t last_error_ns = 0;  // and when
};

// Safe for use by any thread; add() and maintain() run one after the other. Reading an archived VM takes no lock.
class ArchiveStore {
  public:
    // `fs` must outlive the store and everything it gave out.
    ArchiveStore(FileSystem& fs, ArchiveOptions options);

    // Makes the folder, removes what unfinished writes left, reads the index, sets corrupt files aside in quarantine/
    // with a `.reason` beside each. A file that cannot be read now is counted, costs no other, and is tried again by
    // maintain(). An error means that the folder itself cannot be made or listed: the caller says so once and goes on,
    // for add() and maintain() try again by themselves.
    Result<void> open();

    // Archives a finalised VM: durable when it succeeds. `vm` says what the drain knows (exit cause, true end);
    // `now_ns` becomes the archiving time. When a valid file of that VM is there already and the writer did nothing since
    // (recorded_hash), it is kept and given back; else (a VM that was taken for dead too early) it is replaced by one with
    // the source's windows and, before them, those of the old file that the rings have lost since. kExhausted: the disk
    // is full; kExists: another VM has the key; kUnavailable: the source was busy, or a newer version wrote the file
    // that is there.
    Result<std::shared_ptr<const ArchivedVm>> add(const SeriesSource& source, const VmInfo& vm, std::uint64_t now_ns);

    // add() of several VMs, whose files become durable together, 24 at a time. What fails for one costs no other; the
    // results are in the order of the additions. kUnavailable: a key came up before.
    std::vector<Result<std::shared_ptr<const ArchivedVm>>> add_all(const std::vector<ArchiveAddition>& additions,
                                                                   std::uint64_t now_ns);

    // The archived VM of this key after a check of every byte of its file, made durable once more; kNotFound when there
    // is none. A file that fails the check is set aside in quarantine/ and is kNotFound then.
    Result<std::shared_ptr<const ArchivedVm>> verified(const std::string& key);

    // Null when there is none.
    std::shared_ptr<const ArchivedVm> find(const std::string& key) const;
    // All epochs and components of a VM; or all VMs there are. Oldest end first.
    std::vector<std::shared_ptr<const ArchivedVm>> find_all(const std::string& vm_id) const;
    std::vector<std::shared_ptr<const ArchivedVm>> list() const;

    // What open() and maintain() have found in the folder and taken into the index since the last call, and is still there.
    std::vector<std::shared_ptr<const ArchivedVm>> take_found();

    // Catches up with what failed before, then keeps the archive within its bounds: what ended more than max_age_s
    // before `now_ns` goes, unless `needed` says that an upstream has not finished with the key; then, of each tenant that
    // is over its share, its own oldest that nobody needs, then its oldest; then, while more than max_bytes are there,
    // quarantined files go, then the oldest that nobody needs, then the oldest that somebody does. What could not be
    // removed stays in the index and is tried again by the next call. `needed` may be empty; it is called without the
    // index's lock, and it has to say yes for a VM that an upstream has not even begun with. What it says of the old
    // ones holds for a minute, so that a call that evicts nothing costs nothing, however many files there are.
    using Needed = std::function<bool(const std::string& key)>;
    std::vector<Eviction> maintain(std::uint64_t now_ns, const Needed& needed);

    // New bounds, kept from the next maintain() on. Never blocks for longer than a walk over the index.
    void set_bounds(const ArchiveBounds& bounds);
    ArchiveBounds bounds() const;

    ArchiveStatus status() const;
    // Offers status() as ringside_archive_* metrics. The store must outlive the registry's last use.
    void export_to(Metrics& metrics) const;

    std::string path_of(const std::string& key) const;

  private:
    using Vm = std::shared_ptr<const ArchivedVm>;
    using Order = ArchiveIndex::Order;
    struct Quarantined {
        std::string name;
        std::uint64_t bytes = 0;
        std::uint64_t changed_ns = 0;
    };

    // All below with change_mutex_ held.
    Result<void> open_folder();
    void load(const std::string& name);
    struct Candidate;
    Result<Candidate> write(const ArchiveAddition& addition, std::uint64_t now_ns);
    void make_durable(std::vector<Result<Candidate>>* candidates);
    Result<Vm> accept(const Candidate& candidate);
    Result<Vm> look(const std::string& key);
    void insert(const Vm& vm);
    void set_aside(const std::string& name, const Error& why);
    Result<void> scan_quarantine();
    void evict_quarantined(std::uint64_t now_ns);
    struct Round;
    bool evict(const Vm& vm, EvictReason reason, Round* round);
    void evict_unneeded(EvictReason reason, const std::function<bool(const Order&)>& more, Round* round);
    void evict_of_tenant(std::uint32_t uid, Round* round);
    void evict_for_bytes(Round* round);
    bool over_bytes() const;
    bool over_share(std::uint32_t uid) const;
    Vm next(const Order& after) const;
    void note_error(const Error& error, std::uint64_t now_ns);
    void note_evict_error(const Error& error, std::uint64_t now_ns);
    // One that could not be written, or not be made durable, or did not read back.
    Error count_write_error(const Error& error);
    template <typename Change>
    void count(Change change) {
        std::lock_guard lock(mutex_);
        change(status_);
    }

    FileSystem& fs_;
    const std::string directory_;
    SchemaPool schemas_;

    std::mutex change_mutex_;  // one change of the folder at a time, taken before mutex_; guards the next three
    bool opened_ = false;
    std::set<std::string> unreadable_;      // names to try again
    std::vector<Quarantined> quarantined_;  // oldest first

    mutable std::mutex mutex_;  // guards all below; never held during a system call
    ArchiveBounds bounds_;
    ArchiveIndex index_;
    std::vector<Vm> found_;
    Order spared_;                 // all files up to here were needed when they were asked for,
    std::uint64_t spared_ns_ = 0;  // which was then
    ArchiveStatus status_;         // without what the index knows
};

}  // namespace ringside::agent
