// The listening Unix socket: made so that at no moment somebody can connect who should not, and so that no running agent
// loses its socket to another.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "agent/base/result.h"

namespace ringside::agent {

struct UnixSocketOptions {
    std::string path;  // at most 107 bytes; its folder must exist
    mode_t mode = 0660;
    std::optional<gid_t> group;  // owner group of the file; absent: the agent's own
    int backlog = 128;
};

class UnixSocket {
  public:
    // Listens. A socket file that is left over, one where nobody answers, is replaced. Errors: kInvalid (the path),
    // kExists (another agent answers there, or the path is something else than a socket: nothing is touched), and
    // what the system calls return.
    static Result<UnixSocket> listen(const UnixSocketOptions& options);

    UnixSocket(UnixSocket&& other) noexcept;
    UnixSocket& operator=(UnixSocket&& other) noexcept;
    ~UnixSocket() { close(); }

    int fd() const { return fd_; }
    const std::string& path() const { return path_; }

    // Stops listening and removes the file, unless it is another's by now. Idempotent.
    void close();

  private:
    UnixSocket() = default;

    int fd_ = -1;
    std::string path_;
    dev_t device_ = 0;  // of the file, to know it again
    ino_t inode_ = 0;
};

}  // namespace ringside::agent
