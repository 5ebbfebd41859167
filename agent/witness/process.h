// One process, held so that its end can be asked for after it is gone, and so that its number cannot come to mean another.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ringside::agent {

// The file that a process has to have mapped.
struct MappedFile {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint32_t uid = 0;  // who owns it, and runs the process
};

enum class Ending : std::uint8_t {
    kNotYet,   // it is still there
    kUnknown,  // it is gone, and the kernel does not say how
    kKnown,
};

class Process {
  public:
    // Believes `pid`, which is the word of a VM, only of a process that runs under the owner of the file and has that very
    // file mapped shared and writable. Nothing where the kernel will not let this process look, and before Linux 5.3.
    static std::optional<Process> with_mapping(const std::string& proc, std::uint32_t pid, const MappedFile& file);

    Process(Process&& other) noexcept;
    Process& operator=(Process&& other) noexcept;
    ~Process();

    // How it ended: *wait_status as wait(2) gives it when kKnown. After its parent has waited for it the kernel tells from
    // Linux 6.15 on; a zombie tells always. Never blocks.
    Ending ending(int* wait_status) const;
    // The text of its file `cgroup`; empty when it is gone and its parent has waited for it.
    std::string cgroups() const;

  private:
    Process(std::string folder, int fd) : folder_(std::move(folder)), fd_(fd) {}
    bool reaped() const;

    std::string folder_;  // of /proc
    int fd_ = -1;         // a pidfd
};

}  // namespace ringside::agent
