#include "agent/base/unix_socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

namespace ringside::agent {
namespace {

// A second in all: another agent needs a millisecond.
constexpr int kFolderLockTries = 20;
constexpr std::chrono::milliseconds kFolderLockPause{50};

// Closes on the way out.
struct OwnedFd {
    int fd = -1;
    explicit OwnedFd(int number) : fd(number) {}
    OwnedFd(const OwnedFd&) = delete;
    OwnedFd& operator=(const OwnedFd&) = delete;
    ~OwnedFd() {
        if (fd >= 0) ::close(fd);
    }
    int release() { return std::exchange(fd, -1); }
};

Result<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.front() != '/') {
        return error(Code::kInvalid, "the path of the API socket must be absolute, not '" + path + "'");
    }
    if (path.size() >= sizeof address.sun_path || path.find('\0') != std::string::npos) {
        return error(Code::kInvalid, "the path of the API socket may have " +
                                         std::to_string(sizeof address.sun_path - 1) + " bytes, '" + path +
                                         "' is longer; choose a shorter folder");
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

const sockaddr* plain(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

// Locks the folder, so that of two agents that start at once one looks at the socket after the other listens on it.
// Whoever can read the folder can hold this lock, so it is waited for only so long, and then done without: the start of
// the agent must not hang on a stranger.
Result<int> lock_folder(const std::string& path) {
    const auto slash = path.rfind('/');
    const std::string folder = slash == 0 ? "/" : path.substr(0, slash);
    OwnedFd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.fd < 0) return errno_error(errno, "cannot open the folder of the API socket, " + folder);
    for (int tries = 0; tries < kFolderLockTries && flock(fd.fd, LOCK_EX | LOCK_NB) != 0; ++tries) {
        std::this_thread::sleep_for(kFolderLockPause);
    }
    return fd.release();
}

// Removes what an agent left that is no more. Nothing there is fine too.
Result<void> remove_stale(const std::string& path, const sockaddr_un& address) {
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) {
        if (errno == ENOENT) return {};
        return errno_error(errno, "cannot look at " + path);
    }
    if (!S_ISSOCK(status.st_mode)) {
        return error(Code::kExists, path + " is there and is not a socket; move it away or choose another path");
    }
    OwnedFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (probe.fd < 0) return errno_error(errno, "cannot make a socket");
    // EAGAIN: somebody listens whose queue is full.
    if (connect(probe.fd, plain(address), sizeof address) == 0 || errno == EAGAIN) {
        return error(Code::kExists, "another agent answers on " + path + "; stop it or choose another path");
    }
    if (errno != ECONNREFUSED) return errno_error(errno, "cannot tell whether an agent answers on " + path);
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return errno_error(errno, "cannot remove the old " + path);
    return {};
}

// Until the last step the file has mode 0600 or less: nobody but the agent's own uid can connect meanwhile.
Result<void> bind_and_listen(int fd, const sockaddr_un& address, const UnixSocketOptions& options) {
    const std::string& path = options.path;
    // bind() creates the file with the mode of the socket's own inode, less the umask.
    if (fchmod(fd, 0600) != 0) return errno_error(errno, "cannot set the mode of the API socket");
    if (bind(fd, plain(address), sizeof address) != 0)
        return errno_error(errno, "cannot bind the API socket to " + path);
    const auto undo = [&](const char* what) {
        Error failure = errno_error(errno, what + path);
        unlink(path.c_str());
        return failure;
    };
    if (options.group && lchown(path.c_str(), static_cast<uid_t>(-1), *options.group) != 0) {
        return undo("cannot give the configured group to ");
    }
    if (::listen(fd, options.backlog) != 0) return undo("cannot listen on ");
    if (chmod(path.c_str(), options.mode) != 0) return undo("cannot set the mode of ");
    return {};
}

}  // namespace

Result<UnixSocket> UnixSocket::listen(const UnixSocketOptions& options) {
    auto address = address_of(options.path);
    if (!address) return address.error();
    auto folder = lock_folder(options.path);
    if (!folder) return folder.error();
    const OwnedFd lock(*folder);
    if (auto removed = remove_stale(options.path, *address); !removed) return removed.error();

    OwnedFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fd.fd < 0) return errno_error(errno, "cannot make a socket");
    if (auto bound = bind_and_listen(fd.fd, *address, options); !bound) return bound.error();
    struct stat status {};
    if (lstat(options.path.c_str(), &status) != 0) return errno_error(errno, "cannot look at " + options.path);

    UnixSocket made;
    made.fd_ = fd.release();
    made.path_ = options.path;
    made.device_ = status.st_dev;
    made.inode_ = status.st_ino;
    return made;
}

UnixSocket::UnixSocket(UnixSocket&& other) noexcept { *this = std::move(other); }

UnixSocket& UnixSocket::operator=(UnixSocket&& other) noexcept {
    if (this == &other) return *this;
    close();
    fd_ = std::exchange(other.fd_, -1);
    path_ = std::move(other.path_);
    device_ = other.device_;
    inode_ = other.inode_;
    return *this;
}

void UnixSocket::close() {
    if (fd_ < 0) return;
    struct stat status {};
    if (lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_) {
        unlink(path_.c_str());
    }
    ::close(std::exchange(fd_, -1));
}

}  // namespace ringside::agent
