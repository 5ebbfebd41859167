#include "tools/bridge/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace ringside::bridge {

FileStatus FileReader::fail(int errno_value) {
    length_ = 0;
    errno_value_ = errno_value;
    // EOPNOTSUPP is pressure information switched off at boot, EINVAL and ENODEV a device that is down or going away.
    switch (errno_value) {
        case ENOENT:
        case ENOTDIR:
        case EOPNOTSUPP:
        case EINVAL:
        case ENODEV: return FileStatus::kAbsent;
        default: return FileStatus::kFailed;
    }
}

FileStatus FileReader::read(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return fail(errno);
    length_ = 0;
    int errno_value = 0;
    for (;;) {
        if (length_ == buffer_.size()) {
            if (length_ >= kLargestBytes) {
                errno_value = EFBIG;
                break;
            }
            buffer_.resize(buffer_.size() * 2);
        }
        const ssize_t got = ::read(fd, buffer_.data() + length_, buffer_.size() - length_);
        if (got == 0) break;
        if (got < 0) {
            if (errno == EINTR) continue;
            errno_value = errno;
            break;
        }
        length_ += static_cast<std::size_t>(got);
    }
    close(fd);
    return errno_value == 0 ? FileStatus::kRead : fail(errno_value);
}

}  // namespace ringside::bridge
