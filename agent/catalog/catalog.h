// The table of all VM epochs this agent knows, with the rules of who is let in. Pure: what was found in the
// directory, the time and the limits come in as arguments.
//
// Invariants:
//  K1  Each key (vm_id, epoch, component) is in the table at most once, with a segment or drained.
//  K2  States only go up: provisioned, running, exited, drained; but for one that is evicted before its segment went. Events
//      are published under the lock, so that they come in the order of the steps.
//  K3  What is taken in fits the budgets as they were then. A lower budget refuses newcomers and evicts nobody.
//  K4  A file is in the table or in quarantine, not in both.
//  K5  A view never changes; a newer state of the table is another view.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/model.h"
#include "agent/catalog/admission.h"
#include "agent/catalog/budget.h"
#include "agent/catalog/catalog_vm.h"
#include "agent/catalog/events.h"
#include "agent/catalog/layout.h"
#include "agent/catalog/news_budget.h"
#include "agent/catalog/quarantine.h"

namespace ringside::agent {

// Short names of the catalog's own reasons for quarantine, beside those for bad bytes.
inline constexpr const char* kReasonWrongOwner = "wrong-owner";
inline constexpr const char* kReasonOverBudget = "over-budget";
inline constexpr const char* kReasonNotAdmitted = "not-admitted";
inline constexpr const char* kReasonEpochSeen = "epoch-seen";

struct CatalogView {
    std::vector<CatalogVmPtr> vms;  // by vm_id, component, begin of the epoch, epoch
};

// A checked segment at the door.
struct Candidate {
    std::string file;
    FileStamp stamp;
    VmInfo info;  // state kProvisioned, kRunning or kExited, with the exit cause if known
    std::shared_ptr<const SeriesSource> source;
    std::shared_ptr<const Layout> layout;
};

// Why a VM is not admitted.
struct AdmitRefusal {
    std::optional<OverBudget> over;  // a budget; else the vm_id is bound to
    std::uint32_t bound_uid = 0;     // this uid
    std::string message;
};

struct CatalogUsage {
    Demand segments;  // of all segments in the directory that were taken in
    std::uint64_t segment_count = 0;
    Demand reserved;  // by admissions that wait for their segment
    std::uint64_t reserved_count = 0;
    std::uint64_t waiting_count = 0;  // segments that wait for a descriptor: not taken in
};

struct CatalogOptions {
    Budgets budgets;
    // More than host-segments, so that a host all of whose VMs are refused still remembers each. About half a KiB each.
    std::size_t quarantine_max = 16384;
    NewsBudget::Limits quarantine_news = {};
    // Owners that may have segments beside a VM's own user: root and the agent.
    std::set<std::uint32_t> trusted_uids = {0};
};

// Any thread. Nothing blocks for longer than a walk over the table.
class Catalog {
  public:
    // `events` must outlive the catalog.
    Catalog(CatalogOptions options, EventBus& events);

    // --- What the scanner reports.

    // Whether the name is that of a VM in the table, and still of the same file.
    bool holds(const std::string& file, std::uint64_t inode) const;
    // Whether a file in the directory needs to be opened: not when it is in the table or in quarantine unchanged.
    // In a `sweep` also when it has changed, or its trouble may have passed by itself.
    bool worth_opening(const std::string& file, const FileStamp& stamp, bool sweep) const;
    // What add() would say of this segment as it is now, for a file whose series need not be read then.
    std::optional<QuarantinedFile> refusal_of(const std::string& file, const FileStamp& stamp, const VmInfo& vm,
                                              const SchemaInfo& schema, std::uint64_t now_ns) const;
    // Takes a segment in (and publishes kAppeared, and kExited for one that is dead already), or says why not; the
    // caller then calls quarantine().
    std::optional<QuarantinedFile> add(Candidate candidate, std::uint64_t now_ns);
    // Whether this is to be told: it is news (see Quarantine::put), and the file's owner has not had too much of it.
    // Publishes kQuarantined if so.
    bool quarantine(QuarantinedFile file, const VmInfo* vm_if_known, std::uint64_t now_ns);
    // A name is gone from the directory, or stands for another file now. A VM that had it goes on without: the
    // descriptor of its source holds its bytes. Whether a VM that is not drained had it.
    bool set_unlinked(const std::string& file);
    // All names that the table and the quarantine believe to be in the directory.
    std::vector<std::string> files() const;
    // The VM has a writer now.
    void set_running(const std::string& key, const VmInfo& info);
    // The VM registered more series.
    void set_layout(const std::string& key, std::shared_ptr<const Layout> layout);
    // The writer is gone; `info` has the cause. Publishes kExited.
    void set_exited(const std::string& key, const VmInfo& info, std::uint64_t now_ns);
    // The segments that wait for a descriptor, by VM and owner. Their admissions do not run out meanwhile.
    void set_waiting(std::multiset<std::pair<std::string, std::uint32_t>> waiting);
    // A whole sweep is over: ends and starts the waits of admissions. Whether admissions changed.
    bool end_sweep(std::uint64_t now_ns);

    // --- What the drain and the archive report.

    // A VM found in the archive at start.
    void add_drained(std::shared_ptr<const SeriesSource> archived);
    // From now on reads go to the archive, for a VM that is drained already to this file of it. The segment is still
    // there.
    void set_drained(const std::string& key, std::shared_ptr<const SeriesSource> archived);
    // The segment of a drained VM is removed: its bytes are free for others. Publishes kDrained.
    void segment_removed(const std::string& key, std::uint64_t now_ns);
    // Evicted from the archive while the segment is still there: reads go to it again, until set_drained().
    void set_undrained(const std::string& key, std::shared_ptr<const SeriesSource> segment);
    // Evicted from the archive, or a segment that turned out bad and went into quarantine.
    void remove(const std::string& key);

    // --- Admission.

    // Checks and, unless `dry_run`, reserves. The refusal, or nothing with *out as it stands now (or would).
    std::optional<AdmitRefusal> admit(const std::string& vm_id, std::uint32_t uid, const Demand& demand, bool dry_run,
                                      std::uint64_t now_ns, Admission* out);
    std::optional<Admission> release(const std::string& vm_id);
    AdmissionTable admissions() const;
    // What an earlier run of the agent, or the state before a failed write, had.
    void restore_admissions(AdmissionTable table);

    // --- Answers.

    std::shared_ptr<const CatalogView> view() const;
    CatalogVmPtr find(const std::string& key) const;
    std::vector<QuarantinedFile> quarantined() const;  // newest first
    std::map<std::string, std::uint64_t> quarantined_by_reason() const;
    std::uint64_t quarantine_overflowed() const;
    // Files that went into quarantine without being told, because their owner had so many: of all time, and by owner
    // since the last call.
    std::uint64_t quarantine_untold() const;
    std::map<std::uint32_t, std::uint64_t> take_quarantine_untold();
    CatalogUsage usage() const;
    Budgets budgets() const;
    void set_budgets(const Budgets& budgets);
    LayoutTable& layouts() { return layouts_; }

  private:
    struct Slot {
        CatalogVmPtr entry;
        // Of a segment in the directory; all empty when there is none.
        Demand demand;
        std::string file;  // "": unlinked
        FileStamp stamp;
        bool has_segment = false;
    };
    using Slots = std::map<std::string, Slot>;

    struct HostUsage {
        Demand demand;
        std::uint64_t segments = 0;
    };

    // All of these are called with mutex_ held.
    std::optional<QuarantinedFile> refuse(const std::string& file, const FileStamp& stamp, const VmInfo& vm,
                                          const Demand& demand, std::uint64_t now_ns) const;
    std::optional<QuarantinedFile> judge(const VmInfo& vm, const Demand& demand) const;
    std::optional<QuarantinedFile> judge_owner(const VmInfo& vm) const;
    std::optional<AdmitRefusal> judge_admission(const std::string& vm_id, std::uint32_t uid,
                                                const Demand& demand) const;
    template <typename Visit>
    void each_segment_of(const std::string& vm_id, Visit visit) const;
    bool has_segment(const std::string& vm_id) const;
    std::uint64_t living_segments(const std::string& vm_id) const;
    Demand used_by(const std::string& vm_id) const;
    HostUsage host_usage_without(const std::string& vm_id) const;
    void replace(Slot& slot, VmInfo info, std::shared_ptr<const Layout> layout);
    void give_back(Slot& slot);
    void changed(bool rules);

    EventBus& events_;
    const std::size_t quarantine_max_;
    const std::set<std::uint32_t> trusted_uids_;
    LayoutTable layouts_;

    mutable std::mutex mutex_;  // guards all below
    Budgets budgets_;
    Slots by_key_;
    std::map<std::string, std::string> key_of_file_;
    Quarantine quarantine_;
    NewsBudget quarantine_news_;
    AdmissionTable admissions_;
    std::multiset<std::pair<std::string, std::uint32_t>> waiting_;
    Demand used_;
    std::uint64_t segments_ = 0;
    std::uint64_t rules_version_ = 1;
    mutable std::shared_ptr<const CatalogView> view_;  // null: to be made
};

}  // namespace ringside::agent
