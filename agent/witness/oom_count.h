// How many processes of a cgroup the kernel has killed because its memory was full.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringside::agent {

// The file that counts them for the process whose /proc/PID/cgroup reads `membership`, below `root` (/sys/fs/cgroup):
// memory.events of version 2, in the unified or the hybrid layout, or memory.oom_control of version 1. Empty when the
// process is in no memory cgroup. Whether the file is there is not looked at, but for telling layouts apart.
std::string oom_count_file(const std::string& root, std::string_view membership);

// Its line `oom_kill`. Nothing when it cannot be read: the cgroup is gone, or an old kernel.
std::optional<std::uint64_t> read_oom_count(const std::string& file);

}  // namespace ringside::agent
