#include "agent/scanner.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "agent/base/clock.h"
#include "agent/log.h"
#include "agent/units.h"

namespace ringside::agent {
namespace {

// A thousand writers or so; of one that makes its mappings long, fewer.
constexpr std::uint64_t kMeetingsNsPerPass = 100'000'000;
constexpr const char* kWaitingHelp = "Files left alone until there is room for one more open segment.";

VmInfo named(const SegmentName& name) {
    VmInfo vm;
    vm.vm_id = name.vm_id;
    vm.component = name.component;
    vm.epoch = name.epoch;
    return vm;
}

std::string key_of(const SegmentName& name) { return vm_key(named(name)); }

std::string summary(const VmInfo& vm) {
    return "VM " + vm_key(vm) + " of user " + std::to_string(vm.uid) + ", " + size_text(vm.segment_bytes) + ", " +
           std::to_string(vm.series_count) + " series";
}

// Not when the folder was removed, and not when another one has its name: VMs would write to that one.
bool is_still_there(const SegmentDirectory& folder) {
    struct stat opened {
    }, named{};
    if (::fstat(folder.descriptor(), &opened) < 0 || opened.st_nlink == 0) return false;
    return ::stat(folder.path().c_str(), &named) == 0 && named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
}

// The reason may pass by itself: the file is opened again at each sweep.
bool may_pass(QuarantineReason reason) {
    return reason == QuarantineReason::kUnreadable || reason == QuarantineReason::kBusy;
}

}  // namespace

Scanner::Scanner(SegmentDirectory folder, Catalog& catalog, ScanLimits limits, Metrics& metrics,
                 std::function<void(const std::string& key)> dead)
    : catalog_(catalog),
      dead_(std::move(dead)),
      schemas_(make_layout_cache()),
      folder_(std::make_shared<const SegmentDirectory>(std::move(folder))),
      limits_(limits),
      opened_(metrics.counter("ringside_scan_files_opened_total", "Files opened to see whether they are segments.")),
      later_(metrics.counter("ringside_scan_files_busy_total",
                             "Times that a file could not be opened and is tried again: a lease, no descriptors.")),
      reaped_(metrics.counter("ringside_scan_leftovers_removed_total",
                              "Files under creation that were removed: old and without a writer.")),
      cut_(metrics.counter("ringside_scan_cut_total", "Scans that met more names in the folder than they look at.")),
      unlinked_live_(metrics.counter("ringside_scan_unlinked_total",
                                     "Segments whose name vanished or was taken while the VM was not drained yet.")),
      waiting_living_gauge_(metrics.gauge("ringside_scan_files_waiting", kWaitingHelp, {{"state", "living"}})),
      waiting_dead_gauge_(metrics.gauge("ringside_scan_files_waiting", kWaitingHelp, {{"state", "dead"}})) {}

std::optional<Scanner::FileStatus> Scanner::look_at(const SegmentDirectory& folder, const std::string& file) {
    struct stat status {};
    if (::fstatat(folder.descriptor(), file.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) return std::nullopt;
    FileStatus found;
    found.stamp = {status.st_dev, status.st_ino, static_cast<std::uint64_t>(status.st_size),
                   timespec_ns(status.st_ctim)};
    found.uid = status.st_uid;
    found.modified_ns = std::max(timespec_ns(status.st_mtim), timespec_ns(status.st_ctim));
    found.regular = S_ISREG(status.st_mode);
    return found;
}

Result<bool> Scanner::look(std::uint64_t now_ns, bool sweep) {
    const auto at = folder();
    if (!is_still_there(*at)) {
        return error(Code::kNotFound, "the segment folder " + at->path() + " was removed or moved away");
    }
    // Whoever makes a flood of bad files can also make a flood of notices: then the clock alone decides.
    if (flooded_ && !sweep) return false;
    meetings_left_ns_ = kMeetingsNsPerPass;
    auto listing = at->scan();
    if (!listing) return listing.error();
    if (listing->cut) cut_.add();
    forget_names(*listing);
    creating_.clear();
    for (const FolderEntry& entry : listing->entries) {
        if (entry.kind == EntryKind::kCreating) creating_.push_back(entry.file_name);
    }
    const std::uint64_t untold = catalog_.quarantine_overflowed() + catalog_.quarantine_untold();
    const bool more = look_through(*at, listing->entries, now_ns, sweep);
    tell_of_waiting();
    flooded_ = catalog_.quarantine_overflowed() + catalog_.quarantine_untold() != untold;
    if (sweep) tell_of_the_untold();
    return more;
}

// Opens what is worth it, in the order of names from where the last pass of this kind ended, so that no flood of files
// keeps a VM from its turn.
bool Scanner::look_through(const SegmentDirectory& at, const std::vector<FolderEntry>& entries, std::uint64_t now_ns,
                           bool sweep) {
    std::string& resume = sweep ? resume_sweep_ : resume_discover_;
    std::size_t opens_left = limits().opens_per_pass;
    take_in_waiting(at, true, false, now_ns, &opens_left);
    take_in_waiting(at, false, false, now_ns, &opens_left);
    for (const FolderEntry& entry : entries) {
        if (entry.kind != EntryKind::kSegment || entry.file_name < resume) continue;
        if (living_waiting_.holds(entry) || dead_waiting_.holds(entry)) continue;
        if (catalog_.holds(entry.file_name, entry.inode)) continue;
        auto found = look_at(at, entry.file_name);
        if (!found || !catalog_.worth_opening(entry.file_name, found->stamp, sweep)) continue;
        if (opens_left-- == 0) {
            resume = entry.file_name;
            return true;
        }
        take_in(at, entry, *found, now_ns);
    }
    resume.clear();
    // Those that have died meanwhile have another room.
    if (sweep) take_in_waiting(at, false, true, now_ns, &opens_left);
    return false;
}

// One line per user and sweep for all files that were too many for lines of their own.
void Scanner::tell_of_the_untold() {
    for (const auto& [uid, files] : catalog_.take_quarantine_untold()) {
        const std::string user = uid == NewsBudget::kOtherUsers ? "further users" : "user " + std::to_string(uid);
        log_warning(std::to_string(files) + " more files of " + user + " were put into quarantine");
    }
}

// Names that the catalog believes in and that are not in the folder any more.
void Scanner::forget_names(const FolderListing& listing) {
    const auto is_there = [&](const std::string& file) {
        return std::ranges::binary_search(listing.entries, file, {}, &FolderEntry::file_name);
    };
    for (Waiting* waiting : {&living_waiting_, &dead_waiting_}) {
        std::erase_if(waiting->files, [&](const auto& file) { return !is_there(file.first); });
    }
    if (listing.cut) return;  // What was not listed may still be there.
    for (const std::string& file : catalog_.files()) {
        if (!is_there(file) && catalog_.set_unlinked(file)) unlinked_live_.add();
    }
}

void Scanner::take_in(const SegmentDirectory& folder, const FolderEntry& entry, const FileStatus& status,
                      std::uint64_t now_ns) {
    const std::string key = key_of(entry.name);
    if (auto known = find(key)) {
        // Open already, and on its way into the archive or out of the folder.
        if (known->segment->file().inode == status.stamp.inode) return;
        // Another file under the name of a VM that is open: the VM goes on through its descriptor (C1).
        if (catalog_.set_unlinked(entry.file_name)) unlinked_live_.add();
    }
    OpenOptions options;
    options.max_segment_bytes = limits().max_segment_bytes;
    opened_.add();
    Opened opened = open_segment(folder, entry.file_name, *schemas_, options);
    switch (opened.verdict) {
        case OpenVerdict::kGone: return;
        case OpenVerdict::kLater: later_.add(); return;
        case OpenVerdict::kRefused: refuse(entry.file_name, status, entry.name, opened.refusal, now_ns); return;
        case OpenVerdict::kAccepted: break;
    }
    LiveSegment& segment = *opened.segment;
    const Life life = segment.probe().life;
    const bool dead = life == Life::kDead;
    if (!has_room(dead)) {
        (dead ? dead_waiting_ : living_waiting_).files[entry.file_name] = {entry, segment.file().uid};
        return;
    }
    if (take_in_leftover(opened, entry.file_name, life)) return;

    VmInfo info = segment.vm();
    if (life == Life::kWaiting) info.state = VmState::kProvisioned;
    if (life == Life::kAlive || life == Life::kUnknown) info.state = VmState::kRunning;
    if (dead) info.state = VmState::kExited;
    const FileStamp stamp{segment.file().device, segment.file().inode, status.stamp.bytes, status.stamp.changed_ns};
    // Before anything is read whose length its owner chooses.
    if (auto refused = catalog_.refusal_of(entry.file_name, stamp, info, *segment.schema(), now_ns)) {
        return quarantine(std::move(*refused), info, now_ns);
    }

    auto series = segment.series();
    auto layout = series ? catalog_.layouts().intern(segment.schema(), *series)
                         : Result<std::shared_ptr<const Layout>>(series.error());
    if (!layout) {
        if (layout.error().code == Code::kUnavailable) return later_.add();
        const Refusal bad{QuarantineReason::kBadDirectory, layout.error().message()};
        return refuse(entry.file_name, status, entry.name, segment.condition().value_or(bad), now_ns);
    }
    if (dead && !segment.settle()) {
        if (auto bad = segment.condition()) return refuse(entry.file_name, status, entry.name, *bad, now_ns);
        return later_.add();
    }
    if (dead) {
        info = segment.vm();  // Settled, it has the cause.
        probe_lives_of(entry.name, now_ns);
    }
    if (auto refused = catalog_.add({entry.file_name, stamp, info, opened.segment, *layout}, now_ns)) {
        return quarantine(std::move(*refused), info, now_ns);
    }
    track(key, {opened.segment, entry.file_name, info.state == VmState::kExited});
    log_info(summary(info) + " appeared");
    if (info.state == VmState::kRunning) meet_writer(key, *opened.segment, info);
    if (info.state != VmState::kExited) return;
    log_info(ending_text(info) + " before it was seen");
    dead_(key);
}

// A segment whose VM is in the archive already: an agent ended between archiving and removing it. The drain looks at
// the archive's copy again and removes what is left. One that has a writer is something else, and the catalog refuses
// it.
bool Scanner::take_in_leftover(const Opened& opened, const std::string& file, Life life) {
    const std::string key = key_of(opened.segment->name());
    auto entry = catalog_.find(key);
    if (!entry || entry->state() != VmState::kDrained || life != Life::kDead) return false;
    (void)opened.segment->settle();  // finalise() says what is wrong with it, if anything is.
    track(key, {opened.segment, file, true});
    dead_(key);
    return true;
}

void Scanner::quarantine(QuarantinedFile refused, const VmInfo& vm, std::uint64_t now_ns) {
    const std::string line = "segment " + refused.file + " quarantined, " + refused.reason + ": " + refused.detail;
    if (catalog_.quarantine(std::move(refused), &vm, now_ns)) log_warning(line);
}

void Scanner::refuse(const std::string& file, const FileStatus& status, const SegmentName& name, const Refusal& refusal,
                     std::uint64_t now_ns) {
    QuarantinedFile bad;
    bad.file = file;
    bad.reason = reason_name(refusal.reason);
    bad.detail = refusal.message();
    bad.uid = status.uid;
    bad.since_ns = now_ns;
    bad.stamp = status.stamp;
    bad.retry = may_pass(refusal.reason) ? Retry::kAlways : Retry::kNever;
    VmInfo vm = named(name);
    vm.uid = status.uid;
    const std::string line = "segment " + file + " quarantined, " + bad.detail;
    if (catalog_.quarantine(std::move(bad), &vm, now_ns)) log_warning(line);
}

Result<bool> Scanner::sweep(std::uint64_t now_ns) {
    auto more = look(now_ns, true);
    probe_all(now_ns);
    if (!more) return more;
    const auto at = folder();
    for (const std::string& file : creating_) reap(*at, file, now_ns);
    return more;
}

void Scanner::give_up(const std::string& key, const Refusal& refusal, std::uint64_t now_ns) {
    auto tracked = find(key);
    if (!tracked) return;
    catalog_.remove(key);
    FileStatus status;
    status.uid = tracked->segment->file().uid;
    if (auto found = look_at(*folder(), tracked->file)) status = *found;
    refuse(tracked->file, status, tracked->segment->name(), refusal, now_ns);
    forget(key);
}

Result<void> Scanner::unlink(const std::string& file, std::uint64_t device, std::uint64_t inode) {
    const auto at = folder();
    auto status = look_at(*at, file);
    if (!status || status->stamp.device != device || status->stamp.inode != inode) return {};
    if (::unlinkat(at->descriptor(), file.c_str(), 0) < 0 && errno != ENOENT) {
        return errno_error(errno, "cannot remove " + at->path() + "/" + file);
    }
    return {};
}

void Scanner::set_folder(SegmentDirectory folder) {
    std::lock_guard lock(mutex_);
    folder_ = std::make_shared<const SegmentDirectory>(std::move(folder));
}

std::shared_ptr<const SegmentDirectory> Scanner::folder() const {
    std::lock_guard lock(mutex_);
    return folder_;
}

ScanLimits Scanner::limits() const {
    std::lock_guard lock(mutex_);
    return limits_;
}

void Scanner::set_limits(const ScanLimits& limits) {
    std::lock_guard lock(mutex_);
    limits_ = limits;
}

std::optional<TrackedSegment> Scanner::find(const std::string& key) const {
    std::lock_guard lock(mutex_);
    auto at = tracked_.find(key);
    if (at == tracked_.end()) return std::nullopt;
    return at->second;
}

}  // namespace ringside::agent
