#include "agent/folder.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "agent/base/file.h"

namespace ringside::agent {
namespace {

constexpr mode_t kSegmentFolderMode = 03753;
constexpr mode_t kStateFolderMode = 0750;

Result<void> make_segment_folder(const std::string& path) {
    const std::string parent = parent_directory(path);
    if (auto made = make_directories(FileSystem::real(), parent, 0755); !made) return made;
    if (::mkdir(path.c_str(), 0700) < 0) {
        if (errno == EEXIST) return {};
        return errno_error(errno, "cannot make the segment folder " + path);
    }
    // mkdir obeys the umask and drops the setgid bit for some callers, so the mode is set by itself.
    if (::chmod(path.c_str(), kSegmentFolderMode) < 0) {
        return errno_error(errno, "cannot give the segment folder " + path + " the mode 3753");
    }
    return {};
}

Result<void> check_file_system(const SegmentDirectory& folder) {
    struct statfs status {};
    if (::fstatfs(folder.descriptor(), &status) < 0) {
        return errno_error(errno, "cannot tell the file system of " + folder.path());
    }
    const auto type = static_cast<unsigned long>(status.f_type);
    if (type == TMPFS_MAGIC || type == HUGETLBFS_MAGIC || type == RAMFS_MAGIC) return {};
    return error(Code::kInvalid,
                 "the segment folder " + folder.path() +
                     " is not on a memory file system, and a disk would stall the VMs that write there: "
                     "set option directory to a folder on a tmpfs, such as /dev/shm/ringside");
}

// What the lock's holder wrote into it, for the message.
std::string holder_of(int fd) {
    std::array<char, 32> text{};
    const ssize_t size = ::pread(fd, text.data(), text.size(), 0);
    std::string pid;
    for (ssize_t i = 0;
         i < size && text[static_cast<std::size_t>(i)] >= '0' && text[static_cast<std::size_t>(i)] <= '9'; ++i) {
        pid += text[static_cast<std::size_t>(i)];
    }
    return pid.empty() ? "" : " (process " + pid + ")";
}

}  // namespace

Result<SegmentDirectory> prepare_segment_folder(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) < 0 && errno == ENOENT) {
        if (auto made = make_segment_folder(path); !made) return made.error();
    }
    auto folder = SegmentDirectory::open(path, ::geteuid());
    if (!folder) return folder;
    if (auto good = check_file_system(*folder); !good) return good.error();
    return folder;
}

Result<StateLock> StateLock::take(const std::string& directory) {
    if (auto made = make_directories(FileSystem::real(), directory, kStateFolderMode); !made) return made.error();
    const std::string path = directory + "/agent.lock";
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) return errno_error(errno, "cannot open the lock " + path);
    StateLock lock(fd);
    if (::flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK) return errno_error(errno, "cannot lock " + path);
        return error(Code::kExists, "another agent" + holder_of(fd) + " works on the state directory " + directory +
                                        ": stop it first, or give this one a state directory of its own");
    }
    const std::string pid = std::to_string(::getpid()) + "\n";
    // Only for the message of a second agent; the lock holds without it.
    if (::ftruncate(fd, 0) < 0 || ::pwrite(fd, pid.data(), pid.size(), 0) < 0) return lock;
    return lock;
}

StateLock::StateLock(StateLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

StateLock::~StateLock() {
    if (fd_ >= 0) ::close(fd_);
}

}  // namespace ringside::agent
