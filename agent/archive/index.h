// What the archive's store knows of its files: by key, by age and by tenant, with sums kept as files come and go. Pure
// bookkeeping; the caller locks. Internal to agent/archive.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/archive/archived_vm.h"

namespace ringside::agent {

class ArchiveIndex {
  public:
    using Vm = std::shared_ptr<const ArchivedVm>;
    using Order = std::pair<std::uint64_t, std::string>;  // when it ended, then the key: oldest first

    static Order order_of(const ArchivedVm& vm);

    // Takes the place of another one with its key.
    void insert(const Vm& vm);
    // False when it is not there.
    bool erase(const std::string& key);

    Vm find(const std::string& key) const;
    // All epochs and components of a VM; or all there are. Oldest first.
    std::vector<Vm> find_all(const std::string& vm_id) const;
    std::vector<Vm> list() const;
    // The oldest one that comes after; null when there is none. Of one tenant, or of all.
    Vm next(const Order& after) const;
    Vm next_of(std::uint32_t uid, const Order& after) const;

    std::uint64_t files() const { return by_key_.size(); }
    std::uint64_t bytes() const { return bytes_; }
    std::uint64_t oldest_end_ns() const { return by_age_.empty() ? 0 : by_age_.begin()->first.first; }

    // How much one tenant may have, and who has more.
    void set_tenant_bytes_max(std::uint64_t bytes);
    const std::set<std::uint32_t>& over_share() const { return over_share_; }

  private:
    using ByAge = std::map<Order, Vm>;
    struct Tenant {
        std::uint64_t bytes = 0;
        ByAge by_age;
    };
    void judge(std::uint32_t uid, const Tenant& tenant);

    std::map<std::string, Vm> by_key_;
    ByAge by_age_;
    std::map<std::uint32_t, Tenant> tenants_;  // by owner of the segment
    std::set<std::uint32_t> over_share_;
    std::uint64_t bytes_ = 0;
    std::uint64_t tenant_bytes_max_ = UINT64_MAX;
};

}  // namespace ringside::agent
