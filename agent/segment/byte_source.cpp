#include "agent/segment/byte_source.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ringside::agent {

FileBytes::~FileBytes() { ::close(fd_); }

bool FileBytes::read(std::uint64_t offset, void* to, std::size_t size) const {
    auto* at = static_cast<char*>(to);
    while (size > 0) {
        ssize_t got = ::pread(fd_, at, size, static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            if (got == 0) errno = 0;
            return false;
        }
        at += got;
        offset += static_cast<std::uint64_t>(got);
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

std::uint64_t FileBytes::size() const {
    struct stat status;
    if (::fstat(fd_, &status) < 0) return UINT64_MAX;
    return static_cast<std::uint64_t>(status.st_size);
}

bool MemoryBytes::read(std::uint64_t offset, void* to, std::size_t size) const {
    if (offset > bytes_.size() || size > bytes_.size() - offset) {
        errno = 0;
        return false;
    }
    if (size > 0) std::memcpy(to, bytes_.data() + offset, size);
    return true;
}

}  // namespace ringside::agent
