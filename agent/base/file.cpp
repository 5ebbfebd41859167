#include "agent/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>

namespace ringside::agent {

namespace {

constexpr std::size_t kBufferBytes = 256 * 1024;

// Repeats a call that a signal interrupted, then gives its value or a negative errno.
template <typename Call>
auto retried(Call call) -> decltype(call()) {
    decltype(call()) result;
    do {
        result = call();
    } while (result < 0 && errno == EINTR);
    return result < 0 ? static_cast<decltype(call())>(-errno) : result;
}

Error failed(long result, const std::string& what, const std::string& path) {
    return errno_error(static_cast<int>(-result), what + " " + path);
}

// Beyond these a disk of ours became no faster (bench/README.md).
constexpr std::size_t kSyncThreads = 8;

class RealFiles : public FileSystem {
  public:
    // The caller's thread takes its share, so that one file costs no thread and a process that may have no more threads
    // is slower and nothing else.
    std::vector<int> fsync_all(const std::vector<int>& fds) override {
        std::vector<int> results(fds.size());
        const std::size_t step = std::min(kSyncThreads, fds.size());
        auto sync_from = [&](std::size_t first) {
            for (std::size_t i = first; i < fds.size(); i += step) results[i] = fsync(fds[i]);
        };
        std::vector<std::thread> others;
        others.reserve(step);
        for (std::size_t first = 1; first < step; ++first) {
            try {
                others.emplace_back(sync_from, first);
            } catch (const std::system_error&) {
                sync_from(first);
            }
        }
        if (step > 0) sync_from(0);
        for (std::thread& other : others) other.join();
        return results;
    }
};

}  // namespace

int FileSystem::open(const std::string& path, int flags, mode_t mode) {
    return retried([&] { return ::open(path.c_str(), flags, mode); });
}

int FileSystem::close(int fd) {
    // Never repeated: on Linux the descriptor is gone whatever close says.
    return ::close(fd) == 0 ? 0 : -errno;
}

ssize_t FileSystem::write(int fd, const void* bytes, std::size_t size) {
    return retried([&] { return ::write(fd, bytes, size); });
}

ssize_t FileSystem::pread(int fd, void* bytes, std::size_t size, std::uint64_t offset) {
    return retried([&] { return ::pread(fd, bytes, size, static_cast<off_t>(offset)); });
}

int FileSystem::fsync(int fd) {
    return retried([&] { return ::fsync(fd); });
}

std::vector<int> FileSystem::fsync_all(const std::vector<int>& fds) {
    std::vector<int> results;
    results.reserve(fds.size());
    for (int fd : fds) results.push_back(fsync(fd));
    return results;
}

int FileSystem::fstat(int fd, struct stat* status) { return ::fstat(fd, status) == 0 ? 0 : -errno; }

int FileSystem::lstat(const std::string& path, struct stat* status) {
    return ::lstat(path.c_str(), status) == 0 ? 0 : -errno;
}

int FileSystem::mkdir(const std::string& path, mode_t mode) { return ::mkdir(path.c_str(), mode) == 0 ? 0 : -errno; }

int FileSystem::rename(const std::string& from, const std::string& to) {
    return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : -errno;
}

int FileSystem::unlink(const std::string& path) { return ::unlink(path.c_str()) == 0 ? 0 : -errno; }

int FileSystem::list(const std::string& path, std::vector<std::string>* names) {
    DIR* folder = ::opendir(path.c_str());
    if (folder == nullptr) return -errno;
    std::vector<std::string> found;
    int result = 0;
    for (;;) {
        errno = 0;
        // Safe: the stream belongs to this call alone.
        const dirent* entry = ::readdir(folder);  // NOLINT(concurrency-mt-unsafe)
        if (entry == nullptr) {
            result = -errno;
            break;
        }
        std::string name = entry->d_name;
        if (name != "." && name != "..") found.push_back(std::move(name));
    }
    ::closedir(folder);
    if (result == 0) *names = std::move(found);
    return result;
}

FileSystem& FileSystem::real() {
    static RealFiles fs;
    return fs;
}

File& File::operator=(File&& other) noexcept {
    if (this != &other) {
        close();
        fs_ = other.fs_;
        fd_ = std::exchange(other.fd_, -1);
        path_ = std::move(other.path_);
    }
    return *this;
}

Result<File> File::open(FileSystem& fs, const std::string& path, int flags, const std::string& what) {
    // O_NONBLOCK: a FIFO or a leased file in place of what we expect must not hang the agent.
    int fd = fs.open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
    if (fd < 0) return failed(fd, "cannot open " + what, path);
    return File(fs, fd, path);
}

void File::close() {
    if (fd_ >= 0) fs_->close(std::exchange(fd_, -1));
}

Result<struct stat> File::status() const {
    struct stat status {};
    int result = fs_->fstat(fd_, &status);
    if (result < 0) return failed(result, "cannot stat", path_);
    return status;
}

Result<void> File::read_at(std::uint64_t offset, void* bytes, std::size_t size) const {
    char* at = static_cast<char*>(bytes);
    while (size > 0) {
        ssize_t got = fs_->pread(fd_, at, size, offset);
        if (got < 0) return failed(got, "cannot read", path_);
        if (got == 0) {
            return error(Code::kCorrupt, path_ + " ends at byte " + std::to_string(offset) + ", " +
                                             std::to_string(size) + " bytes short");
        }
        at += got;
        offset += static_cast<std::uint64_t>(got);
        size -= static_cast<std::size_t>(got);
    }
    return {};
}

Result<void> File::write_all(const void* bytes, std::size_t size) {
    const char* at = static_cast<const char*>(bytes);
    while (size > 0) {
        ssize_t put = fs_->write(fd_, at, size);
        // A file system that takes nothing and reports nothing would loop for ever.
        if (put == 0) put = -EIO;
        if (put < 0) return failed(put, "cannot write", path_);
        at += put;
        size -= static_cast<std::size_t>(put);
    }
    return {};
}

Result<void> File::sync() {
    int result = fs_->fsync(fd_);
    if (result < 0) return failed(result, "cannot sync", path_);
    return {};
}

DurableFile::DurableFile(FileSystem& fs, File file, std::string path)
    : fs_(&fs), file_(std::move(file)), path_(std::move(path)), temporary_(path_ + kTemporarySuffix) {}

DurableFile::DurableFile(DurableFile&& other) noexcept
    : fs_(other.fs_),
      file_(std::move(other.file_)),
      path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      buffer_(std::move(other.buffer_)),
      size_(other.size_) {}

DurableFile::~DurableFile() {
    if (temporary_.empty()) return;
    file_.close();
    // If this fails too, remove_temporaries() finds the name at the next start.
    fs_->unlink(temporary_);
}

Result<DurableFile> DurableFile::create(FileSystem& fs, const std::string& path, mode_t mode) {
    std::string temporary = path + kTemporarySuffix;
    constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    int fd = fs.open(temporary, flags, mode);
    if (fd == -EEXIST) {
        // Left by a write that did not finish (D2). A new inode, so that nothing of the old one shows
        // through.
        int removed = fs.unlink(temporary);
        if (removed < 0 && removed != -ENOENT) {
            return failed(removed, "cannot remove the leftover", temporary);
        }
        fd = fs.open(temporary, flags, mode);
    }
    if (fd < 0) return failed(fd, "cannot create", temporary);
    return DurableFile(fs, File(fs, fd, temporary), path);
}

Result<void> DurableFile::append(const void* bytes, std::size_t size) {
    size_ += size;
    buffer_.append(static_cast<const char*>(bytes), size);
    if (buffer_.size() >= kBufferBytes) return flush();
    return {};
}

Result<void> DurableFile::flush() {
    Result<void> written = file_.write_all(buffer_.data(), buffer_.size());
    if (written.ok()) buffer_ = {};
    return written;
}

Result<void> DurableFile::commit() {
    if (Result<void> named = name_all(*fs_, {this}).front(); !named.ok()) return named;
    return sync_directory(*fs_, parent_directory(path_));
}

std::vector<Result<void>> DurableFile::name_all(FileSystem& fs, const std::vector<DurableFile*>& files) {
    std::vector<Result<void>> results;
    std::vector<int> fds;
    for (DurableFile* file : files) {
        results.push_back(file->flush());
        if (results.back().ok()) fds.push_back(file->file_.descriptor());
    }
    const std::vector<int> synced = fs.fsync_all(fds);
    auto next = synced.begin();
    for (std::size_t i = 0; i < files.size(); ++i) {
        if (!results[i].ok()) continue;
        const int result = *next++;
        results[i] = result < 0 ? failed(result, "cannot sync", files[i]->temporary_) : files[i]->take_name();
    }
    return results;
}

Result<void> DurableFile::take_name() {
    file_.close();
    int renamed = fs_->rename(temporary_, path_);
    if (renamed < 0) return failed(renamed, "cannot rename " + temporary_ + " to", path_);
    temporary_.clear();
    return {};
}

Result<void> write_file_durably(FileSystem& fs, const std::string& path, std::string_view bytes, mode_t mode) {
    Result<DurableFile> file = DurableFile::create(fs, path, mode);
    if (!file.ok()) return file.error();
    if (Result<void> appended = file->append(bytes); !appended.ok()) return appended;
    return file->commit();
}

Result<std::string> read_file(FileSystem& fs, const std::string& path, std::size_t max_bytes) {
    Result<File> file = File::open(fs, path, O_RDONLY, "file");
    if (!file.ok()) return file.error();
    Result<struct stat> status = file->status();
    if (!status.ok()) return status.error();
    if (!S_ISREG(status->st_mode)) return error(Code::kInvalid, path + " is not a regular file");
    auto size = static_cast<std::uint64_t>(status->st_size);
    if (size > max_bytes) {
        return error(Code::kExhausted, path + " has " + std::to_string(size) + " bytes, at most " +
                                           std::to_string(max_bytes) + " are read");
    }
    std::string bytes(size, '\0');
    Result<void> got = file->read_at(0, bytes.data(), bytes.size());
    if (!got.ok()) return got.error();
    return bytes;
}

bool is_bad_content(const Error& error) {
    return error.errno_value == 0 || error.errno_value == EIO || error.errno_value == ELOOP ||
           error.errno_value == EISDIR;
}

Result<void> sync_directory(FileSystem& fs, const std::string& path) {
    Result<File> folder = File::open(fs, path + "/.", O_RDONLY | O_DIRECTORY, "folder");
    if (!folder.ok()) return folder.error();
    return folder->sync();
}

Result<void> make_directories(FileSystem& fs, const std::string& path, mode_t mode) {
    struct stat status {};
    // stat of "path/." follows a link: an operator may well put the folder elsewhere.
    int found = fs.lstat(path + "/.", &status);
    if (found == 0) return {};
    if (found == -ENOTDIR) return error(Code::kInvalid, path + " is there and is not a folder");
    if (found != -ENOENT) return failed(found, "cannot look at", path);
    std::string parent = parent_directory(path);
    if (parent != path) {
        if (Result<void> made = make_directories(fs, parent, mode); !made.ok()) return made;
    }
    int made = fs.mkdir(path, mode);
    if (made < 0 && made != -EEXIST) return failed(made, "cannot make the folder", path);
    return sync_directory(fs, parent);
}

Result<std::vector<std::string>> list_directory(FileSystem& fs, const std::string& path) {
    std::vector<std::string> names;
    int result = fs.list(path, &names);
    if (result < 0) return failed(result, "cannot list", path);
    std::sort(names.begin(), names.end());
    return names;
}

Result<std::size_t> remove_temporaries(FileSystem& fs, const std::string& path) {
    Result<std::vector<std::string>> names = list_directory(fs, path);
    if (!names.ok()) return names.error();
    std::size_t removed = 0;
    for (const std::string& name : *names) {
        if (!name.ends_with(kTemporarySuffix)) continue;
        if (Result<void> gone = remove_file(fs, path + "/" + name); !gone.ok()) return gone.error();
        ++removed;
    }
    return removed;
}

Result<void> remove_file(FileSystem& fs, const std::string& path) {
    int result = fs.unlink(path);
    if (result < 0 && result != -ENOENT) return failed(result, "cannot remove", path);
    return {};
}

std::string parent_directory(const std::string& path) {
    std::size_t end = path.find_last_not_of('/');
    if (end == std::string::npos) return path.empty() ? "." : "/";
    std::size_t slash = path.rfind('/', end);
    if (slash == std::string::npos) return ".";
    std::size_t last = path.find_last_not_of('/', slash);
    return last == std::string::npos ? "/" : path.substr(0, last + 1);
}

}  // namespace ringside::agent
