// What the API asks of the agent. The catalog and main implement it; the API knows nothing of segments, archives,
// upstreams or threads behind it.
//
// Every method may be called by any thread, several at once. They return owned values: whatever the agent does
// meanwhile, an answer stays as it was. Only drain() may take long (it waits for a disk); the others take locks for
// microseconds at most.
//
// Who may see what is not this interface's business: the API checks callers before and filters answers after.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/model.h"
#include "agent/base/result.h"
#include "agent/catalog/events.h"

namespace ringside::agent {

// How far one upstream has one VM.
struct UpstreamPosition {
    std::string upstream;
    std::uint64_t acknowledged_ns = 0;    // end of the newest window acknowledged; 0: none yet
    std::optional<std::uint64_t> lag_ns;  // from there to the end of the newest window that could be pushed
    bool done = false;                    // the VM ended, and all of it is acknowledged
};

// One epoch of one component of a VM, live or drained.
struct VmEntry {
    VmInfo info;
    std::shared_ptr<const SchemaInfo> schema;    // never null
    std::shared_ptr<const SeriesSource> source;  // never null
    std::uint64_t archive_bytes = 0;             // drained: size of the archive file
    std::vector<UpstreamPosition> upstreams;
};

// Chooses VMs; what is empty or absent chooses all.
struct VmQuery {
    std::vector<std::string> vm_ids;  // any of these
    std::optional<std::string> component;
    std::string epoch_prefix;          // lower-case hex digits
    std::vector<VmState> states;       // any of these
    std::optional<std::uint32_t> uid;  // owner

    bool fits(const VmInfo& vm) const;
};

// What a VM will need, all components together.
struct AdmissionDemand {
    std::uint64_t segment_bytes = 0;
    std::uint64_t series = 0;
    std::uint64_t label_bytes = 0;
};

struct AdmissionEntry {
    std::string vm_id;
    std::uint32_t uid = 0;
    AdmissionDemand demand;
    std::uint64_t admitted_ns = 0;
    std::uint64_t expires_ns = 0;  // 0: a segment is there, it does not expire
    bool present = false;          // a segment of this VM is there
};

enum class RefusalReason {
    kNone,
    kBoundToOtherUid,
    kVmBytes,
    kVmSeries,
    kVmLabelBytes,
    kHostBytes,
    kHostSeries,
    kHostLabelBytes,
    kHostVms,
};

// Why a VM is not admitted. The figures are in the unit of the reason; unused for kBoundToOtherUid.
struct AdmissionRefusal {
    RefusalReason reason = RefusalReason::kNone;
    std::string text;  // a sentence with the figures and the next step
    std::uint64_t limit = 0;
    std::uint64_t used = 0;
    std::uint64_t asked = 0;
};

struct AdmissionAnswer {
    AdmissionRefusal refusal;  // kNone: admitted
    AdmissionEntry admission;  // when admitted
};

// One budget, for GetStatus and /metrics.
struct BudgetReport {
    std::string name;  // "host_bytes", "vm_series", ...
    std::string unit;  // "bytes", "series", "vms"
    std::uint64_t limit = 0;
    std::optional<std::uint64_t> used;      // absent for budgets per VM
    std::optional<std::uint64_t> reserved;  // by admissions whose segments are not there yet
};

struct QuarantineReport {
    std::string file;    // its name in the directory
    std::string reason;  // a sentence
    std::uint32_t uid = 0;
    std::uint64_t since_ns = 0;
    std::uint64_t file_bytes = 0;
};

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
    std::string directory;                      // of the segments
    std::vector<QuarantineReport> quarantined;  // all, in any order
    std::vector<BudgetReport> budgets;
    std::optional<ArchiveReport> archive;
    std::vector<UpstreamReport> upstreams;
    std::uint64_t last_scan_ns = 0;       // end of the newest scan; 0: none yet
    std::uint64_t last_scan_span_ns = 0;  // how long it took
};

class Backend {
  public:
    virtual ~Backend() = default;

    // Whether the first scan of the directory is over. Until then vms() may lack some.
    virtual bool ready() const = 0;

    // The VMs that fit, as of now, in any order. One that is on its way into the archive is there exactly once.
    virtual std::vector<VmEntry> vms(const VmQuery& query) const = 0;

    // Drains the segment of this epoch and component now, and gives it as it is in the archive. One that is drained
    // already stays as it is. kPrecondition while a writer lives or has never come, kNotFound when there is no such epoch,
    // kExhausted when the archive has no room, and what else the disk answers.
    virtual Result<VmEntry> drain(const VmInfo& vm) = 0;

    // Lives as long as the backend.
    virtual const EventBus& events() const = 0;

    // Checks the budgets, and unless `dry_run` reserves the demand and binds the vm_id to `uid`. The arguments have the
    // form that Admit documents.
    virtual AdmissionAnswer admit(const std::string& vm_id, std::uint32_t uid, const AdmissionDemand& demand,
                                  bool dry_run) = 0;
    // Gives it back. kNotFound.
    virtual Result<AdmissionEntry> release(const std::string& vm_id) = 0;
    virtual std::vector<AdmissionEntry> admissions() const = 0;

    virtual AgentReport report() const = 0;
};

}  // namespace ringside::agent
