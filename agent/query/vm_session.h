// One query's look at some VMs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/labels.h"
#include "agent/catalog/catalog_vm.h"
#include "agent/promql/run/backend.h"
#include "agent/query/vm_samples.h"

namespace ringside::agent {

class VmSession : public QuerySession {
  public:
    // `vms` as VmSamples wants them; `gaps` are what all answers lack.
    VmSession(std::vector<CatalogVmPtr> vms, const HostLabels& host, std::uint64_t now_ns,
              std::vector<std::string> gaps)
        : samples_(std::move(vms), host, now_ns), gaps_(std::move(gaps)) {}

    promql::SampleSource& source() override { return samples_; }
    std::vector<std::string> warnings() const override { return gaps_; }
    std::vector<ReadReport> reports() const override;

  private:
    VmSamples samples_;
    const std::vector<std::string> gaps_;
};

}  // namespace ringside::agent
