// What the drain asks of the agent: segments through the scanner, VMs through the catalog.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/archive/black_box.h"
#include "agent/catalog/catalog.h"
#include "agent/drain/host.h"
#include "agent/drain/troubles.h"
#include "agent/scanner.h"

namespace ringside::agent {

class SegmentDrain : public DrainHost {
  public:
    // `handed_over` is called when a VM is in the archive: upstreams may go on with it. All must outlive it.
    SegmentDrain(Scanner& scanner, Catalog& catalog, BlackBox& black_box, std::function<void()> handed_over)
        : scanner_(scanner), catalog_(catalog), black_box_(black_box), handed_over_(std::move(handed_over)) {}

    Result<FinalisedVm> finalise(const std::string& key) override;
    Result<void> hand_over(const std::string& key, const std::shared_ptr<const ArchivedVm>& archived) override;
    std::vector<Result<void>> keep_black_box(const std::vector<std::shared_ptr<const ArchivedVm>>& archived) override;
    Result<void> unlink_segment(const std::string& key, const SegmentFile& file) override;
    void drain_failed(const std::string& key, DrainStep step, const Error& error, bool given_up) override;
    void drained(const std::string& key, const ArchivedVm& archived) override;

  private:
    Scanner& scanner_;
    Catalog& catalog_;
    BlackBox& black_box_;
    const std::function<void()> handed_over_;
    Troubles troubles_;
};

}  // namespace ringside::agent
