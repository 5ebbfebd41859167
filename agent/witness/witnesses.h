// How VMs end whose writers do not say it: by which signal, with which exit code, or because their memory was full.
//
// Invariants:
//  K1  Nothing is said of a VM but what the kernel says of a process that was seen to write its segment (process.h). What is
//      not known stays unknown.
//  K2  Never more descriptors than the room given: one a process, and those least needed are given up, not a VM.
//  K3  An OOM kill that a cgroup has counted is charged to one VM. A second VM of that cgroup needs a second one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "agent/base/model.h"
#include "agent/witness/process.h"

namespace ringside::agent {

class Witnesses {
  public:
    // Where the kernel tells; tests have files of their own there.
    struct Places {
        std::string proc = "/proc";
        std::string cgroups = "/sys/fs/cgroup";
    };
    explicit Witnesses(Places places) : places_(std::move(places)) {}

    // Any thread.

    // Whether meet() has been called for the VM since forget().
    bool met(const std::string& key) const;
    // The VM has a writer, by its own word the process `pid`. Costs some 0.1 ms: the process's mappings are read.
    void meet(const std::string& key, std::uint32_t pid, const MappedFile& segment);
    // Nobody writes to the segment of the VM any more and it was not closed: how its process ended, when kKnown. kNotYet: it
    // seems to be ending, ask again in a while. Of one that has not ended after kPatience calls the cause is kUnknown: it
    // lives on without its segment, and nobody has killed it.
    static constexpr unsigned kPatience = 3;
    Ending ask(const std::string& key, Death* death);
    void forget(const std::string& key);
    // Keeps at most so many descriptors, now and by later calls of meet().
    void set_room(std::size_t descriptors);

  private:
    struct MemoryCgroup {
        std::string file;           // that counts OOM kills
        std::uint64_t charged = 0;  // of them, to VMs of ours
    };
    struct Writer {
        std::optional<Process> process;
        std::shared_ptr<MemoryCgroup> cgroup;  // null: none, or its count cannot be read
        std::uint64_t uncharged = 0;           // OOM kills when it was met that are no VM's
        unsigned asked = 0;                    // while it had not ended
    };

    std::shared_ptr<MemoryCgroup> cgroup_at(const std::string& file);
    static bool charge(Writer* writer);

    const Places places_;
    mutable std::mutex mutex_;  // guards all below
    std::map<std::string, Writer> writers_;
    std::map<std::string, std::weak_ptr<MemoryCgroup>> cgroups_;  // by file
    std::size_t held_ = 0;
    std::size_t room_ = SIZE_MAX;
};

}  // namespace ringside::agent
