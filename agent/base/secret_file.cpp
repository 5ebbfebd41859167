#include "agent/base/secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "agent/base/file.h"

namespace ringside::agent {
namespace {

FileVersion version_of(const struct stat& status) {
    return {status.st_dev, status.st_ino, status.st_size,
            std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

// Unlike File::open it follows links: whoever may write the configuration names the file.
Result<File> open_followed(const std::string& path) {
    const int fd = FileSystem::real().open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0) return errno_error(-fd, "cannot open " + path);
    return File(FileSystem::real(), fd, path);
}

Result<std::string> content(const File& file, const struct stat& status) {
    const std::string& path = file.path();
    if (!S_ISREG(status.st_mode)) return error(Code::kInvalid, path + " is not a regular file");
    if (status.st_size == 0) return error(Code::kInvalid, path + " is empty");
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size > kSecretFileMaxBytes) {
        return error(Code::kExhausted,
                     path + " has more than " + std::to_string(kSecretFileMaxBytes) + " bytes; is it the right file?");
    }
    std::string bytes(size, '\0');
    if (auto read = file.read_at(0, bytes.data(), size); !read) return read.error();
    return bytes;
}

}  // namespace

Result<std::string> read_secret(const std::string& path, FileVersion* version) {
    auto file = open_followed(path);
    if (!file) return file.error();
    auto status = file->status();
    if (!status) return status.error();
    if (version) *version = version_of(*status);
    return content(*file, *status);
}

Result<std::string> SecretFile::read() {
    auto file = open_followed(path_);
    if (!file) return file.error();
    auto status = file->status();
    if (!status) return status.error();
    const FileVersion now = version_of(*status);
    if (version_ == now) return text_;
    auto bytes = content(*file, *status);
    if (!bytes) return bytes.error();
    while (!bytes->empty() && (bytes->back() == '\n' || bytes->back() == '\r')) bytes->pop_back();
    if (bytes->empty()) return error(Code::kInvalid, path_ + " holds nothing but ends of lines");
    // It goes into a header, where an end of line would begin another one.
    for (char c : *bytes) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            return error(Code::kInvalid, path_ + " must hold one line of text");
        }
    }
    text_ = std::move(*bytes);
    version_ = now;
    return text_;
}

bool FileWatch::changed() {
    std::vector<FileVersion> now;
    for (const std::string& path : paths_) {
        struct stat status {};
        now.push_back(::stat(path.c_str(), &status) == 0 ? version_of(status) : FileVersion{});
    }
    const bool changed = seen_ && *seen_ != now;
    seen_ = std::move(now);
    return changed;
}

}  // namespace ringside::agent
