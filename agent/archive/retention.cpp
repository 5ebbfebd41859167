// What leaves the archive, and when.
#include <set>

#include "agent/archive/store.h"

namespace ringside::agent {

namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;
// How long it holds that a file is needed. An upstream that catches up frees files a minute later.
constexpr std::uint64_t kAskAgainNs = 60 * kNsPerS;

}  // namespace

const char* evict_reason_name(EvictReason reason) {
    switch (reason) {
        case EvictReason::kAge: return "age";
        case EvictReason::kBytes: return "bytes";
        case EvictReason::kBytesUnsent: return "bytes-unsent";
        case EvictReason::kTenant: return "tenant";
        case EvictReason::kTenantUnsent: return "tenant-unsent";
    }
    return "unknown";
}

// One call of maintain().
struct ArchiveStore::Round {
    std::uint64_t now_ns = 0;
    const Needed& needed;
    std::vector<Eviction> evicted = {};

    bool needs(const Vm& vm) const { return needed && needed(vm_key(vm->info())); }
};

std::vector<Eviction> ArchiveStore::maintain(std::uint64_t now_ns, const Needed& needed) {
    std::lock_guard lock(change_mutex_);
    Round round{now_ns, needed};
    if (auto opened = open_folder(); !opened.ok()) {
        note_error(opened.error(), now_ns);
        return round.evicted;
    }
    for (const std::string& name : std::set<std::string>(unreadable_)) load(name);
    if (now_ns < spared_ns_ || now_ns - spared_ns_ >= kAskAgainNs) {
        std::lock_guard index_lock(mutex_);
        spared_ = {};
        spared_ns_ = now_ns;
    }

    const std::uint64_t age_ns = bounds().max_age_s * kNsPerS;
    auto old = [&](const Order& order) { return now_ns > age_ns && order.first < now_ns - age_ns; };
    evict_unneeded(EvictReason::kAge, old, &round);
    evict_quarantined(now_ns);
    std::set<std::uint32_t> over;
    count([&](ArchiveStatus&) { over = index_.over_share(); });
    for (std::uint32_t uid : over) evict_of_tenant(uid, &round);
    evict_for_bytes(&round);
    // Without this a power cut could bring back a VM that the upstreams have forgotten.
    if (!round.evicted.empty()) {
        if (auto synced = sync_directory(fs_, directory_); !synced.ok()) note_evict_error(synced.error(), now_ns);
    }
    return round.evicted;
}

// From the oldest on, as long as `more` says so, those that nobody needs.
void ArchiveStore::evict_unneeded(EvictReason reason, const std::function<bool(const Order&)>& more, Round* round) {
    Order at;
    count([&](ArchiveStatus&) { at = spared_; });
    bool all_spared = true;
    while (Vm vm = next(at)) {
        Order order = ArchiveIndex::order_of(*vm);
        if (!more(order)) break;
        at = std::move(order);
        // One that could not be removed is tried again by the next call.
        if (!round->needs(vm) && !evict(vm, reason, round)) all_spared = false;
        if (all_spared) count([&](ArchiveStatus&) { spared_ = at; });
    }
}

// Of one tenant alone: the others do not pay for it.
void ArchiveStore::evict_of_tenant(std::uint32_t uid, Round* round) {
    for (bool unneeded_only : {true, false}) {
        Order at;
        while (over_share(uid)) {
            Vm vm;
            count([&](ArchiveStatus&) { vm = index_.next_of(uid, at); });
            if (!vm) break;
            at = ArchiveIndex::order_of(*vm);
            if (unneeded_only && round->needs(vm)) continue;
            evict(vm, unneeded_only ? EvictReason::kTenant : EvictReason::kTenantUnsent, round);
        }
    }
}

void ArchiveStore::evict_for_bytes(Round* round) {
    auto more = [this](const Order&) { return over_bytes(); };
    evict_unneeded(EvictReason::kBytes, more, round);
    if (!over_bytes()) return;
    // Before samples are lost to an upstream, all are asked for once more.
    count([this](ArchiveStatus&) { spared_ = {}; });
    evict_unneeded(EvictReason::kBytes, more, round);
    Order at;
    while (over_bytes()) {
        Vm vm = next(at);
        if (!vm) break;
        at = ArchiveIndex::order_of(*vm);
        evict(vm, EvictReason::kBytesUnsent, round);
    }
}

bool ArchiveStore::evict(const Vm& vm, EvictReason reason, Round* round) {
    if (auto removed = remove_file(fs_, vm->path()); !removed.ok()) {
        note_evict_error(removed.error(), round->now_ns);
        return false;
    }
    std::string key = vm_key(vm->info());
    std::lock_guard lock(mutex_);
    index_.erase(key);
    ++status_.evicted_files[static_cast<std::size_t>(reason)];
    status_.evicted_bytes[static_cast<std::size_t>(reason)] += vm->file_bytes();
    round->evicted.push_back({std::move(key), vm->file_bytes(), reason});
    return true;
}

void ArchiveStore::set_bounds(const ArchiveBounds& bounds) {
    std::lock_guard lock(mutex_);
    bounds_ = bounds;
    const bool shared = bounds.tenant_percent > 0 && bounds.max_bytes != UINT64_MAX;
    index_.set_tenant_bytes_max(shared ? bounds.max_bytes / 100 * bounds.tenant_percent : UINT64_MAX);
}

ArchiveBounds ArchiveStore::bounds() const {
    std::lock_guard lock(mutex_);
    return bounds_;
}

bool ArchiveStore::over_bytes() const {
    std::lock_guard lock(mutex_);
    return index_.bytes() + status_.quarantined_bytes > bounds_.max_bytes;
}

bool ArchiveStore::over_share(std::uint32_t uid) const {
    std::lock_guard lock(mutex_);
    return index_.over_share().contains(uid);
}

ArchiveStore::Vm ArchiveStore::next(const Order& after) const {
    std::lock_guard lock(mutex_);
    return index_.next(after);
}

}  // namespace ringside::agent
