#include "agent/catalog/catalog_vm.h"

namespace ringside::agent {

CatalogVm::CatalogVm(VmInfo info, std::shared_ptr<const SeriesSource> source, std::shared_ptr<const Layout> layout)
    : key_(vm_key(info)), info_(std::move(info)), source_(std::move(source)), given_(std::move(layout)) {}

CatalogVm::CatalogVm(VmInfo info, std::shared_ptr<const SeriesSource> source, LayoutTable& layouts)
    : key_(vm_key(info)), info_(std::move(info)), source_(std::move(source)), layouts_(&layouts) {}

VmInfo CatalogVm::vm() const {
    if (info_.state == VmState::kDrained) return info_;
    VmInfo now = source_->vm();
    now.state = info_.state;
    now.exit_cause = info_.exit_cause;
    if (info_.ended_ns != 0) now.ended_ns = info_.ended_ns;
    return now;
}

Result<std::shared_ptr<const Layout>> CatalogVm::layout() const {
    if (given_) return given_;
    std::lock_guard lock(mutex_);
    if (layout_) return layout_;
    auto series = source_->series();
    if (!series) return series.error();
    auto layout = layouts_->intern(source_->schema(), *series);
    if (!layout) return layout.error();
    layout_ = *layout;
    return layout_;
}

}  // namespace ringside::agent
