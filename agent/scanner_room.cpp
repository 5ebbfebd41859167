// How many segments the scanner holds open (C4): those that wait for their turn, and those that come and go.
#include <algorithm>
#include <set>
#include <utility>

#include "agent/log.h"
#include "agent/scanner.h"

namespace ringside::agent {

// Gives files that wait their turn, each at most once, while there is room, or in any case.
void Scanner::take_in_waiting(const SegmentDirectory& at, bool dead, bool without_room, std::uint64_t now_ns,
                              std::size_t* opens_left) {
    Waiting& waiting = dead ? dead_waiting_ : living_waiting_;
    for (std::size_t turns = waiting.files.size(); turns > 0 && *opens_left > 0; --turns) {
        if (!without_room && !has_room(dead)) return;
        auto next = waiting.files.upper_bound(waiting.last);
        if (next == waiting.files.end()) next = waiting.files.begin();
        const FolderEntry entry = std::move(next->second.entry);
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
    return found != files.end() && found->second.entry.inode == entry.inode;
}

// VMs that die while they are open may be more than dead_max: then they take the room of those to come.
bool Scanner::has_room(bool dead) const {
    std::lock_guard lock(mutex_);
    if (dead) return dead_count_ < limits_.dead_max;
    return tracked_.size() - dead_count_ < limits_.living_max &&
           tracked_.size() < limits_.living_max + limits_.dead_max;
}

// To the log, the metrics and the catalog.
void Scanner::tell_of_waiting() {
    const std::size_t living = living_waiting_.files.size();
    if (living > 0 && waiting_living_gauge_.value() == 0) {
        log_warning(std::to_string(living) + " segments are left alone: as many are open as the limit of open files " +
                    "leaves room for; raise it (LimitNOFILE=, ulimit -n), see ringside_scan_files_waiting");
    }
    waiting_living_gauge_.set(static_cast<double>(living));
    waiting_dead_gauge_.set(static_cast<double>(dead_waiting_.files.size()));
    std::multiset<std::pair<std::string, std::uint32_t>> owners;
    for (const Waiting* waiting : {&living_waiting_, &dead_waiting_}) {
        for (const auto& [name, file] : waiting->files) owners.emplace(file.entry.name.vm_id, file.uid);
    }
    catalog_.set_waiting(std::move(owners));
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
