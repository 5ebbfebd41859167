#include "agent/segment/open.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "agent/segment/header.h"
#include "agent/segment/text.h"

namespace ringside::agent {

namespace {

Opened not_opened(OpenVerdict verdict, QuarantineReason reason, std::string detail) {
    return {verdict, nullptr, {reason, std::move(detail)}};
}

Opened from_errno(int code) {
    std::string why = std::string("open: ") + std::strerror(code);
    switch (code) {
        case ENOENT: return not_opened(OpenVerdict::kGone, QuarantineReason::kUnreadable, why);
        case EAGAIN: return not_opened(OpenVerdict::kLater, QuarantineReason::kBusy, why);
        case EINTR:
        case EMFILE:
        case ENFILE:
        case ENOMEM: return not_opened(OpenVerdict::kLater, QuarantineReason::kUnreadable, why);
        case ELOOP: return not_opened(OpenVerdict::kRefused, QuarantineReason::kNotRegular, "it is a symbolic link");
        case ENXIO:
        case ENODEV:
            return not_opened(OpenVerdict::kRefused, QuarantineReason::kNotRegular, "it is a socket or a device");
        default: return not_opened(OpenVerdict::kRefused, QuarantineReason::kUnreadable, why);
    }
}

const char* kind_of(mode_t mode) {
    if (S_ISDIR(mode)) return "a folder";
    if (S_ISFIFO(mode)) return "a FIFO";
    if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
    if (S_ISSOCK(mode)) return "a socket";
    return "no regular file";
}

// What fstat tells of the file, in the order in which a planted one would show.
std::optional<Opened> check_status(const struct stat& status, dev_t device, const SegmentName& name,
                                   const OpenOptions& options) {
    auto refused = [](QuarantineReason reason, std::string detail) {
        return not_opened(OpenVerdict::kRefused, reason, std::move(detail));
    };
    if (!S_ISREG(status.st_mode))
        return refused(QuarantineReason::kNotRegular, std::string("it is ") + kind_of(status.st_mode));
    if (status.st_dev != device)
        return refused(QuarantineReason::kOtherDevice, "it lies on another file system than its folder");
    if (status.st_nlink == 0)
        return not_opened(OpenVerdict::kGone, QuarantineReason::kUnreadable, "it was removed meanwhile");
    if (status.st_nlink > 1)
        return refused(QuarantineReason::kLinks, "it has " + std::to_string(status.st_nlink) + " links");
    if (options.owner_allowed && !options.owner_allowed(name, status.st_uid)) {
        return refused(QuarantineReason::kWrongOwner, "it belongs to user " + std::to_string(status.st_uid));
    }
    auto bytes = static_cast<std::uint64_t>(status.st_size);
    if (bytes > options.max_segment_bytes) {
        return refused(QuarantineReason::kTooLarge, "it has " + std::to_string(bytes) + " bytes, the limit is " +
                                                        std::to_string(options.max_segment_bytes));
    }
    std::uint64_t allocated = static_cast<std::uint64_t>(status.st_blocks) * 512;
    if (allocated < bytes) {
        return refused(QuarantineReason::kHole,
                       "of its " + std::to_string(bytes) + " bytes " + std::to_string(allocated) + " are allocated");
    }
    return std::nullopt;
}

Opened finish(std::unique_ptr<const ByteSource> source, const SegmentName* name, LiveSegment::File file,
              LayoutCache& layouts, const OpenOptions& options) {
    Checked<SegmentHeader> header = read_header(*source, layouts, name);
    if (!header) return {OpenVerdict::kRefused, nullptr, header.refusal()};
    Opened opened;
    opened.verdict = OpenVerdict::kAccepted;
    opened.segment = std::make_shared<LiveSegment>(std::move(source), *std::move(header), file, options.now);
    return opened;
}

}  // namespace

std::shared_ptr<LayoutCache> make_layout_cache() { return std::make_shared<LayoutCache>(); }

Opened open_segment(const SegmentDirectory& folder, const std::string& file_name, LayoutCache& layouts,
                    const OpenOptions& options) {
    std::optional<SegmentName> name = SegmentName::parse(file_name);
    if (!name) {
        return not_opened(OpenVerdict::kRefused, QuarantineReason::kNameMismatch,
                          "\"" + printable(file_name) + "\" is not the name of a segment");
    }
    // O_NONBLOCK: neither a FIFO nor a lease makes this wait. O_NOCTTY: a terminal in its place does not become ours.
    int fd =
        ::openat(folder.descriptor(), file_name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return from_errno(errno);
    auto source = std::make_unique<FileBytes>(fd);
    struct stat status;
    if (::fstat(fd, &status) < 0) return from_errno(errno);
    if (std::optional<Opened> refused = check_status(status, folder.device(), *name, options))
        return *std::move(refused);
    LiveSegment::File file{status.st_uid, status.st_ino, status.st_dev};
    return finish(std::move(source), &*name, file, layouts, options);
}

Opened open_segment_path(const std::string& path, LayoutCache& layouts, const OpenOptions& options) {
    std::size_t slash = path.rfind('/');
    std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    Result<SegmentDirectory> folder = SegmentDirectory::open_unchecked(parent);
    if (!folder) {
        OpenVerdict verdict = folder.error().code == Code::kNotFound ? OpenVerdict::kGone : OpenVerdict::kRefused;
        return not_opened(verdict, QuarantineReason::kUnreadable, folder.error().message());
    }
    return open_segment(*folder, slash == std::string::npos ? path : path.substr(slash + 1), layouts, options);
}

Opened open_segment_image(std::vector<std::byte> bytes, const SegmentName* name, LayoutCache& layouts,
                          const OpenOptions& options) {
    if (bytes.size() > options.max_segment_bytes) {
        return not_opened(OpenVerdict::kRefused, QuarantineReason::kTooLarge,
                          "it has " + std::to_string(bytes.size()) + " bytes");
    }
    return finish(std::make_unique<MemoryBytes>(std::move(bytes)), name, {}, layouts, options);
}

}  // namespace ringside::agent
