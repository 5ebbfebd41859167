#include "agent/agent_backend.h"

#include "agent/audit/audit.h"
#include "agent/base/clock.h"

namespace ringside::agent {

VmExtras AgentBackend::extras(const CatalogVm& vm) const {
    VmExtras extras;
    if (vm.state() == VmState::kDrained) {
        if (auto archived = parts_.archive.find(vm.key())) extras.archive_bytes = archived->file_bytes();
    }
    extras.upstreams = parts_.upstreams.positions(vm);
    return extras;
}

Result<CatalogVmPtr> AgentBackend::drain(const std::string& key) {
    auto vm = parts_.catalog.find(key);
    if (!vm) return error(Code::kNotFound, "there is no VM " + key);
    if (is_live(vm->state())) {
        return error(Code::kPrecondition,
                     vm->state() == VmState::kProvisioned
                         ? "VM " + key + " has not had a writer yet: there is nothing to drain"
                         : "VM " + key + " has a writer; stop the VM first, it is drained by itself then");
    }
    // Also for one that is drained: its segment may still be on its way out.
    auto archived = parts_.drain.drain_now(key, {realtime_ns(), monotonic_ns()});
    if (!archived) return archived.error();
    auto drained = parts_.catalog.find(key);
    if (!drained) return error(Code::kNotFound, "VM " + key + " was evicted from the archive");
    return drained;
}

Result<VmAudit> AgentBackend::audit(const CatalogVm& vm) const {
    return audit_until_settled([&] {
        const CatalogVmPtr newest = parts_.catalog.find(vm.key());
        return audit_once(newest ? *newest : vm);
    });
}

Result<VmAudit> AgentBackend::audit_once(const CatalogVm& vm) const {
    const std::shared_ptr<const SeriesSource> source = vm.source();
    Result<VmAudit> audit = audit_vm(*source);
    if (!audit.ok()) return audit;
    if (vm.state() == VmState::kDrained) {
        auto archived = parts_.archive.find(vm.key());
        if (!archived) return error(Code::kNotFound, "VM " + vm.key() + " was evicted from the archive meanwhile");
        const Result<void> sound = archived->verify();
        audit->archive = sound.ok() ? "" : sound.error().message();
    }
    audit->upstreams = parts_.upstreams.audit(vm.key(), *source);
    return audit;
}

Result<std::variant<Admission, AdmitRefusal>> AgentBackend::admit(const std::string& vm_id, std::uint32_t uid,
                                                                  const Demand& demand, bool dry_run) {
    return parts_.admissions.admit(vm_id, uid, demand, dry_run, realtime_ns());
}

std::vector<Admission> AgentBackend::admissions() const {
    std::vector<Admission> list;
    const AdmissionTable table = parts_.catalog.admissions();
    for (const auto& [vm_id, admission] : table.all()) list.push_back(admission);
    return list;
}

AgentReport AgentBackend::report() const {
    AgentReport report;
    report.version = RINGSIDE_VERSION;
    report.started_ns = started_ns_;
    report.directory = parts_.config.directory;
    report.quarantined = parts_.catalog.quarantined();
    report.quarantine_overflowed = parts_.catalog.quarantine_overflowed();
    report.budgets = parts_.catalog.budgets();
    report.usage = parts_.catalog.usage();

    const ArchiveStatus status = parts_.archive.status();
    ArchiveReport archive;
    archive.directory = parts_.config.archive_path();
    archive.bytes = status.bytes;
    const ArchiveBounds bounds = parts_.archive.bounds();
    archive.limit_bytes = bounds.max_bytes == UINT64_MAX ? 0 : bounds.max_bytes;
    archive.vms = status.files;
    archive.oldest_ns = status.oldest_end_ns;
    archive.max_age_s = bounds.max_age_s == kArchiveAgeWithoutLimit ? 0 : bounds.max_age_s;
    for (std::uint64_t files : status.evicted_files) archive.evicted_vms += files;
    archive.last_error = status.last_error;
    archive.last_error_ns = status.last_error_ns;
    report.archive = std::move(archive);
    report.upstreams = parts_.upstreams.reports();
    report.last_scan_ns = parts_.scan.last_scan_ns();
    report.last_scan_span_ns = parts_.scan.last_span_ns();
    return report;
}

}  // namespace ringside::agent
