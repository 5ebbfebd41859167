// The part of the catalog that says no: who may bring a segment, and how much of everything.
#include <algorithm>

#include "agent/catalog/catalog.h"

namespace ringside::agent {
namespace {

QuarantinedFile refusal(const char* reason, std::string detail) {
    QuarantinedFile file;
    file.reason = reason;
    file.detail = std::move(detail);
    return file;
}

Demand sum(Demand a, const Demand& b) {
    a += b;
    return a;
}

}  // namespace

template <typename Visit>
void Catalog::each_segment_of(const std::string& vm_id, Visit visit) const {
    const std::string prefix = vm_id + ".";
    for (auto at = by_key_.lower_bound(prefix); at != by_key_.end() && at->first.starts_with(prefix); ++at) {
        // A vm_id may contain dots, so that other VMs can stand between those of this one.
        const VmInfo& info = at->second.entry->known();
        if (info.vm_id == vm_id && info.state != VmState::kDrained) visit(at->second);
    }
}

bool Catalog::has_segment(const std::string& vm_id) const {
    bool any = false;
    each_segment_of(vm_id, [&](const Slot&) { any = true; });
    return any;
}

std::uint64_t Catalog::living_segments(const std::string& vm_id) const {
    std::uint64_t count = 0;
    each_segment_of(vm_id, [&](const Slot& slot) { count += is_live(slot.entry->state()) ? 1 : 0; });
    return count;
}

// What the living segments of one VM take. An epoch that has ended and waits for its drain does not count, else a VM
// that restarts at once would be refused.
Demand Catalog::used_by(const std::string& vm_id) const {
    Demand used;
    each_segment_of(vm_id, [&](const Slot& slot) {
        if (is_live(slot.entry->state())) used += slot.demand;
    });
    return used;
}

std::optional<QuarantinedFile> Catalog::judge(const VmInfo& vm, const Demand& demand) const {
    if (by_key_.contains(vm_key(vm))) {
        return refusal(kReasonEpochSeen,
                       "this epoch of the VM has been seen in another file; a VMM makes a new epoch "
                       "each time it starts");
    }
    if (auto stranger = judge_owner(vm)) return stranger;

    const bool living = is_live(vm.state);
    const Demand used = living ? used_by(vm.vm_id) : Demand{};
    auto over = check_vm(budgets_, used, demand);
    if (const Admission* admission = admissions_.find(vm.vm_id); admission && !over) {
        over = check_admitted(admission->demand, used, demand);
    }
    // A dead VM is let in over the host's budget: it is drained and gone soon, and its data would be lost else.
    if (living && !over) {
        const HostUsage others = host_usage_without(vm.vm_id);
        over = check_host(budgets_, others.demand, others.segments, demand);
    }
    if (over) return refusal(kReasonOverBudget, over->message());
    return std::nullopt;
}

std::optional<QuarantinedFile> Catalog::judge_owner(const VmInfo& vm) const {
    const std::string owner = "user " + std::to_string(vm.uid) + " owns this segment";
    if (const Admission* admission = admissions_.find(vm.vm_id)) {
        if (admission->uid == vm.uid) return std::nullopt;
        return refusal(kReasonWrongOwner,
                       owner + ", but VM " + vm.vm_id + " was admitted for user " + std::to_string(admission->uid));
    }
    if (trusted_uids_.contains(vm.uid)) return std::nullopt;
    if (budgets_.admission_required) {
        return refusal(kReasonNotAdmitted, "VM " + vm.vm_id + " was not admitted; run: ringsidectl admit " + vm.vm_id +
                                               " --uid " + std::to_string(vm.uid));
    }
    std::optional<std::uint32_t> other;
    each_segment_of(vm.vm_id, [&](const Slot& slot) {
        const std::uint32_t uid = slot.entry->known().uid;
        if (is_live(slot.entry->state()) && uid != vm.uid && !trusted_uids_.contains(uid)) other = uid;
    });
    if (!other) return std::nullopt;
    return refusal(kReasonWrongOwner,
                   owner + ", but VM " + vm.vm_id + " is running under user " + std::to_string(*other));
}

// What all others take or were promised: an admission of this very VM is about to be used, so it does not count.
Catalog::HostUsage Catalog::host_usage_without(const std::string& vm_id) const {
    HostUsage usage{sum(used_, admissions_.reserved()), segments_ + admissions_.reserved_count()};
    const Admission* own = admissions_.find(vm_id);
    if (own && !own->present()) {
        usage.demand -= own->demand;
        --usage.segments;
    }
    return usage;
}

std::optional<AdmitRefusal> Catalog::admit(const std::string& vm_id, std::uint32_t uid, const Demand& demand,
                                           bool dry_run, std::uint64_t now_ns, Admission* out) {
    std::lock_guard lock(mutex_);
    if (auto refused = judge_admission(vm_id, uid, demand)) return refused;

    Admission admission{vm_id, uid, demand, now_ns, expiry(now_ns, budgets_.admission_ttl_ns)};
    if (has_segment(vm_id)) admission.expires_ns = 0;
    *out = admission;
    if (dry_run) return std::nullopt;
    admissions_.set(std::move(admission));
    changed(true);
    return std::nullopt;
}

std::optional<AdmitRefusal> Catalog::judge_admission(const std::string& vm_id, std::uint32_t uid,
                                                     const Demand& demand) const {
    std::optional<std::uint32_t> bound;
    if (const Admission* old = admissions_.find(vm_id); old && old->uid != uid) bound = old->uid;
    each_segment_of(vm_id, [&](const Slot& slot) {
        if (is_live(slot.entry->state()) && slot.entry->known().uid != uid) bound = slot.entry->known().uid;
    });
    if (bound) {
        return AdmitRefusal{std::nullopt, *bound,
                            "VM " + vm_id + " belongs to user " + std::to_string(*bound) + ", not to user " +
                                std::to_string(uid) + "; release its admission, or end the VM, first"};
    }
    // A VM that is there already takes its share, and an admission of it only says how far it may grow.
    const Demand used = used_by(vm_id);
    auto over = check_vm(budgets_, {}, demand);
    if (!over) {
        HostUsage others = host_usage_without(vm_id);
        others.demand -= used;
        over = check_host(budgets_, others.demand, others.segments - living_segments(vm_id), demand);
    }
    if (!over) return std::nullopt;
    return AdmitRefusal{over, 0, over->message()};
}

std::optional<Admission> Catalog::release(const std::string& vm_id) {
    std::lock_guard lock(mutex_);
    const Admission* admission = admissions_.find(vm_id);
    if (!admission) return std::nullopt;
    Admission released = *admission;
    admissions_.erase(vm_id);
    changed(true);
    return released;
}

AdmissionTable Catalog::admissions() const {
    std::lock_guard lock(mutex_);
    return admissions_;
}

void Catalog::restore_admissions(AdmissionTable table) {
    std::lock_guard lock(mutex_);
    admissions_ = std::move(table);
    changed(true);
}

}  // namespace ringside::agent
