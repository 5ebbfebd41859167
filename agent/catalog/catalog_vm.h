// One VM epoch as the catalog hands it out.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "agent/base/model.h"
#include "agent/base/result.h"
#include "agent/catalog/layout.h"

namespace ringside::agent {

// Whether a writer is there or may still come.
inline bool is_live(VmState state) { return state == VmState::kProvisioned || state == VmState::kRunning; }

// Never changes once it is in the catalog, except that a layout that was not given is read at its first use. Any thread.
class CatalogVm {
  public:
    // A VM with a segment.
    CatalogVm(VmInfo info, std::shared_ptr<const SeriesSource> source, std::shared_ptr<const Layout> layout);
    // One that has ended; `layouts` must outlive it.
    CatalogVm(VmInfo info, std::shared_ptr<const SeriesSource> source, LayoutTable& layouts);

    const std::string& key() const { return key_; }  // vm_key()
    VmState state() const { return info_.state; }
    // As it was when the entry was made, with the state and the exit cause that the agent has found.
    const VmInfo& known() const { return info_; }
    // As it is now: what only the writer knows (its newest write, its counters) is read from the segment.
    VmInfo vm() const;

    const std::shared_ptr<const SeriesSource>& source() const { return source_; }

    // The series, indexed. Where it was not given the first call reads the source; its errors are returned and not kept.
    Result<std::shared_ptr<const Layout>> layout() const;

  private:
    const std::string key_;
    const VmInfo info_;
    const std::shared_ptr<const SeriesSource> source_;
    const std::shared_ptr<const Layout> given_;  // or null
    LayoutTable* const layouts_ = nullptr;

    mutable std::mutex mutex_;
    mutable std::shared_ptr<const Layout> layout_;  // guarded by mutex_
};

using CatalogVmPtr = std::shared_ptr<const CatalogVm>;

}  // namespace ringside::agent
