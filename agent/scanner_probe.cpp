// What the scanner asks of those whose names it knows: whether writers still live, how they ended, and what they left half
// made.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "agent/base/clock.h"
#include "agent/log.h"
#include "agent/scanner.h"

namespace ringside::agent {

std::string Scanner::ending_text(const VmInfo& vm) { return "VM " + vm_key(vm) + " ended: " + exit_text(vm); }

void Scanner::probe_all(std::uint64_t now_ns) {
    std::vector<std::pair<std::string, TrackedSegment>> all;
    {
        std::lock_guard lock(mutex_);
        all.assign(tracked_.begin(), tracked_.end());
    }
    for (const auto& [key, tracked] : all) probe(key, tracked, now_ns);
}

// A life of this VM that is over at first sight has begun after the earlier ones ended, which no sweep may have seen yet:
// their ends have to be known before its own is, or their last windows come too late for receivers.
void Scanner::probe_lives_of(const SegmentName& name, std::uint64_t now_ns) {
    const std::string begin = name.vm_id + ".";  // of the keys of its lives
    std::vector<std::pair<std::string, TrackedSegment>> lives;
    {
        std::lock_guard lock(mutex_);
        for (auto at = tracked_.lower_bound(begin); at != tracked_.end() && at->first.starts_with(begin); ++at) {
            const SegmentName& other = at->second.segment->name();
            if (other.vm_id == name.vm_id && other.component == name.component) lives.push_back(*at);
        }
    }
    for (const auto& [key, tracked] : lives) probe(key, tracked, now_ns);
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
    grow(key, *entry, segment);
    if (life != Life::kDead) return;

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
    log_info(ending_text(info));
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

void Scanner::grow(const std::string& key, const CatalogVm& entry, const LiveSegment& segment) {
    auto layout = entry.layout();
    if (!layout || (*layout)->size() == segment.registered()) return;
    auto series = segment.series();
    if (!series) return;  // Busy: the next sweep tries again. Bad: condition() says so there.
    auto grown = catalog_.layouts().intern(segment.schema(), *series);
    if (grown && *grown != *layout) catalog_.set_layout(key, *grown);
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

}  // namespace ringside::agent
