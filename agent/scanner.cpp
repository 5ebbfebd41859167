#include "agent/scanner.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "agent/base/clock.h"
#include "agent/log.h"
#include "agent/units.h"

namespace ringside::agent {
namespace {

// A thousand writers or so; of one that makes its mappings long, fewer.
constexpr std::uint64_t kMeetingsNsPerPass = 100'000'000;
constexpr const char* kWaitingHelp = "Files left alone until there is room for one more open segment.";

std::uint64_t nanoseconds(const timespec& time) {
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(time.tv_nsec);
}

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

std::string ending(const VmInfo& vm) { return "VM " + vm_key(vm) + " ended: " + exit_text(vm); }

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
                   nanoseconds(status.st_ctim)};
    found.uid = status.st_uid;
    found.modified_ns = std::max(nanoseconds(status.st_mtim), nanoseconds(status.st_ctim));
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
    count_waiting();
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

// Gives files that wait their turn, each at most once, while there is room, or in any case.
void Scanner::take_in_waiting(const SegmentDirectory& at, bool dead, bool without_room, std::uint64_t now_ns,
                              std::size_t* opens_left) {
    Waiting& waiting = dead ? dead_waiting_ : living_waiting_;
    for (std::size_t turns = waiting.files.size(); turns > 0 && *opens_left > 0; --turns) {
        if (!without_room && !has_room(dead)) return;
        auto next = waiting.files.upper_bound(waiting.last);
        if (next == waiting.files.end()) next = waiting.files.begin();
        const FolderEntry entry = std::move(next->second);
        waiting.files.erase(next);
        waiting.last = entry.file_name;
        const auto found = look_at(at, entry.file_name);
        if (!found || found->stamp.inode != entry.inode) continue;
        --*opens_left;
        take_in(at, entry, *found, now_ns);
    }
}

bool Scanner::Waiting::holds(const FolderEntry& entry) const {
    auto found = files.find(entry.file_name);
    return found != files.end() && found->second.inode == entry.inode;
}

// VMs that die while they are open may be more than dead_max: then they take the room of those to come.
bool Scanner::has_room(bool dead) const {
    std::lock_guard lock(mutex_);
    if (dead) return dead_count_ < limits_.dead_max;
    return tracked_.size() - dead_count_ < limits_.living_max &&
           tracked_.size() < limits_.living_max + limits_.dead_max;
}

void Scanner::count_waiting() {
    const std::size_t living = living_waiting_.files.size();
    if (living > 0 && waiting_living_gauge_.value() == 0) {
        log_warning(std::to_string(living) + " segments are left alone: as many are open as the limit of open files " +
                    "leaves room for; raise it (LimitNOFILE=, ulimit -n), see ringside_scan_files_waiting");
    }
    waiting_living_gauge_.set(static_cast<double>(living));
    waiting_dead_gauge_.set(static_cast<double>(dead_waiting_.files.size()));
}

// Names that the catalog believes in and that are not in the folder any more.
void Scanner::forget_names(const FolderListing& listing) {
    std::set<std::string_view> there;
    for (const FolderEntry& entry : listing.entries) there.insert(entry.file_name);
    for (Waiting* waiting : {&living_waiting_, &dead_waiting_}) {
        std::erase_if(waiting->files, [&](const auto& file) { return !there.contains(file.first); });
    }
    if (listing.cut) return;  // What was not listed may still be there.
    for (const std::string& file : catalog_.files()) {
        if (!there.contains(file) && catalog_.set_unlinked(file)) unlinked_live_.add();
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
        (dead ? dead_waiting_ : living_waiting_).files[entry.file_name] = entry;
        return;
    }
    if (take_in_leftover(opened, entry.file_name, life)) return;

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
    Candidate candidate;
    candidate.file = entry.file_name;
    candidate.stamp = {segment.file().device, segment.file().inode, status.stamp.bytes, status.stamp.changed_ns};
    candidate.info = segment.vm();
    if (life == Life::kWaiting) candidate.info.state = VmState::kProvisioned;
    if (life == Life::kAlive || life == Life::kUnknown) candidate.info.state = VmState::kRunning;
    candidate.source = opened.segment;
    candidate.layout = *layout;
    const VmInfo info = candidate.info;
    if (auto refused = catalog_.add(std::move(candidate), now_ns)) {
        const std::string line =
            "segment " + refused->file + " quarantined, " + refused->reason + ": " + refused->detail;
        if (catalog_.quarantine(std::move(*refused), &info, now_ns)) log_warning(line);
        return;
    }
    track(key, {opened.segment, entry.file_name, info.state == VmState::kExited});
    log_info(summary(info) + " appeared");
    if (info.state == VmState::kRunning) meet_writer(key, *opened.segment, info);
    if (info.state != VmState::kExited) return;
    log_info(ending(info) + " before it was seen");
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

void Scanner::probe_all(std::uint64_t now_ns) {
    std::vector<std::pair<std::string, TrackedSegment>> all;
    {
        std::lock_guard lock(mutex_);
        all.assign(tracked_.begin(), tracked_.end());
    }
    for (const auto& [key, tracked] : all) probe(key, tracked, now_ns);
}

void Scanner::probe(const std::string& key, const TrackedSegment& tracked, std::uint64_t now_ns) {
    auto entry = catalog_.find(key);
    if (!entry || !is_live(entry->state())) return;
    LiveSegment& segment = *tracked.segment;
    if (auto bad = segment.condition()) return give_up(key, *bad, now_ns);

    Life life = segment.probe().life;
    // Where the kernel does not say, the writer's own word that it has closed is enough.
    if (life == Life::kUnknown && segment.vm().closed_ns != 0) life = Life::kDead;
    if (life == Life::kAlive && entry->state() == VmState::kProvisioned) catalog_.set_running(key, segment.vm());
    if (life == Life::kAlive && !witnesses_.met(key)) meet_writer(key, segment, segment.vm());
    if (life != Life::kDead) return grow(key, segment);

    grow(key, segment);
    const auto settled = segment.settle();
    if (auto bad = segment.condition()) return give_up(key, *bad, now_ns);
    if (!settled) return later_.add();  // The next sweep tries again: nobody hears of a death without its cause.
    VmInfo info = segment.vm();
    if (info.exit_cause == ExitCause::kKilled) {
        if (!learn_death(key, segment)) return later_.add();
        info = segment.vm();
    }
    witnesses_.forget(key);
    catalog_.set_exited(key, info, now_ns);
    log_info(ending(info));
    set_dead(key);
    dead_(key);
}

// What is seen of the writer now is all that there will be to ask when it is gone. For a bounded time a pass, which the
// writers' owners can use up: others have their turn with the next one.
void Scanner::meet_writer(const std::string& key, const LiveSegment& segment, const VmInfo& vm) {
    if (vm.writer_pid == 0 || meetings_left_ns_ == 0) return;
    const std::uint64_t begin_ns = monotonic_ns();
    witnesses_.meet(key, vm.writer_pid, {segment.file().device, segment.file().inode, segment.file().uid});
    meetings_left_ns_ -= std::min(meetings_left_ns_, monotonic_ns() - begin_ns);
}

// False while the process is about to end: it lets go of its segment a moment before the kernel can say how.
bool Scanner::learn_death(const std::string& key, LiveSegment& segment) {
    Death death;
    const Ending ending = witnesses_.ask(key, &death);
    if (ending == Ending::kNotYet) return false;
    if (ending == Ending::kKnown) segment.set_death(death);
    return true;
}

void Scanner::grow(const std::string& key, const LiveSegment& segment) {
    auto entry = catalog_.find(key);
    auto layout = entry->layout();
    if (!layout || (*layout)->size() == segment.registered()) return;
    auto series = segment.series();
    if (!series) return;  // Busy: the next sweep tries again. Bad: condition() says so there.
    auto grown = catalog_.layouts().intern(segment.schema(), *series);
    if (grown && *grown != *layout) catalog_.set_layout(key, *grown);
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

void Scanner::reap(const SegmentDirectory& folder, const std::string& file, std::uint64_t now_ns) {
    auto status = look_at(folder, file);
    if (!status || !status->regular || status->modified_ns + limits().creating_max_age_ns > now_ns) return;
    const int fd =
        ::openat(folder.descriptor(), file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return;
    struct stat opened {};
    const bool same = ::fstat(fd, &opened) == 0 && opened.st_ino == status->stamp.inode;
    const bool abandoned = same && probe_writer(fd).life == Life::kDead;
    ::close(fd);
    if (!abandoned) return;
    if (auto gone = unlink(file, status->stamp.device, status->stamp.inode); !gone) {
        return log_warning(gone.error().message());
    }
    reaped_.add();
    log_info("removed " + file + ": a writer was killed while it created a segment");
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

void Scanner::track(const std::string& key, TrackedSegment tracked) {
    forget(key);
    std::lock_guard lock(mutex_);
    dead_count_ += tracked.dead ? 1 : 0;
    tracked_[key] = std::move(tracked);
    // Processes are held with the descriptors that segments leave over (C4).
    const std::size_t most = limits_.living_max + limits_.dead_max;
    witnesses_.set_room(most - std::min(most, tracked_.size()));
}

void Scanner::set_dead(const std::string& key) {
    std::lock_guard lock(mutex_);
    auto at = tracked_.find(key);
    if (at == tracked_.end() || at->second.dead) return;
    at->second.dead = true;
    ++dead_count_;
}

void Scanner::forget(const std::string& key) {
    witnesses_.forget(key);
    std::lock_guard lock(mutex_);
    auto at = tracked_.find(key);
    if (at == tracked_.end()) return;
    dead_count_ -= at->second.dead ? 1 : 0;
    tracked_.erase(at);
}

}  // namespace ringside::agent
