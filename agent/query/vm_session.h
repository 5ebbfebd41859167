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
    // `gaps` are what all answers lack.
    VmSession(VmList vms, const HostLabels& host, std::uint64_t now_ns, std::vector<std::string> gaps)
        : samples_(std::move(vms), host, now_ns), gaps_(std::move(gaps)) {}

    promql::SampleSource& source() override { return samples_; }
    void before_waiting(std::function<void()> call) override { samples_.before_waiting(std::move(call)); }
    std::vector<std::string> warnings() const override { return gaps_; }
    std::vector<ReadReport> reports() const override;

  private:
    VmSamples samples_;
    const std::vector<std::string> gaps_;
};

}  // namespace ringside::agent
