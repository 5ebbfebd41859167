#include "agent/witness/witnesses.h"

#include <sys/wait.h>

#include <algorithm>
#include <csignal>

#include "agent/witness/oom_count.h"

namespace ringside::agent {

bool Witnesses::met(const std::string& key) const {
    std::lock_guard lock(mutex_);
    return writers_.contains(key);
}

void Witnesses::meet(const std::string& key, std::uint32_t pid, const MappedFile& segment) {
    forget(key);
    std::lock_guard lock(mutex_);
    Writer& writer = writers_[key];
    if (held_ >= room_) return;
    writer.process = Process::with_mapping(places_.proc, pid, segment);
    if (!writer.process) return;
    ++held_;
    const std::string file = oom_count_file(places_.cgroups, writer.process->cgroups());
    const auto count = file.empty() ? std::nullopt : read_oom_count(file);
    if (!count) return;
    writer.cgroup = cgroup_at(file);
    writer.uncharged = *count - std::min(*count, writer.cgroup->charged);
}

std::shared_ptr<Witnesses::MemoryCgroup> Witnesses::cgroup_at(const std::string& file) {
    std::weak_ptr<MemoryCgroup>& known = cgroups_[file];
    auto cgroup = known.lock();
    if (!cgroup) known = cgroup = std::make_shared<MemoryCgroup>(MemoryCgroup{file, 0});
    return cgroup;
}

// Whether the cgroup of the writer has counted an OOM kill since the writer was met that is no other VM's.
bool Witnesses::charge(Writer* writer) {
    if (!writer->cgroup) return false;
    const auto count = read_oom_count(writer->cgroup->file);
    if (!count || *count < writer->cgroup->charged || *count - writer->cgroup->charged <= writer->uncharged)
        return false;
    ++writer->cgroup->charged;
    return true;
}

Ending Witnesses::ask(const std::string& key, Death* death) {
    std::lock_guard lock(mutex_);
    auto at = writers_.find(key);
    if (at == writers_.end() || !at->second.process) return Ending::kUnknown;
    int status = 0;
    const Ending ending = at->second.process->ending(&status);
    *death = {};
    if (ending == Ending::kNotYet) {
        if (++at->second.asked < kPatience) return ending;
        death->cause = ExitCause::kUnknown;
        return Ending::kKnown;
    }
    if (ending == Ending::kKnown && WIFEXITED(status)) {
        death->cause = ExitCause::kExited;
        death->code = WEXITSTATUS(status);
    } else if (ending == Ending::kKnown && WIFSIGNALED(status)) {
        death->signal = WTERMSIG(status);
    }
    // The kernel ends who is too big by SIGKILL, as everybody else may.
    const bool may_be_oom = ending == Ending::kUnknown || death->signal == SIGKILL;
    if (may_be_oom && charge(&at->second)) death->cause = ExitCause::kOom;
    return Ending::kKnown;
}

void Witnesses::forget(const std::string& key) {
    std::lock_guard lock(mutex_);
    auto at = writers_.find(key);
    if (at == writers_.end()) return;
    held_ -= at->second.process ? 1 : 0;
    auto cgroup = std::move(at->second.cgroup);
    writers_.erase(at);
    if (!cgroup || cgroup.use_count() > 1) return;
    cgroups_.erase(cgroup->file);
}

void Witnesses::set_room(std::size_t descriptors) {
    std::lock_guard lock(mutex_);
    room_ = descriptors;
    for (auto at = writers_.begin(); held_ > room_ && at != writers_.end(); ++at) {
        if (!at->second.process) continue;
        at->second.process.reset();
        --held_;
    }
}

}  // namespace ringside::agent
