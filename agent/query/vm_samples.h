// The series of VMs, live and drained, as samples of PromQL.
//
//  S1  A selection reads, of each life of a VM, the finest tier that reaches back to where what it wants begins, or where the
//      life does, or the tier that a matcher ringside_tier="10s" names. Never one whose windows are so long that a range has too few of them: what a
//      finer tier still has is better than no value at all.
//  S2  A sample has the time of its window's end. Windows that are not over have none.
//  S3  A function over time sees the column that keeps it exact: see columns_for(). Where the tier does not keep it, it
//      sees the last values, and a warning says so.
//  S4  What a VM counted begins with a zero at the VM's begin, and all of its series end with a stale marker at its end.
//  S5  The lives of one VM are one series, one after the other.
//  S6  What the agent says of a VM is not for the VM to say: its series under the names of kFacts are left out, with a
//      warning. Beside the agent's they would break each join with them.
//
// Beside what the schemas declare there are, for each VM, ringside_vm_info (1; its labels say what the VM is and how it
// ended) and ringside_vm_up (1 while it lives, 0 at its end).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/labels.h"
#include "agent/catalog/catalog.h"
#include "agent/promql/engine/source.h"

namespace ringside::agent {

inline constexpr const char* kTierLabel = "ringside_tier";

inline constexpr const char* kVmInfoName = "ringside_vm_info";
inline constexpr const char* kVmUpName = "ringside_vm_up";

// The series that the agent adds for each VM. Their names are its own: a VM's series with such a name are left out (S6).
struct FactInfo {
    const char* name;
    const char* help;
};
inline constexpr FactInfo kFacts[] = {
    {kVmInfoName, "1 while the VM lives; the labels say what it is and how it ended."},
    {kVmUpName, "1 while the VM lives, 0 at its end."},
};
bool is_fact(std::string_view metric);

// What one selection has read, for those who ask why an answer is as it is. Grows while the query runs.
struct SelectionReport {
    std::string selector;
    std::map<std::uint32_t, std::uint64_t> series_by_resolution_s;
    std::uint32_t columns = 0;  // of all kinds of series together
    std::uint64_t windows = 0;
    std::uint64_t bytes = 0;      // of these windows' columns
    std::uint64_t newest_ns = 0;  // end of the newest window; 0: none
};

// What there is, by vm_id, component and begin of the epoch, as in a view of the catalog.
using VmList = std::shared_ptr<const std::vector<CatalogVmPtr>>;

// For one query. One thread.
class VmSamples : public promql::SampleSource {
  public:
    VmSamples(VmList vms, HostLabels host, std::uint64_t now_ns);

    // kInvalid for a tier that cannot be read from its matcher.
    Result<std::unique_ptr<promql::SeriesSet>> select(std::span<const Matcher> matchers,
                                                      const promql::SelectHints& hints) override;

    // `call` is called before drained VMs are looked at.
    void before_waiting(std::function<void()> call) { before_waiting_ = std::move(call); }

    const std::deque<SelectionReport>& reports() const { return reports_; }

  private:
    const VmList vms_;
    const HostLabels host_;
    const std::uint64_t now_ns_;
    std::function<void()> before_waiting_;
    std::deque<SelectionReport> reports_;  // stay where they are: series sets hold on to them
};

}  // namespace ringside::agent
