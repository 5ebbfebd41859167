#include "agent/archive/store.h"

#include <algorithm>
#include <utility>

namespace ringside::agent {

namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;
// The name, ".rsa" and ".tmp" have to fit the 255 bytes of a folder's entry.
constexpr std::size_t kKeyBytesMax = 240;

Result<void> check_key(const std::string& key) {
    bool plain = !key.empty() && key.size() <= kKeyBytesMax && key.front() != '.' &&
                 key.find('/') == std::string::npos && key.find('\0') == std::string::npos;
    if (plain) return {};
    return error(Code::kInvalid,
                 "a VM named \"" + key.substr(0, 80) + "\" cannot be archived: the name does not make a file's name");
}

// Whether the archive has just what the segment of `vm` has. kExists when they are not of one life at all: the epoch
// in the key is random, so this is a file that somebody copied. Times of creation may differ, for a reader clamps
// them to its clock.
Result<bool> holds(const ArchivedVm& archived, const VmInfo& vm, const SchemaInfo& schema) {
    const VmInfo& old = archived.info();
    if (archived.schema()->hash != schema.hash || old.uid != vm.uid || old.segment_bytes != vm.segment_bytes) {
        return error(Code::kExists,
                     "the archive has another VM under the key " + vm_key(vm) + "; its segment is kept, look at both");
    }
    // Another one, when the VM was taken for dead too early and went on to write.
    return old.recorded_hash == vm.recorded_hash;
}

}  // namespace

const char* evict_reason_name(EvictReason reason) {
    switch (reason) {
        case EvictReason::kAge: return "age";
        case EvictReason::kBytes: return "bytes";
        case EvictReason::kBytesUnsent: return "bytes-unsent";
    }
    return "unknown";
}

ArchiveStore::ArchiveStore(FileSystem& fs, ArchiveOptions options)
    : fs_(fs), directory_(std::move(options.directory)), bounds_(options.bounds) {}

std::string ArchiveStore::path_of(const std::string& key) const { return directory_ + "/" + key + kArchiveSuffix; }

ArchiveStore::Order ArchiveStore::order_of(const ArchivedVm& vm) {
    // A clock that ran years ahead must not keep a file for years.
    std::uint64_t ended_ns = vm.info().ended_ns;
    if (ended_ns == 0 || ended_ns > vm.archived_ns()) ended_ns = vm.archived_ns();
    return {ended_ns, vm_key(vm.info())};
}

Result<void> ArchiveStore::open() {
    std::lock_guard lock(change_mutex_);
    return open_folder();
}

Result<void> ArchiveStore::open_folder() {
    if (opened_) return {};
    if (auto made = make_directories(fs_, directory_); !made.ok()) return made;
    Result<std::vector<std::string>> names = list_directory(fs_, directory_);
    if (!names.ok()) return names.error();
    for (const std::string& name : *names) {
        if (name.ends_with(kTemporarySuffix)) {
            // On a read-only disk it stays; nobody reads it.
            if (remove_file(fs_, directory_ + "/" + name).ok()) {
                count([](ArchiveStatus& status) { ++status.leftovers_removed; });
            }
        } else if (name.ends_with(kArchiveSuffix)) {
            load(name);
        }
    }
    // What it holds only counts towards the bound, so that an unreadable one stops nothing.
    if (!scan_quarantine().ok()) quarantined_.clear();
    opened_ = true;
    return {};
}

// Takes one file into the index, sets it aside, or remembers to try again.
void ArchiveStore::load(const std::string& name) {
    Result<Vm> vm = ArchivedVm::open(fs_, directory_ + "/" + name, schemas_);
    if (vm.ok() && vm_key((*vm)->info()) + kArchiveSuffix != name) {
        vm = error(Code::kCorrupt, "it holds " + vm_key((*vm)->info()) + ", another VM than its name says");
    }
    unreadable_.erase(name);
    if (vm.ok()) {
        insert(*vm);
    } else if (vm.error().code == Code::kCorrupt) {
        set_aside(name, vm.error());
    } else if (vm.error().code == Code::kUnavailable && vm.error().errno_value == 0) {
        count([](ArchiveStatus& status) { ++status.newer_files; });
    } else if (vm.error().code != Code::kNotFound) {
        unreadable_.insert(name);
    }
    count([this](ArchiveStatus& status) { status.unreadable_files = unreadable_.size(); });
}

void ArchiveStore::insert(const Vm& vm) {
    std::lock_guard lock(mutex_);
    Order order = order_of(*vm);
    auto [at, added] = by_key_.try_emplace(order.second, vm);
    if (!added) {
        status_.bytes -= at->second->file_bytes();
        by_age_.erase(order_of(*at->second));
        at->second = vm;
    }
    by_age_[std::move(order)] = vm;
    status_.files = by_key_.size();
    status_.bytes += vm->file_bytes();
}

Result<ArchiveStore::Vm> ArchiveStore::look(const std::string& key, Sync sync) {
    Result<Vm> vm = ArchivedVm::open(fs_, path_of(key), schemas_);
    if (vm.ok() && vm_key((*vm)->info()) != key) {
        vm = error(Code::kCorrupt, "it holds another VM than its name says");
    }
    if (vm.ok()) {
        if (auto sound = (*vm)->verify(); !sound.ok()) vm = sound.error();
    }
    if (!vm.ok() && vm.error().code == Code::kCorrupt) {
        set_aside(key + kArchiveSuffix, vm.error());
        return error(Code::kNotFound, "the archive file of " + key + " was corrupt and is set aside");
    }
    if (!vm.ok()) return vm;
    // A crash may have come between the rename and the sync of the folder.
    if (sync == Sync::kYes) {
        if (auto synced = sync_directory(fs_, directory_); !synced.ok()) return synced.error();
    }
    unreadable_.erase(key + kArchiveSuffix);
    insert(*vm);
    return vm;
}

Result<std::shared_ptr<const ArchivedVm>> ArchiveStore::verified(const std::string& key) {
    if (auto plain = check_key(key); !plain.ok()) return plain.error();
    std::lock_guard lock(change_mutex_);
    if (auto opened = open_folder(); !opened.ok()) return opened.error();
    return look(key, Sync::kYes);
}

Result<std::shared_ptr<const ArchivedVm>> ArchiveStore::add(const SeriesSource& source, const VmInfo& vm,
                                                            std::uint64_t now_ns) {
    if (auto plain = check_key(vm_key(vm)); !plain.ok()) return plain.error();
    std::lock_guard lock(change_mutex_);
    Result<Vm> archived = archive(source, vm, now_ns);
    if (!archived.ok()) note_error(archived.error(), now_ns);
    return archived;
}

Result<ArchiveStore::Vm> ArchiveStore::archive(const SeriesSource& source, const VmInfo& vm, std::uint64_t now_ns) {
    if (auto opened = open_folder(); !opened.ok()) return opened.error();
    const std::string key = vm_key(vm);
    Result<Vm> there = look(key, Sync::kYes);
    Vm earlier;
    if (there.ok()) {
        Result<bool> same = holds(**there, vm, *source.schema());
        if (!same.ok()) return same.error();
        if (*same) return there;
        // Of one that was written again and again the newest windows only: the file has a bound.
        if ((*there)->plain_bytes() <= archive_earlier_bytes_max(vm.segment_bytes)) earlier = *there;
    } else if (there.error().code == Code::kUnavailable) {
        return there;
    }
    // Nothing there, or less than the source has, or a file that cannot be read: a new one takes its place.

    Result<ArchiveWritten> written = write_archive(fs_, path_of(key), source, vm, now_ns, earlier.get());
    if (!written.ok()) {
        count([](ArchiveStatus& status) { ++status.write_errors; });
        return written.error();
    }
    // The segment is removed on the word of this file, so what is there is read once before it counts.
    there = look(key, Sync::kNo);
    if (!there.ok()) {
        count([](ArchiveStatus& status) { ++status.write_errors; });
        if (there.error().code != Code::kNotFound) return there;
        return error(Code::kIo,
                     "the archive file of " + key + " does not read back as it was written; look at the disk");
    }
    count([&](ArchiveStatus& status) {
        ++status.written_files;
        status.written_bytes += written->bytes;
        status.unreadable_runs += written->unreadable_runs;
    });
    return there;
}

std::shared_ptr<const ArchivedVm> ArchiveStore::find(const std::string& key) const {
    std::lock_guard lock(mutex_);
    auto found = by_key_.find(key);
    return found == by_key_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<const ArchivedVm>> ArchiveStore::find_all(const std::string& vm_id) const {
    std::vector<Vm> found;
    {
        std::lock_guard lock(mutex_);
        // Keys begin with the name and a dot, but a name may hold dots, too.
        for (auto at = by_key_.lower_bound(vm_id + "."); at != by_key_.end(); ++at) {
            if (!at->first.starts_with(vm_id + ".")) break;
            if (at->second->info().vm_id == vm_id) found.push_back(at->second);
        }
    }
    std::sort(found.begin(), found.end(), [](const Vm& a, const Vm& b) { return order_of(*a) < order_of(*b); });
    return found;
}

std::vector<std::shared_ptr<const ArchivedVm>> ArchiveStore::list() const {
    std::lock_guard lock(mutex_);
    std::vector<Vm> all;
    all.reserve(by_age_.size());
    for (const auto& [order, vm] : by_age_) all.push_back(vm);
    return all;
}

ArchiveStatus ArchiveStore::status() const {
    std::lock_guard lock(mutex_);
    ArchiveStatus status = status_;
    status.oldest_end_ns = by_age_.empty() ? 0 : by_age_.begin()->first.first;
    return status;
}

std::vector<Eviction> ArchiveStore::maintain(std::uint64_t now_ns, const Needed& needed) {
    std::lock_guard lock(change_mutex_);
    std::vector<Eviction> evicted;
    if (auto opened = open_folder(); !opened.ok()) {
        note_error(opened.error(), now_ns);
        return evicted;
    }
    for (const std::string& name : std::set<std::string>(unreadable_)) load(name);

    std::uint64_t age_ns = bounds().max_age_s * kNsPerS;
    auto is_needed = [&needed](const Vm& vm) { return needed && needed(vm_key(vm->info())); };
    for (const Vm& vm : list()) {
        bool old = now_ns > age_ns && order_of(*vm).first < now_ns - age_ns;
        if (!old) break;
        if (!is_needed(vm)) evict(vm, EvictReason::kAge, now_ns, &evicted);
    }
    evict_quarantined(now_ns);
    if (over_bytes()) {
        for (const Vm& vm : list()) {
            if (!over_bytes()) break;
            if (!is_needed(vm)) evict(vm, EvictReason::kBytes, now_ns, &evicted);
        }
        for (const Vm& vm : list()) {
            if (!over_bytes()) break;
            evict(vm, EvictReason::kBytesUnsent, now_ns, &evicted);
        }
    }
    // Without this a power cut could bring back a VM that the upstreams have forgotten.
    if (!evicted.empty()) {
        if (auto synced = sync_directory(fs_, directory_); !synced.ok()) note_evict_error(synced.error(), now_ns);
    }
    return evicted;
}

void ArchiveStore::set_bounds(const ArchiveBounds& bounds) {
    std::lock_guard lock(mutex_);
    bounds_ = bounds;
}

ArchiveBounds ArchiveStore::bounds() const {
    std::lock_guard lock(mutex_);
    return bounds_;
}

bool ArchiveStore::over_bytes() const {
    std::lock_guard lock(mutex_);
    return status_.bytes + status_.quarantined_bytes > bounds_.max_bytes;
}

void ArchiveStore::note_error(const Error& error, std::uint64_t now_ns) {
    count([&](ArchiveStatus& status) {
        status.last_error = error.message();
        status.last_error_ns = now_ns;
    });
}

void ArchiveStore::note_evict_error(const Error& error, std::uint64_t now_ns) {
    count([](ArchiveStatus& status) { ++status.evict_errors; });
    note_error(error, now_ns);
}

bool ArchiveStore::evict(const Vm& vm, EvictReason reason, std::uint64_t now_ns, std::vector<Eviction>* evicted) {
    if (auto removed = remove_file(fs_, vm->path()); !removed.ok()) {
        note_evict_error(removed.error(), now_ns);
        return false;
    }
    Order order = order_of(*vm);
    std::lock_guard lock(mutex_);
    by_key_.erase(order.second);
    by_age_.erase(order);
    status_.files = by_key_.size();
    status_.bytes -= vm->file_bytes();
    ++status_.evicted_files[static_cast<std::size_t>(reason)];
    status_.evicted_bytes[static_cast<std::size_t>(reason)] += vm->file_bytes();
    evicted->push_back({order.second, vm->file_bytes(), reason});
    return true;
}

}  // namespace ringside::agent
