#include "agent/segment/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

namespace ringside::agent {

namespace {

constexpr mode_t kLoosestMode = 03753;

std::string octal(mode_t mode) {
    char text[16];
    std::snprintf(text, sizeof text, "%04o", static_cast<unsigned>(mode));
    return text;
}

Result<void> check_owner_and_mode(const struct stat& status, const std::string& path, uid_t owner) {
    if (status.st_uid != owner) {
        return error(Code::kDenied, "the segment folder " + path + " belongs to user " + std::to_string(status.st_uid) +
                                        ", not to the agent's user " + std::to_string(owner) + ": run chown " +
                                        std::to_string(owner) + " " + path + ", or set another folder");
    }
    mode_t mode = status.st_mode & 07777;
    bool others_write = (mode & 0022) != 0;
    if ((mode & ~kLoosestMode) == 0 && (!others_write || (mode & S_ISVTX) != 0)) return {};
    return error(Code::kDenied, "the segment folder " + path + " has mode " + octal(mode) +
                                    ", which lets others list, replace or remove segments: run chmod " +
                                    octal(kLoosestMode) + " " + path);
}

FolderEntry classify(const dirent& item) {
    FolderEntry entry;
    entry.file_name = item.d_name;
    entry.inode = item.d_ino;
    if (entry.file_name.starts_with('.')) {
        entry.kind = EntryKind::kCreating;
    } else if (std::optional<SegmentName> name = SegmentName::parse(entry.file_name)) {
        entry.kind = EntryKind::kSegment;
        entry.name = *std::move(name);
    }
    return entry;
}

}  // namespace

Result<SegmentDirectory> SegmentDirectory::open_unchecked(const std::string& path) {
    int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        int code = errno;
        if (code == ENOTDIR) return error(Code::kInvalid, path + " is not a folder: give the folder of the segments");
        return errno_error(code, "cannot open the segment folder " + path);
    }
    struct stat status;
    if (::fstat(fd, &status) < 0) {
        int code = errno;
        ::close(fd);
        return errno_error(code, "cannot look at the segment folder " + path);
    }
    return SegmentDirectory(fd, status.st_dev, path);
}

Result<SegmentDirectory> SegmentDirectory::open(const std::string& path, uid_t owner) {
    Result<SegmentDirectory> folder = open_unchecked(path);
    if (!folder) {
        Error why = folder.error();
        if (why.errno_value == ENOENT) {
            why.context += " (create it with: install -d -m 3753 -o " + std::to_string(owner) + " " + path + ")";
        }
        return why;
    }
    struct stat status;
    if (::fstat(folder->fd_, &status) < 0) return errno_error(errno, "cannot look at the segment folder " + path);
    if (Result<void> checked = check_owner_and_mode(status, path, owner); !checked) return checked.error();
    return folder;
}

SegmentDirectory::SegmentDirectory(SegmentDirectory&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), device_(other.device_), path_(std::move(other.path_)) {}

SegmentDirectory& SegmentDirectory::operator=(SegmentDirectory&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(device_, other.device_);
    std::swap(path_, other.path_);
    return *this;
}

SegmentDirectory::~SegmentDirectory() {
    if (fd_ >= 0) ::close(fd_);
}

Result<FolderListing> SegmentDirectory::scan() const {
    // A descriptor of its own for every scan: readdir moves the offset, which duplicates would share.
    int fd = ::openat(fd_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno_error(errno, "cannot list the segment folder " + path_);
    DIR* stream = ::fdopendir(fd);
    if (stream == nullptr) {
        int code = errno;
        ::close(fd);
        return errno_error(code, "cannot list the segment folder " + path_);
    }
    FolderListing listing;
    errno = 0;
    while (const dirent* item = ::readdir(stream)) {
        std::string_view name = item->d_name;
        if (name == "." || name == "..") continue;
        if (listing.entries.size() == kMaxEntries) {
            listing.cut = true;
            break;
        }
        listing.entries.push_back(classify(*item));
        errno = 0;
    }
    int code = listing.cut ? 0 : errno;
    ::closedir(stream);
    if (code != 0) return errno_error(code, "cannot list the segment folder " + path_);
    std::ranges::sort(listing.entries, {}, &FolderEntry::file_name);
    return listing;
}

}  // namespace ringside::agent
