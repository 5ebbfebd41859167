#include "agent/catalog/catalog.h"

#include <algorithm>
#include <tuple>

namespace ringside::agent {
namespace {

// By what a list of VMs is ordered.
auto rank(const VmInfo& vm) { return std::tie(vm.vm_id, vm.component, vm.created_ns, vm.epoch); }

}  // namespace

Catalog::Catalog(CatalogOptions options, EventBus& events)
    : events_(events),
      quarantine_max_(options.quarantine_max),
      trusted_uids_(std::move(options.trusted_uids)),
      budgets_(options.budgets),
      quarantine_(quarantine_max_),
      quarantine_news_(options.quarantine_news) {}

void Catalog::changed(bool rules) {
    view_ = nullptr;
    if (rules) ++rules_version_;
}

bool Catalog::holds(const std::string& file, std::uint64_t inode) const {
    std::lock_guard lock(mutex_);
    auto at = key_of_file_.find(file);
    return at != key_of_file_.end() && by_key_.at(at->second).stamp.inode == inode;
}

bool Catalog::worth_opening(const std::string& file, const FileStamp& stamp, bool sweep) const {
    std::lock_guard lock(mutex_);
    if (auto at = key_of_file_.find(file); at != key_of_file_.end()) {
        return !by_key_.at(at->second).stamp.same_file(stamp);
    }
    return quarantine_.worth_opening(file, stamp, rules_version_, sweep);
}

std::optional<QuarantinedFile> Catalog::refuse(const std::string& file, const FileStamp& stamp, const VmInfo& vm,
                                               const Demand& demand, std::uint64_t now_ns) const {
    auto refused = judge(vm, demand);
    if (!refused) return std::nullopt;
    refused->file = file;
    refused->uid = vm.uid;
    refused->since_ns = now_ns;
    refused->stamp = stamp;
    refused->retry = Retry::kOnRules;
    refused->rules_version = rules_version_;
    return refused;
}

std::optional<QuarantinedFile> Catalog::refusal_of(const std::string& file, const FileStamp& stamp, const VmInfo& vm,
                                                   const SchemaInfo& schema, std::uint64_t now_ns) const {
    std::lock_guard lock(mutex_);
    return refuse(file, stamp, vm, demand_of(vm, schema), now_ns);
}

std::optional<QuarantinedFile> Catalog::add(Candidate candidate, std::uint64_t now_ns) {
    const Demand demand = demand_of(candidate.info, candidate.layout->schema());
    std::lock_guard lock(mutex_);
    if (auto refused = refuse(candidate.file, candidate.stamp, candidate.info, demand, now_ns)) return refused;
    quarantine_.erase(candidate.file);
    auto entry = std::make_shared<const CatalogVm>(std::move(candidate.info), std::move(candidate.source),
                                                   std::move(candidate.layout));
    key_of_file_[candidate.file] = entry->key();
    used_ += demand;
    ++segments_;
    events_.publish(event_of(EventKind::kAppeared, entry->known(), now_ns));
    if (entry->state() == VmState::kExited) {
        events_.publish(event_of(EventKind::kExited, entry->known(), now_ns));
    }
    admissions_.set_present(entry->known().vm_id, true, now_ns, budgets_.admission_ttl_ns);
    std::string key = entry->key();
    by_key_[std::move(key)] = {std::move(entry), demand, candidate.file, candidate.stamp, true};
    changed(false);
    return std::nullopt;
}

bool Catalog::quarantine(QuarantinedFile file, const VmInfo* vm_if_known, std::uint64_t now_ns) {
    Event event;
    if (vm_if_known) event = event_of(EventKind::kQuarantined, *vm_if_known, now_ns);
    event.kind = EventKind::kQuarantined;
    event.time_ns = now_ns;
    event.uid = file.uid;
    event.file = file.file;
    event.reason = file.reason;
    event.detail = file.detail;

    std::lock_guard lock(mutex_);
    const bool told = quarantine_.put(std::move(file)) && quarantine_news_.take(event.uid, now_ns);
    if (told) events_.publish(std::move(event));
    return told;
}

bool Catalog::set_unlinked(const std::string& file) {
    std::lock_guard lock(mutex_);
    quarantine_.erase(file);
    auto at = key_of_file_.find(file);
    if (at == key_of_file_.end()) return false;
    Slot& slot = by_key_.at(at->second);
    slot.file.clear();
    key_of_file_.erase(at);
    return slot.entry->state() != VmState::kDrained;
}

std::vector<std::string> Catalog::files() const {
    std::lock_guard lock(mutex_);
    std::vector<std::string> files;
    files.reserve(key_of_file_.size() + quarantine_.all().size());
    for (const auto& [file, key] : key_of_file_) files.push_back(file);
    for (const auto& [file, quarantined] : quarantine_.all()) files.push_back(file);
    return files;
}

void Catalog::replace(Slot& slot, VmInfo info, std::shared_ptr<const Layout> layout) {
    if (!layout) layout = *slot.entry->layout();  // That of a segment is always there.
    slot.entry = std::make_shared<const CatalogVm>(std::move(info), slot.entry->source(), std::move(layout));
    changed(false);
}

void Catalog::set_running(const std::string& key, const VmInfo& info) {
    std::lock_guard lock(mutex_);
    auto at = by_key_.find(key);
    if (at == by_key_.end() || at->second.entry->state() != VmState::kProvisioned) return;
    VmInfo running = info;
    running.state = VmState::kRunning;
    replace(at->second, std::move(running), nullptr);
}

void Catalog::set_layout(const std::string& key, std::shared_ptr<const Layout> layout) {
    std::lock_guard lock(mutex_);
    auto at = by_key_.find(key);
    if (at == by_key_.end() || at->second.entry->state() == VmState::kDrained) return;
    const CatalogVm& entry = *at->second.entry;
    replace(at->second, entry.known(), std::move(layout));
}

void Catalog::set_exited(const std::string& key, const VmInfo& info, std::uint64_t now_ns) {
    std::lock_guard lock(mutex_);
    auto at = by_key_.find(key);
    if (at == by_key_.end() || !is_live(at->second.entry->state())) return;
    VmInfo exited = info;
    exited.state = VmState::kExited;
    replace(at->second, std::move(exited), nullptr);
    events_.publish(event_of(EventKind::kExited, at->second.entry->known(), now_ns));
}

void Catalog::set_waiting(std::multiset<std::pair<std::string, std::uint32_t>> waiting) {
    std::lock_guard lock(mutex_);
    waiting_ = std::move(waiting);
}

bool Catalog::end_sweep(std::uint64_t now_ns) {
    std::lock_guard lock(mutex_);
    bool any = false;
    std::vector<std::pair<std::string, bool>> seen;
    for (const auto& [vm_id, admission] : admissions_.all()) seen.emplace_back(vm_id, has_segment(vm_id));
    for (const auto& [vm_id, present] : seen) {
        any |= admissions_.set_present(vm_id, present, now_ns, budgets_.admission_ttl_ns);
    }
    auto waits = [this](const Admission& one) { return waiting_.contains({one.vm_id, one.uid}); };
    any |= !admissions_.expire(now_ns, waits).empty();
    if (any) changed(true);
    return any;
}

void Catalog::give_back(Slot& slot) {
    if (!slot.has_segment) return;
    key_of_file_.erase(slot.file);
    used_ -= slot.demand;
    --segments_;
    slot = {std::move(slot.entry), Demand{}, "", FileStamp{}, false};
}

void Catalog::add_drained(std::shared_ptr<const SeriesSource> archived) {
    VmInfo info = archived->vm();
    info.state = VmState::kDrained;
    auto entry = std::make_shared<const CatalogVm>(std::move(info), std::move(archived), layouts_);
    std::lock_guard lock(mutex_);
    std::string key = entry->key();
    by_key_.try_emplace(std::move(key), Slot{std::move(entry), Demand{}, "", FileStamp{}, false});
    changed(false);
}

void Catalog::set_drained(const std::string& key, std::shared_ptr<const SeriesSource> archived) {
    VmInfo info = archived->vm();
    info.state = VmState::kDrained;
    auto entry = std::make_shared<const CatalogVm>(std::move(info), std::move(archived), layouts_);
    std::lock_guard lock(mutex_);
    auto at = by_key_.find(key);
    // One that is drained already may have got another archive file from a drain that was repeated.
    if (at == by_key_.end() || is_live(at->second.entry->state())) return;
    at->second.entry = std::move(entry);
    changed(false);
}

void Catalog::set_undrained(const std::string& key, std::shared_ptr<const SeriesSource> segment) {
    VmInfo info = segment->vm();
    info.state = VmState::kExited;
    auto entry = std::make_shared<const CatalogVm>(std::move(info), std::move(segment), layouts_);
    std::lock_guard lock(mutex_);
    auto at = by_key_.find(key);
    if (at == by_key_.end() || at->second.entry->state() != VmState::kDrained) return;
    if (!at->second.has_segment) {  // It went in between: nothing is left of the VM.
        by_key_.erase(at);
        changed(true);
        return;
    }
    at->second.entry = std::move(entry);
    changed(false);
}

void Catalog::segment_removed(const std::string& key, std::uint64_t now_ns) {
    std::lock_guard lock(mutex_);
    auto at = by_key_.find(key);
    if (at == by_key_.end() || at->second.entry->state() != VmState::kDrained) return;
    give_back(at->second);
    changed(true);
    events_.publish(event_of(EventKind::kDrained, at->second.entry->known(), now_ns));
}

void Catalog::remove(const std::string& key) {
    std::lock_guard lock(mutex_);
    auto at = by_key_.find(key);
    if (at == by_key_.end()) return;
    give_back(at->second);
    by_key_.erase(at);
    changed(true);
}

std::shared_ptr<const CatalogView> Catalog::view() const {
    std::lock_guard lock(mutex_);
    if (!view_) {
        auto view = std::make_shared<CatalogView>();
        view->vms.reserve(by_key_.size());
        for (const auto& [key, slot] : by_key_) view->vms.push_back(slot.entry);
        std::sort(view->vms.begin(), view->vms.end(),
                  [](const CatalogVmPtr& a, const CatalogVmPtr& b) { return rank(a->known()) < rank(b->known()); });
        view_ = std::move(view);
    }
    return view_;
}

CatalogVmPtr Catalog::find(const std::string& key) const {
    std::lock_guard lock(mutex_);
    auto at = by_key_.find(key);
    return at == by_key_.end() ? nullptr : at->second.entry;
}

std::vector<QuarantinedFile> Catalog::quarantined() const {
    std::vector<QuarantinedFile> files;
    {
        std::lock_guard lock(mutex_);
        files.reserve(quarantine_.all().size());
        for (const auto& [name, file] : quarantine_.all()) files.push_back(file);
    }
    std::stable_sort(files.begin(), files.end(),
                     [](const QuarantinedFile& a, const QuarantinedFile& b) { return a.since_ns > b.since_ns; });
    return files;
}

std::map<std::string, std::uint64_t> Catalog::quarantined_by_reason() const {
    std::lock_guard lock(mutex_);
    return quarantine_.count_by_reason();
}

std::uint64_t Catalog::quarantine_overflowed() const {
    std::lock_guard lock(mutex_);
    return quarantine_.overflowed();
}

std::uint64_t Catalog::quarantine_untold() const {
    std::lock_guard lock(mutex_);
    return quarantine_news_.untold_total();
}

std::map<std::uint32_t, std::uint64_t> Catalog::take_quarantine_untold() {
    std::lock_guard lock(mutex_);
    return quarantine_news_.take_untold();
}

CatalogUsage Catalog::usage() const {
    std::lock_guard lock(mutex_);
    return {used_, segments_, admissions_.reserved(), admissions_.reserved_count(), waiting_.size()};
}

Budgets Catalog::budgets() const {
    std::lock_guard lock(mutex_);
    return budgets_;
}

void Catalog::set_budgets(const Budgets& budgets) {
    std::lock_guard lock(mutex_);
    budgets_ = budgets;
    changed(true);
}

}  // namespace ringside::agent
