#include "agent/witness/process.h"

#include <linux/ioctl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <string_view>
#include <utility>

#include "agent/witness/kernel_file.h"

namespace ringside::agent {
namespace {

// A VMM has some hundred mappings of 100 bytes each; a process with more than this is not believed.
constexpr std::size_t kMapsBytesMax = 1 << 20;
constexpr std::size_t kStatusBytesMax = 16384;

// struct pidfd_info of Linux 6.13, with the exit code of 6.15. Debian 12's headers know neither.
struct PidfdInfo {
    std::uint64_t mask;
    std::uint64_t cgroup_id;
    std::uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
    std::int32_t exit_code;
};
static_assert(sizeof(PidfdInfo) == 64, "the length is a part of the call's number");
constexpr unsigned long kGetInfo = _IOWR(0xFF, 11, PidfdInfo);
constexpr std::uint64_t kInfoExit = 8;

// A path may hold anything, and be as long as its owner likes: each line is looked at once, and only up to its path.
bool has_mapping(std::string_view maps, const MappedFile& file) {
    // "7f00-7f10 rw-s 00000000 00:1a 123   /dev/shm/..."
    char wanted[64];
    std::snprintf(wanted, sizeof wanted, " %02x:%02x %llu ", major(file.device), minor(file.device),
                  static_cast<unsigned long long>(file.inode));
    while (!maps.empty()) {
        const std::string_view line = next_line(&maps);
        const std::size_t mode = line.find(' ');
        if (mode == std::string_view::npos || line.size() < mode + 6) continue;
        const std::size_t device = line.find(' ', mode + 6);
        if (device == std::string_view::npos || !line.substr(device).starts_with(wanted)) continue;
        if (line[mode + 2] == 'w' && line[mode + 4] == 's') return true;
    }
    return false;
}

bool runs_under(const std::string& status, std::uint32_t uid) {
    constexpr std::string_view kName = "\nUid:\t";
    std::size_t at = status.find(kName);
    if (at == std::string::npos) return false;
    // Real, effective, saved, file system.
    at = status.find('\t', at + kName.size());
    if (at == std::string::npos) return false;
    std::uint32_t effective = 0;
    const auto [end, failure] = std::from_chars(status.data() + at + 1, status.data() + status.size(), effective);
    return failure == std::errc() && effective == uid;
}

// The status of a zombie: the last of the numbers.
std::optional<int> zombie_status(const std::string& stat) {
    const std::size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos || stat.compare(name_end, 4, ") Z ") != 0) return std::nullopt;
    const std::size_t last = stat.rfind(' ');
    int status = 0;
    const auto [end, failure] = std::from_chars(stat.data() + last + 1, stat.data() + stat.size(), status);
    if (failure != std::errc()) return std::nullopt;
    return status;
}

}  // namespace

std::optional<Process> Process::with_mapping(const std::string& proc, std::uint32_t pid, const MappedFile& file) {
    if (pid == 0 || pid > INT32_MAX) return std::nullopt;
    const int fd = static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0));
    if (fd < 0) return std::nullopt;
    Process process(proc + "/" + std::to_string(pid), fd);
    if (!runs_under(read_kernel_file(process.folder_ + "/status", kStatusBytesMax), file.uid)) return std::nullopt;
    if (!has_mapping(read_kernel_file(process.folder_ + "/maps", kMapsBytesMax), file)) return std::nullopt;
    // Not before the files were read, whose name would be another process's afterwards.
    if (process.reaped()) return std::nullopt;
    return process;
}

Process::Process(Process&& other) noexcept : folder_(std::move(other.folder_)), fd_(std::exchange(other.fd_, -1)) {}

Process& Process::operator=(Process&& other) noexcept {
    std::swap(folder_, other.folder_);
    std::swap(fd_, other.fd_);
    return *this;
}

Process::~Process() {
    if (fd_ >= 0) ::close(fd_);
}

std::string Process::cgroups() const {
    std::string text = read_kernel_file(folder_ + "/cgroup", kStatusBytesMax);
    // Of a process that is gone the file may be that of another one, with its number.
    return reaped() ? "" : text;
}

bool Process::reaped() const { return ::syscall(SYS_pidfd_send_signal, fd_, 0, nullptr, 0) < 0 && errno == ESRCH; }

Ending Process::ending(int* wait_status) const {
    pollfd gone{fd_, POLLIN, 0};
    if (::poll(&gone, 1, 0) <= 0) return Ending::kNotYet;
    const auto zombie = zombie_status(read_kernel_file(folder_ + "/stat", kStatusBytesMax));
    if (zombie && !reaped()) {
        *wait_status = *zombie;
        return Ending::kKnown;
    }
    PidfdInfo info{};
    info.mask = kInfoExit;
    if (::ioctl(fd_, kGetInfo, &info) == 0 && (info.mask & kInfoExit) != 0) {
        *wait_status = info.exit_code;
        return Ending::kKnown;
    }
    return Ending::kUnknown;
}

}  // namespace ringside::agent
