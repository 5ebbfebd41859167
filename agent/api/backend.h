// What the API asks of the agent. main implements it, over the catalog, the drain, the archive and the upstreams.
//
// Every method may be called by any thread, several at once. Only drain() and audit() may take long, as they wait for a disk; admit()
// and release() may write a small file; the others take locks for a walk over a table at most.
//
// Who may see what is not this interface's business: the API judges callers before, and filters answers after.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/archive/archived_vm.h"
#include "agent/audit/report.h"
#include "agent/base/model.h"
#include "agent/base/result.h"
#include "agent/catalog/catalog.h"
#include "agent/catalog/events.h"

namespace ringside::agent {

// How far one upstream has one VM.
struct UpstreamPosition {
    std::string upstream;
    std::uint64_t acknowledged_ns = 0;    // end of the newest window acknowledged; 0: none yet, or not known
    std::optional<std::uint64_t> lag_ns;  // from there to the end of the newest window that could be pushed
    bool done = false;                    // the VM ended, and all of it is acknowledged
};

// What is known of a VM besides its entry in the catalog.
struct VmExtras {
    std::optional<std::uint64_t> archive_bytes;  // drained: size of the archive file
    std::vector<UpstreamPosition> upstreams;
};

// One budget with what is taken of it.
struct BudgetReport {
    BudgetKind kind = BudgetKind::kHostBytes;
    std::uint64_t limit = 0;                // 0: no limit
    std::optional<std::uint64_t> used;      // absent for budgets of one VM
    std::optional<std::uint64_t> reserved;  // by admissions that wait for their segment
};
std::vector<BudgetReport> budget_reports(const Budgets& budgets, const CatalogUsage& usage);

struct ArchiveReport {
    std::string directory;
    std::uint64_t bytes = 0;
    std::uint64_t limit_bytes = 0;
    std::uint64_t vms = 0;
    std::uint64_t oldest_ns = 0;  // end of the VM that ended first of those kept; 0: none
    std::uint64_t max_age_s = 0;  // 0: no limit
    std::uint64_t evicted_vms = 0;
    std::string last_error;
    std::uint64_t last_error_ns = 0;
};

// What did not reach an upstream: "samples" refused for good, "windows" never sent, "series" left out, each by reason.
struct UpstreamLoss {
    std::string what;
    std::string reason;
    std::uint64_t count = 0;
};

struct UpstreamReport {
    std::string name;
    std::string url;                      // without user and password
    std::optional<std::uint64_t> lag_ns;  // of the VM that is furthest behind
    std::uint64_t backlog_windows = 0;
    std::uint64_t pushed_samples = 0;
    std::uint64_t failed_requests = 0;
    std::vector<UpstreamLoss> losses;
    std::uint64_t last_success_ns = 0;
    std::string last_error;
    std::uint64_t last_error_ns = 0;
};

struct AgentReport {
    std::string version;
    std::uint64_t started_ns = 0;
    std::string directory;                     // of the segments
    std::vector<QuarantinedFile> quarantined;  // newest first
    std::uint64_t quarantine_overflowed = 0;   // bad files beyond those that are remembered
    Budgets budgets;
    CatalogUsage usage;
    std::optional<ArchiveReport> archive;
    std::vector<UpstreamReport> upstreams;
    std::uint64_t last_scan_ns = 0;       // end of the newest scan; 0: none yet
    std::uint64_t last_scan_span_ns = 0;  // how long it took
};

class Backend {
  public:
    virtual ~Backend() = default;

    // Whether the first scan of the directory is over. Until then view() may lack some VMs.
    virtual bool ready() const = 0;

    // All VMs, as of now. One that is on its way into the archive is there exactly once.
    virtual std::shared_ptr<const CatalogView> view() const = 0;
    // One of them by vm_key(); null when it is gone.
    virtual CatalogVmPtr find(const std::string& key) const = 0;
    virtual VmExtras extras(const CatalogVm& vm) const = 0;

    // Drains this epoch now, and gives its entry as it is then. One that is drained already stays as it is. kPrecondition
    // while a writer lives or may still come, kNotFound when there is no such VM, kExhausted when the archive has no
    // room, and what else the disk answers.
    virtual Result<CatalogVmPtr> drain(const std::string& key) = 0;

    // Reads all that is held of the VM, and counts again what each upstream has of it: tens of milliseconds for a usual
    // one. The errors are those of a source that cannot be read at all.
    virtual Result<VmAudit> audit(const CatalogVm& vm) const = 0;

    // Lives as long as the backend.
    virtual const EventBus& events() const = 0;

    // Checks the budgets, and unless `dry_run` reserves the demand and binds the vm_id to `uid`, durably. The arguments
    // have the form that Admit documents. An error when the reservation cannot be kept.
    virtual Result<std::variant<Admission, AdmitRefusal>> admit(const std::string& vm_id, std::uint32_t uid,
                                                                const Demand& demand, bool dry_run) = 0;
    // Gives it back, as it was. kNotFound.
    virtual Result<Admission> release(const std::string& vm_id) = 0;
    virtual std::vector<Admission> admissions() const = 0;  // by vm_id

    // What the black box has, the oldest end first. The host's signals have the component kHostSignals.
    virtual std::vector<std::shared_ptr<const ArchivedVm>> black_boxes() const = 0;

    virtual AgentReport report() const = 0;
};

}  // namespace ringside::agent
