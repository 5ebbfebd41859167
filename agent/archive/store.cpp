#include "agent/archive/store.h"

#include <algorithm>
#include <utility>

namespace ringside::agent {

namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;
// Each holds a descriptor until all are written. More of them would hardly be faster.
constexpr std::size_t kFilesTogether = 24;
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

ArchiveStore::ArchiveStore(FileSystem& fs, ArchiveOptions options) : fs_(fs), directory_(std::move(options.directory)) {
    set_bounds(options.bounds);
}

std::string ArchiveStore::path_of(const std::string& key) const { return directory_ + "/" + key + kArchiveSuffix; }

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
        std::lock_guard lock(mutex_);
        found_.push_back(*vm);
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
    unreadable_.erase(vm_key(vm->info()) + kArchiveSuffix);
    std::lock_guard lock(mutex_);
    index_.insert(vm);
    // An older one than those that were asked for last: ask again.
    if (ArchiveIndex::order_of(*vm) < spared_) spared_ = {};
}

// The file of this key after a check of every byte. Not in the index: its name may not be durable.
Result<ArchiveStore::Vm> ArchiveStore::look(const std::string& key) {
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
    return vm;
}

Result<std::shared_ptr<const ArchivedVm>> ArchiveStore::verified(const std::string& key) {
    if (auto plain = check_key(key); !plain.ok()) return plain.error();
    std::lock_guard lock(change_mutex_);
    if (auto opened = open_folder(); !opened.ok()) return opened.error();
    Result<Vm> vm = look(key);
    if (!vm.ok()) return vm;
    // A crash may have come between the rename and the sync of the folder.
    if (auto synced = sync_directory(fs_, directory_); !synced.ok()) return synced.error();
    insert(*vm);
    return vm;
}

Result<std::shared_ptr<const ArchivedVm>> ArchiveStore::add(const SeriesSource& source, const VmInfo& vm,
                                                            std::uint64_t now_ns) {
    return add_all({{&source, vm}}, now_ns).front();
}

// A file on its way into the index: one that was there, or one that is written.
struct ArchiveStore::Candidate {
    std::string key;
    Vm there;
    std::unique_ptr<DurableFile> file;  // null when there is nothing to write
    ArchiveWritten written;
};

std::vector<Result<std::shared_ptr<const ArchivedVm>>> ArchiveStore::add_all(
    const std::vector<ArchiveAddition>& additions, std::uint64_t now_ns) {
    std::vector<Result<Vm>> results;
    std::set<std::string> keys;
    std::vector<Result<Candidate>> candidates;
    std::lock_guard lock(change_mutex_);
    for (std::size_t i = 0; i < additions.size(); ++i) {
        const std::string key = vm_key(additions[i].vm);
        candidates.push_back(keys.insert(key).second
                                 ? write(additions[i], now_ns)
                                 : error(Code::kUnavailable, "two of a kind, " + key + ", one at a time"));
        if (candidates.size() < kFilesTogether && i + 1 < additions.size()) continue;
        make_durable(&candidates);
        for (const Result<Candidate>& one : candidates) {
            results.push_back(one.ok() ? accept(*one) : one.error());
            if (!results.back().ok()) note_error(results.back().error(), now_ns);
        }
        candidates.clear();
    }
    return results;
}

// Finds what is there already and writes what is not, up to where its bytes and its name have to last.
Result<ArchiveStore::Candidate> ArchiveStore::write(const ArchiveAddition& addition, std::uint64_t now_ns) {
    const VmInfo& vm = addition.vm;
    Candidate candidate{vm_key(vm), nullptr, nullptr, {}};
    if (auto plain = check_key(candidate.key); !plain.ok()) return plain.error();
    if (auto opened = open_folder(); !opened.ok()) return opened.error();
    Result<Vm> there = look(candidate.key);
    Vm earlier;
    if (there.ok()) {
        Result<bool> same = holds(**there, vm, *addition.source->schema());
        if (!same.ok()) return same.error();
        if (*same) {
            candidate.there = *there;
            return candidate;
        }
        // Of one that was written again and again the newest windows only: the file has a bound.
        if ((*there)->plain_bytes() <= archive_earlier_bytes_max(vm.segment_bytes)) earlier = *there;
    } else if (there.error().code == Code::kUnavailable) {
        return there.error();
    }
    // Nothing there, or less than the source has, or a file that cannot be read: a new one takes its place.

    Result<DurableFile> file = DurableFile::create(fs_, path_of(candidate.key));
    if (!file.ok()) return count_write_error(file.error());
    Result<ArchiveWritten> written = write_archive(&*file, *addition.source, vm, now_ns, earlier.get());
    if (!written.ok()) return count_write_error(written.error());
    candidate.file = std::make_unique<DurableFile>(std::move(*file));
    candidate.written = *written;
    return candidate;
}

// All files and then all names, those of an earlier run that may have ended before its sync of the folder included.
void ArchiveStore::make_durable(std::vector<Result<Candidate>>* candidates) {
    std::vector<DurableFile*> files;
    std::vector<Result<Candidate>*> of;
    bool any = false;
    for (Result<Candidate>& one : *candidates) {
        if (!one.ok()) continue;
        any = true;
        if (!one->file) continue;
        files.push_back(one->file.get());
        of.push_back(&one);
    }
    const std::vector<Result<void>> named = DurableFile::name_all(fs_, files);
    for (std::size_t i = 0; i < named.size(); ++i) {
        if (!named[i].ok()) *of[i] = count_write_error(named[i].error());
    }
    if (!any) return;
    auto synced = sync_directory(fs_, directory_);
    for (Result<Candidate>& one : *candidates) {
        if (one.ok() && !synced.ok()) one = one->file ? count_write_error(synced.error()) : synced.error();
    }
}

// Into the index with what is durable.
Result<ArchiveStore::Vm> ArchiveStore::accept(const Candidate& candidate) {
    Vm vm = candidate.there;
    if (candidate.file) {
        // The segment is removed on the word of this file, so what is there is read once before it counts.
        Result<Vm> written = look(candidate.key);
        if (!written.ok()) {
            const Error why = count_write_error(written.error());
            if (why.code != Code::kNotFound) return why;
            return error(Code::kIo, "the archive file of " + candidate.key +
                                        " does not read back as it was written; look at the disk");
        }
        vm = *written;
        count([&](ArchiveStatus& status) {
            ++status.written_files;
            status.written_bytes += candidate.written.bytes;
            status.unreadable_runs += candidate.written.unreadable_runs;
        });
    }
    insert(vm);
    return vm;
}

std::shared_ptr<const ArchivedVm> ArchiveStore::find(const std::string& key) const {
    std::lock_guard lock(mutex_);
    return index_.find(key);
}

std::vector<std::shared_ptr<const ArchivedVm>> ArchiveStore::find_all(const std::string& vm_id) const {
    std::lock_guard lock(mutex_);
    return index_.find_all(vm_id);
}

std::vector<std::shared_ptr<const ArchivedVm>> ArchiveStore::list() const {
    std::lock_guard lock(mutex_);
    return index_.list();
}

std::vector<std::shared_ptr<const ArchivedVm>> ArchiveStore::take_found() {
    std::lock_guard lock(mutex_);
    std::vector<Vm> found = std::exchange(found_, {});
    // Evicted since, perhaps by the call that found it.
    std::erase_if(found, [this](const Vm& vm) { return index_.find(vm_key(vm->info())) != vm; });
    return found;
}

ArchiveStatus ArchiveStore::status() const {
    std::lock_guard lock(mutex_);
    ArchiveStatus status = status_;
    status.files = index_.files();
    status.bytes = index_.bytes();
    status.oldest_end_ns = index_.oldest_end_ns();
    return status;
}

Error ArchiveStore::count_write_error(const Error& error) {
    count([](ArchiveStatus& status) { ++status.write_errors; });
    return error;
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

}  // namespace ringside::agent
