#include "agent/witness/kernel_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace ringside::agent {

std::string read_kernel_file(const std::string& path, std::size_t max_bytes) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return "";
    std::string text;
    char chunk[16384];
    ssize_t size = 0;
    while ((size = ::read(fd, chunk, sizeof chunk)) > 0 || (size < 0 && errno == EINTR)) {
        if (size < 0) continue;
        text.append(chunk, static_cast<std::size_t>(size));
        if (text.size() > max_bytes) break;
    }
    ::close(fd);
    return size == 0 ? text : "";
}

std::string_view next_line(std::string_view* text) {
    const std::size_t end = text->find('\n');
    const std::string_view line = text->substr(0, end);
    text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
    return line;
}

}  // namespace ringside::agent
