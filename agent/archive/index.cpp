#include "agent/archive/index.h"

#include <algorithm>

namespace ringside::agent {

namespace {

template <typename ByAge>
ArchiveIndex::Vm after_in(const ByAge& by_age, const ArchiveIndex::Order& after) {
    auto found = by_age.upper_bound(after);
    return found == by_age.end() ? nullptr : found->second;
}

}  // namespace

ArchiveIndex::Order ArchiveIndex::order_of(const ArchivedVm& vm) {
    // A clock that ran years ahead must not keep a file for years.
    std::uint64_t ended_ns = vm.info().ended_ns;
    if (ended_ns == 0 || ended_ns > vm.archived_ns()) ended_ns = vm.archived_ns();
    return {ended_ns, vm_key(vm.info())};
}

void ArchiveIndex::insert(const Vm& vm) {
    const Order order = order_of(*vm);
    erase(order.second);
    by_key_[order.second] = vm;
    by_age_[order] = vm;
    bytes_ += vm->file_bytes();
    Tenant& tenant = tenants_[vm->info().uid];
    tenant.by_age[order] = vm;
    tenant.bytes += vm->file_bytes();
    judge(vm->info().uid, tenant);
}

bool ArchiveIndex::erase(const std::string& key) {
    auto found = by_key_.find(key);
    if (found == by_key_.end()) return false;
    const Vm vm = found->second;
    const Order order = order_of(*vm);
    by_key_.erase(found);
    by_age_.erase(order);
    bytes_ -= vm->file_bytes();
    auto tenant = tenants_.find(vm->info().uid);
    tenant->second.by_age.erase(order);
    tenant->second.bytes -= vm->file_bytes();
    judge(tenant->first, tenant->second);
    if (tenant->second.by_age.empty()) tenants_.erase(tenant);
    return true;
}

ArchiveIndex::Vm ArchiveIndex::find(const std::string& key) const {
    auto found = by_key_.find(key);
    return found == by_key_.end() ? nullptr : found->second;
}

std::vector<ArchiveIndex::Vm> ArchiveIndex::find_all(const std::string& vm_id) const {
    std::vector<Vm> found;
    // Keys begin with the name and a dot, but a name may hold dots, too.
    for (auto at = by_key_.lower_bound(vm_id + "."); at != by_key_.end(); ++at) {
        if (!at->first.starts_with(vm_id + ".")) break;
        if (at->second->info().vm_id == vm_id) found.push_back(at->second);
    }
    std::sort(found.begin(), found.end(), [](const Vm& a, const Vm& b) { return order_of(*a) < order_of(*b); });
    return found;
}

std::vector<ArchiveIndex::Vm> ArchiveIndex::list() const {
    std::vector<Vm> all;
    all.reserve(by_age_.size());
    for (const auto& [order, vm] : by_age_) all.push_back(vm);
    return all;
}

ArchiveIndex::Vm ArchiveIndex::next(const Order& after) const { return after_in(by_age_, after); }

ArchiveIndex::Vm ArchiveIndex::next_of(std::uint32_t uid, const Order& after) const {
    auto tenant = tenants_.find(uid);
    return tenant == tenants_.end() ? nullptr : after_in(tenant->second.by_age, after);
}

void ArchiveIndex::set_tenant_bytes_max(std::uint64_t bytes) {
    tenant_bytes_max_ = bytes;
    for (const auto& [uid, tenant] : tenants_) judge(uid, tenant);
}

void ArchiveIndex::judge(std::uint32_t uid, const Tenant& tenant) {
    if (tenant.bytes > tenant_bytes_max_) {
        over_share_.insert(uid);
    } else {
        over_share_.erase(uid);
    }
}

}  // namespace ringside::agent
