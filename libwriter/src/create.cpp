// Creating a segment file: under a temporary name, sized, every page reserved, filled in, then renamed into place.
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "segment.h"
#include "text.h"

namespace ringside::writer {
namespace {

// Of linux/fs.h and linux/magic.h, which a compiler for musl does not have: no kernel headers in the library.
constexpr unsigned int kRenameNoReplace = 1;
constexpr unsigned long kTmpfs = 0x01021994;
constexpr unsigned long kHugetlbfs = 0x958458f6;
constexpr unsigned long kRamfs = 0x858458f6;

static_assert(sizeof(off_t) == 8, "sizes of files need 64 bits");
constexpr uint64_t kReserveBytes = 1 << 20;  // at a time: well below the beat of any timer signal
constexpr int kReserveTries = 1000;          // for each of them, against a rain of signals

int fail(rside_error* error, int code, const char* what, const char* name, const char* hint = "") {
    ErrorText(error, -code) << what << " " << name << ": errno " << static_cast<uint64_t>(code) << hint;
    return -code;
}

bool is_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool is_vm_id(const char* id) {
    size_t size = length(id);
    if (size == 0 || size >= RSIDE_VM_ID_BYTES || !is_alnum(id[0])) return false;
    for (size_t i = 0; i < size; ++i) {
        if (!is_alnum(id[i]) && id[i] != '.' && id[i] != '_' && id[i] != ':' && id[i] != '-') return false;
    }
    return true;
}

bool is_component(const char* name) {
    size_t size = length(name);
    if (size >= RSIDE_COMPONENT_BYTES) return false;
    for (size_t i = 0; i < size; ++i) {
        bool good = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') || name[i] == '_' ||
                    name[i] == '-';
        if (!good) return false;
    }
    return true;
}

int check_names(const rside_options& options, rside_error* error) {
    if (!is_vm_id(options.vm_id)) {
        ErrorText(error, -EINVAL) << "vm_id '" << options.vm_id
                                  << "' must be 1 to 63 of [A-Za-z0-9._:-] and begin with a letter or digit";
        return -EINVAL;
    }
    if (!is_component(options.component)) {
        ErrorText(error, -EINVAL) << "component '" << options.component << "' must be at most 31 of [a-z0-9_-]";
        return -EINVAL;
    }
    return 0;
}

// A path built piece by piece; too long a one is remembered, not cut.
class Path {
  public:
    Path& operator<<(const char* text) {
        size_t size = length(text);
        if (used_ + size >= sizeof text_) {
            too_long_ = true;
            return *this;
        }
        __builtin_memcpy(text_ + used_, text, size + 1);
        used_ += size;
        return *this;
    }
    Path& hex(const uint8_t* bytes, size_t count) {
        static const char digits[] = "0123456789abcdef";
        for (size_t i = 0; i < count; ++i) {
            char pair[3] = {digits[bytes[i] >> 4], digits[bytes[i] & 15], '\0'};
            *this << pair;
        }
        return *this;
    }
    const char* text() const { return text_; }
    size_t size() const { return used_; }
    bool too_long() const { return too_long_; }

  private:
    char text_[PATH_MAX] = {};
    size_t used_ = 0;
    bool too_long_ = false;
};

int random_bytes(uint8_t* out, size_t size, rside_error* error) {
    ssize_t got;
    do {
        got = getrandom(out, size, 0);
    } while (got < 0 && errno == EINTR);
    if (got == static_cast<ssize_t>(size)) return 0;
    return fail(error, got < 0 ? errno : EIO, "cannot read random bytes for the epoch of", "the segment");
}

// Best effort: zeros say "not known".
void read_boot_id(uint8_t out[16]) {
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    char text[37] = {};
    ssize_t size = read(fd, text, 36);
    close(fd);
    if (size != 36) return;
    size_t digit = 0;
    uint8_t bytes[16] = {};
    for (char c : text) {
        int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (value < 0 || digit >= 32) continue;
        bytes[digit / 2] = static_cast<uint8_t>(bytes[digit / 2] << 4 | value);
        ++digit;
    }
    if (digit == 32) __builtin_memcpy(out, bytes, sizeof bytes);
}

int check_file_system(int fd, const char* directory, rside_error* error) {
    struct statfs info;
    if (fstatfs(fd, &info) < 0) return fail(error, errno, "cannot look at the file system of", directory);
    auto type = static_cast<unsigned long>(info.f_type);
    if (type == kTmpfs || type == kHugetlbfs || type == kRamfs) return 0;
    ErrorText(error, -EMEDIUMTYPE)
        << directory
        << " is not on a tmpfs: a mapping of a disk file would stall the VM on write-back, use "
           "a directory below /dev/shm or a tmpfs of its own";
    return -EMEDIUMTYPE;
}

class TextPage {
  public:
    explicit TextPage(char* at) : at_(at), end_(at + sizeof(rside_header::text) - 1) {}
    TextPage& operator<<(const char* text) {
        while (*text && at_ < end_) *at_++ = *text++;
        return *this;
    }
    TextPage& operator<<(uint64_t number) {
        rside_error digits;
        ErrorText(&digits, 0) << number;
        return *this << digits.text;
    }

  private:
    char* at_;
    char* end_;
};

void write_text(rside_header* header, const rside_schema& schema, const char* epoch) {
    TextPage page(header->text);
    page << RSIDE_TEXT_MAGIC << " v" << uint64_t{RSIDE_FORMAT_VERSION} << "\nvm_id: " << header->vm_id
         << "\ncomponent: " << (header->component[0] ? header->component : "-") << "\nepoch: " << epoch
         << "\nschema: " << schema.name << " v" << uint64_t{schema.version} << "\nbytes: " << header->segment_bytes
         << "\nseries: " << uint64_t{header->series_capacity} << "\ntiers:";
    for (uint32_t t = 0; t < schema.tier_count; ++t) {
        page << " " << uint64_t{schema.tiers[t].resolution_s} << "s x " << uint64_t{schema.tiers[t].slots};
    }
    page << "\nread it with: ringsidectl segment dump FILE\n";
}

void write_header(uint8_t* base, const rside_options& options, const Scratch& scratch, const rside_geometry& geometry,
                  const uint8_t epoch[16]) {
    auto* header = reinterpret_cast<rside_header*>(base);
    __builtin_memcpy(base + RSIDE_HEADER_BYTES, scratch.data(), scratch.bytes());
    header->magic = RSIDE_MAGIC;
    header->format_version = RSIDE_FORMAT_VERSION;
    header->header_bytes = RSIDE_HEADER_BYTES;
    header->segment_bytes = geometry.segment_bytes;
    header->schema_hash = rside_hash(scratch.data(), scratch.bytes());
    __builtin_memcpy(header->epoch, epoch, 16);
    read_boot_id(header->boot_id);
    header->created_ns = realtime_ns();
    struct timespec boot;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    header->created_boottime_ns =
        static_cast<uint64_t>(boot.tv_sec) * RSIDE_NS_PER_S + static_cast<uint64_t>(boot.tv_nsec);
    __builtin_memcpy(header->vm_id, options.vm_id, length(options.vm_id));
    if (options.component) __builtin_memcpy(header->component, options.component, length(options.component));
    header->schema_offset = geometry.schema_offset;
    header->schema_bytes = geometry.schema_bytes;
    header->directory_offset = geometry.directory_offset;
    header->arena_offset = geometry.arena_offset;
    header->cells_offset = geometry.cells_offset;
    header->accumulators_offset = geometry.accumulators_offset;
    header->hot_buckets_offset = geometry.hot_buckets_offset;
    header->rings_offset = geometry.rings_offset;
    header->series_capacity = geometry.series_capacity;
    Path epoch_text;
    epoch_text.hex(epoch, 16);
    write_text(header, *options.schema, epoch_text.text());
    uint32_t checksum = rside_crc32c(0, header, offsetof(rside_header, checksum));
    header->checksum = rside_crc32c(checksum, scratch.data(), scratch.bytes());
}

// What a segment is made for: by the VMM that will write it, or by a launcher, who may give it away.
enum class Maker { kWriter, kLauncher };

// The file while it is made. Whatever fails, nothing of it is left.
class Draft {
  public:
    Draft() = default;
    ~Draft() {
        if (base_) munmap(base_, bytes_);
        if (named_) remove();
        if (fd_ >= 0) close(fd_);
    }
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;

    int make(const rside_options& options, Maker maker, const Scratch& scratch, const rside_geometry& geometry,
             rside_error* error) {
        const char* directory = options.directory ? options.directory : RSIDE_DEFAULT_DIRECTORY;
        if (*directory == '\0') {  // it would come out as the root of the file system
            ErrorText(error, -ENOENT) << "the name of the segment directory is empty, leave it null for "
                                      << RSIDE_DEFAULT_DIRECTORY;
            return -ENOENT;
        }
        uint8_t epoch[16];
        uint8_t unique[8];
        if (int code = random_bytes(epoch, sizeof epoch, error)) return code;
        if (int code = random_bytes(unique, sizeof unique, error)) return code;
        temporary_ << directory << "/.";
        temporary_.hex(unique, sizeof unique) << ".tmp";
        final_ << directory << "/" << options.vm_id << ".";
        final_.hex(epoch, sizeof epoch);
        if (length(options.component)) final_ << "." << options.component;
        final_ << ".seg";
        if (final_.too_long() || temporary_.too_long())
            return fail(error, ENAMETOOLONG, "path too long below", directory);
        if (int code = hold_.begin(options.flags)) return fail(error, -code, "cannot guard against fork in", directory);
        if (int code = open_file(directory, error)) return code;
        if (int code = reserve(geometry.segment_bytes, directory, error)) return code;
        write_header(base_, options, scratch, geometry, epoch);
        return hand_over(options, maker, directory, error);
    }

    // Makes the file visible under its final name.
    int publish(rside_error* error) {
        if (syscall(SYS_renameat2, AT_FDCWD, temporary_.text(), AT_FDCWD, final_.text(), kRenameNoReplace) < 0) {
            int code = errno;
            return fail(error, code, "cannot rename the new segment to", final_.text(),
                        code == EPERM && given_
                            ? " (in a directory with the sticky bit, giving a segment away takes CAP_FOWNER)"
                            : "");
        }
        named_ = false;
        return 0;
    }

    // Hands the mapping over to the caller; the file stays.
    uint8_t* release() {
        uint8_t* base = base_;
        base_ = nullptr;
        return base;
    }

    uint8_t* base() const { return base_; }
    int fd() const { return fd_; }
    const char* path() const { return final_.text(); }
    size_t path_bytes() const { return final_.size(); }

  private:
    // Reserves every page: a tmpfs that is full says so here, not by SIGBUS at the first store into a hole. 0 or errno.
    int reserve_pages(uint64_t bytes) {
        // Over this limit the kernel would answer with SIGXFSZ, which ends the VM; so not to know it is an error, too.
        struct rlimit limit;
        if (getrlimit(RLIMIT_FSIZE, &limit) < 0) return errno;
        if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < bytes) return EFBIG;
        int tries = 0;
        for (uint64_t at = 0; at < bytes;) {
            uint64_t part = bytes - at < kReserveBytes ? bytes - at : kReserveBytes;
            int code = posix_fallocate(fd_, static_cast<off_t>(at), static_cast<off_t>(part));
            if (code == EINTR && ++tries < kReserveTries) continue;
            if (code != 0) return code;
            at += part;
            tries = 0;
        }
        return 0;
    }

    int open_file(const char* directory, rside_error* error) {
        do {
            fd_ = open(temporary_.text(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        } while (fd_ < 0 && errno == EINTR);
        if (fd_ < 0) {
            int code = errno;
            const char* hint = code == ENOENT ? " (it does not exist: the agent creates it, or pass another directory)"
                               : code == EACCES  ? " (not writable for this user: see the segment directory's group)"
                               : code == ENOTDIR ? " (not a directory)"
                                                 : "";
            return fail(error, code, "cannot create a segment in", directory, hint);
        }
        named_ = true;
        return check_file_system(fd_, directory, error);
    }

    int reserve(uint64_t bytes, const char* directory, rside_error* error) {
        if (int code = reserve_pages(bytes)) {
            bool full = code == ENOSPC || code == EDQUOT || code == EFBIG;
            ErrorText(error, -code) << (full ? "no room for a segment of " : "cannot reserve a segment of ") << bytes
                                    << " bytes in " << directory << ": errno " << static_cast<uint64_t>(code)
                                    << (code == ENOSPC  ? " (the tmpfs is full: enlarge it or lower the schema's slots)"
                                        : code == EFBIG ? " (over this process' limit for the size of files)"
                                                        : "");
            return -code;
        }
        // Populated: no record is to enter the kernel for the fault of a page's first use. It also clears the pages, so that
        // a writer that attaches later has them mapped in a fraction of the time.
        void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_, 0);
        if (at == MAP_FAILED) return fail(error, errno, "cannot map the segment in", directory);
        base_ = static_cast<uint8_t*>(at);
        bytes_ = bytes;
        return 0;
    }

    // Mode and owner, in this order: whoever has given a file away may not change it any more.
    int hand_over(const rside_options& options, Maker maker, const char* directory, rside_error* error) {
        // By chmod: the umask has no say in it.
        if (fchmod(fd_, options.mode ? options.mode : 0640) < 0) {
            return fail(error, errno, "cannot set the mode of the segment in", directory);
        }
        bool kept = options.owner == static_cast<uid_t>(-1) && options.group == static_cast<gid_t>(-1);
        if (maker == Maker::kWriter || kept) return 0;
        if (fchown(fd_, options.owner, options.group) < 0) {
            return fail(error, errno, "cannot give the segment to its owner in", directory);
        }
        given_ = true;
        return 0;
    }

    // Under the sticky bit only its owner may remove a file.
    void remove() {
        if (given_) (void)!fchown(fd_, geteuid(), static_cast<gid_t>(-1));
        unlink(temporary_.text());
    }

    ForkHold hold_;  // first, so that it ends last: after the descriptor is closed
    Path temporary_;
    Path final_;
    uint8_t* base_ = nullptr;
    uint64_t bytes_ = 0;
    int fd_ = -1;
    bool named_ = false;  // under temporary_
    bool given_ = false;  // to another owner
};

// Everything of create and provision up to a complete, unnamed segment.
int draft(const rside_options* options, Maker maker, Draft* out, rside_error* error) {
    if (!options) {
        ErrorText(error, -EINVAL) << "no options given";
        return -EINVAL;
    }
    if (int code = rside_schema_check(options->schema, error)) return code;
    if (int code = check_names(*options, error)) return code;
    Scratch scratch(*options->schema);
    rside_geometry geometry;
    if (int code = scratch.geometry(&geometry, error)) return code;
    return out->make(*options, maker, scratch, geometry, error);
}

int guard_and_publish(Draft* file, rside_segment* segment, rside_error* error) {
    bool guard = segment->flags & RSIDE_FORK_GUARD;
    if (guard) {
        if (int code = fork_guard_hide(*segment)) {
            return fail(error, -code, "cannot keep from forked children the segment of", rside_segment_vm_id(segment));
        }
    }
    if (int code = file->publish(error)) return code;
    if (guard) fork_guard_add(segment);
    return 0;
}

}  // namespace
}  // namespace ringside::writer

using namespace ringside::writer;

extern "C" int rside_segment_create(const rside_options* options, rside_segment** out, rside_error* error) {
    Draft file;
    if (int code = draft(options, Maker::kWriter, &file, error)) return code;
    if (options->flags & RSIDE_LOCK) {
        if (int code = segment_lock(file.fd(), F_WRLCK))
            return fail(error, -code, "cannot lock the new segment of", options->vm_id);
    }
    auto* header = reinterpret_cast<rside_header*>(file.base());
    rside_segment* segment = segment_open(file.base(), header->segment_bytes, options->clock, file.path());
    if (!segment) return fail(error, ENOMEM, "no memory for the private side of", options->vm_id);
    segment_take(segment, options->flags);
    header->state = RSIDE_STATE_ATTACHED;  // nobody can see it before the rename
    int code = guard_and_publish(&file, segment, error);
    if (code < 0) {
        segment_free(segment);
        return code;
    }
    file.release();
    *out = segment;
    return 0;
}

extern "C" int rside_segment_provision(const rside_options* options, char* path, size_t path_bytes,
                                       rside_error* error) {
    Draft file;
    if (int code = draft(options, Maker::kLauncher, &file, error)) return code;
    if (path && path_bytes <= file.path_bytes()) {
        return fail(error, ENAMETOOLONG, "no room for the path of", options->vm_id);
    }
    if (int code = file.publish(error)) return code;
    if (path) __builtin_memcpy(path, file.path(), file.path_bytes() + 1);
    return 0;
}
