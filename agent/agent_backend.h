// The API's view of the agent.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "agent/admission_keeper.h"
#include "agent/api/backend.h"
#include "agent/archive/black_box.h"
#include "agent/archive/store.h"
#include "agent/catalog/catalog.h"
#include "agent/drain/drain.h"
#include "agent/scan_loop.h"
#include "agent/upstreams.h"

namespace ringside::agent {

// What the backend asks; all must outlive it.
struct BackendParts {
    Catalog& catalog;
    EventBus& events;
    ArchiveStore& archive;
    BlackBox& black_box;
    Drain& drain;
    AdmissionKeeper& admissions;
    Upstreams& upstreams;
    ScanLoop& scan;
    const Config& config;  // as it was at start: what a reload cannot change
};

class AgentBackend : public Backend {
  public:
    AgentBackend(BackendParts parts, std::uint64_t started_ns) : parts_(parts), started_ns_(started_ns) {}

    bool ready() const override { return parts_.scan.ready(); }
    std::shared_ptr<const CatalogView> view() const override { return parts_.catalog.view(); }
    CatalogVmPtr find(const std::string& key) const override { return parts_.catalog.find(key); }
    VmExtras extras(const CatalogVm& vm) const override;
    Result<CatalogVmPtr> drain(const std::string& key) override;
    Result<VmAudit> audit(const CatalogVm& vm) const override;
    const EventBus& events() const override { return parts_.events; }
    Result<std::variant<Admission, AdmitRefusal>> admit(const std::string& vm_id, std::uint32_t uid,
                                                        const Demand& demand, bool dry_run) override;
    Result<Admission> release(const std::string& vm_id) override { return parts_.admissions.release(vm_id); }
    std::vector<Admission> admissions() const override;
    std::vector<std::shared_ptr<const ArchivedVm>> black_boxes() const override { return parts_.black_box.list(); }
    AgentReport report() const override;

  private:
    Result<VmAudit> audit_once(const CatalogVm& vm) const;

    const BackendParts parts_;
    const std::uint64_t started_ns_;
};

}  // namespace ringside::agent
