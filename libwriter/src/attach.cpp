// Attaching to a provisioned segment. With flags 0: open, fstat, mmap, close and nothing else, since one forbidden
// system call ends a VM that runs under a seccomp filter.
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "segment.h"
#include "text.h"

namespace ringside::writer {
namespace {

constexpr int kOpenTries = 8;  // against the agent's probe, which holds its lease for about a microsecond

// O_NONBLOCK: while a lease is held, open must fail, not wait. O_NOFOLLOW and O_CLOEXEC as everywhere.
int open_segment(const char* path) {
    constexpr int kFlags = O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC;
#if defined(__GLIBC__)
    return open(path, kFlags);
#elif defined(SYS_open)
    // For O_CLOEXEC musl's open makes an fcntl more, which kills a vCPU thread of Firecracker; the kernel sets it by itself.
    return static_cast<int>(syscall(SYS_open, path, kFlags));
#else
    return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, kFlags));
#endif
}

// Where the segment comes from, as messages name it.
struct Source {
    int fd;
    const char* path;  // "" when a descriptor was given
};

// The reason first: a long path is what may be cut.
int refuse(rside_error* error, int code, const Source& source, const char* why) {
    ErrorText text(error, -code);
    text << "cannot attach: " << why << ": ";
    if (*source.path) {
        text << source.path;
    } else {
        text << "descriptor " << (source.fd < 0 ? "-" : "")
             << static_cast<uint64_t>(source.fd < 0 ? -int64_t{source.fd} : source.fd);
    }
    return -code;
}

int refuse_errno(rside_error* error, int code, const Source& source, const char* what) {
    rside_error why;
    ErrorText(&why, 0) << what << ", errno " << static_cast<uint64_t>(code);
    return refuse(error, code, source, why.text);
}

// A mapping that is undone unless it is released.
class Mapping {
  public:
    ~Mapping() {
        if (base_) munmap(base_, bytes_);
    }
    Mapping() = default;
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;

    int map(const Source& source, rside_error* error) {
        struct stat info;
        if (fstat(source.fd, &info) < 0) {
            if (errno == EBADF) return refuse(error, EBADF, source, "not an open descriptor");
            return refuse_errno(error, errno, source, "fstat failed");
        }
        if (!S_ISREG(info.st_mode)) return refuse(error, EINVAL, source, "not a regular file");
        if (info.st_size < off_t{RSIDE_HEADER_BYTES} || static_cast<uint64_t>(info.st_size) > RSIDE_MAX_SEGMENT_BYTES) {
            return refuse(error, EINVAL, source, "the size is not that of a segment");
        }
        // A store into a hole is a SIGBUS once the tmpfs is full. Creation leaves none, but a sparse copy has some.
        if (int64_t{info.st_blocks} * 512 < info.st_size) {
            return refuse(error, EUCLEAN, source, "the file has holes, provision it again instead of copying it");
        }
        bytes_ = static_cast<uint64_t>(info.st_size);
        void* at = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, source.fd, 0);
        if (at == MAP_FAILED) {
            if (errno == EACCES || errno == EBADF) {
                return refuse(error, EBADF, source, "the descriptor is not open for reading and writing");
            }
            return refuse_errno(error, errno, source, "mmap failed");
        }
        base_ = static_cast<uint8_t*>(at);
        return 0;
    }
    uint8_t* base() const { return base_; }
    uint64_t bytes() const { return bytes_; }
    void release() { base_ = nullptr; }

    // No record is to enter the kernel for the fault of a page's first use. By reading, as a filter may not allow
    // MAP_POPULATE: tmpfs maps a page of a shared mapping for writing at once, and its neighbours with it.
    void map_all_pages() const {
        for (uint64_t at = 0; at < bytes_; at += RSIDE_PAGE_BYTES)
            (void)*static_cast<const volatile uint8_t*>(base_ + at);
    }

  private:
    uint8_t* base_ = nullptr;
    uint64_t bytes_ = 0;
};

// The immutable part against itself. The launcher is trusted, but its disk, its version and its typing are not.
int check_segment(const Mapping& mapping, const Source& source, const rside_schema* schema, rside_error* error) {
    const auto* header = reinterpret_cast<const rside_header*>(mapping.base());
    if (header->magic != RSIDE_MAGIC) return refuse(error, EINVAL, source, "not a Ringside segment");
    if (header->format_version != RSIDE_FORMAT_VERSION) {
        rside_error why;
        ErrorText(&why, 0) << "it has format version " << uint64_t{header->format_version}
                           << " and this library writes " << uint64_t{RSIDE_FORMAT_VERSION}
                           << ", provision it with the same release";
        return refuse(error, EPROTONOSUPPORT, source, why.text);
    }
    uint64_t room = mapping.bytes() - RSIDE_HEADER_BYTES;
    if (header->segment_bytes != mapping.bytes() || header->schema_offset != RSIDE_HEADER_BYTES ||
        header->schema_bytes < sizeof(rside_schema_block) || header->schema_bytes > room) {
        return refuse(error, EUCLEAN, source, "the sizes in the header do not match the file, provision it again");
    }
    const uint8_t* block = mapping.base() + RSIDE_HEADER_BYTES;
    uint32_t checksum = rside_crc32c(0, header, offsetof(rside_header, checksum));
    if (rside_crc32c(checksum, block, header->schema_bytes) != header->checksum) {
        return refuse(error, EUCLEAN, source, "the checksum does not match, provision it again");
    }
    // The checksum vouches for counts that a sound creator wrote; a geometry that does not fit is still refused.
    BlockView view = block_view(const_cast<uint8_t*>(block));
    rside_geometry geometry;
    if (view.head->tier_count == 0 || view.head->tier_count > RSIDE_MAX_TIERS ||
        view.head->metric_count > RSIDE_MAX_METRICS || rside_schema_block_bytes(view.head) != header->schema_bytes ||
        rside_geometry_compute(view.head, view.tiers, view.metrics, &geometry, nullptr) < 0 ||
        geometry.segment_bytes != mapping.bytes() || geometry.series_capacity != header->series_capacity) {
        return refuse(error, EUCLEAN, source, "the schema does not match the size of the file, provision it again");
    }
    if (schema && header->schema_hash != rside_schema_hash(schema)) {
        return refuse(error, ESTALE, source,
                      "the segment was laid out with another schema, provision it with this one");
    }
    return 0;
}

int refuse_taken(rside_error* error, const Source& source) {
    return refuse(error, EBUSY, source, "a writer is or was attached, provision a new segment for a new epoch");
}

// What `flags` asks for. All that may fail comes before the segment is taken, so that it is untouched then.
int protect(const rside_segment& segment, const Source& source, uint32_t flags, rside_error* error) {
    if (flags & RSIDE_FORK_GUARD) {
        if (int code = fork_guard_hide(segment)) {
            return refuse_errno(error, -code, source, "cannot keep the mapping from forked children");
        }
    }
    if (!(flags & RSIDE_LOCK)) return 0;
    int code = segment_lock(source.fd, F_WRLCK);
    if (code == -EAGAIN) return refuse_taken(error, source);
    return code < 0 ? refuse_errno(error, -code, source, "cannot lock it") : 0;
}

// P12: one writer a segment, for good. Acquire and release: all that the launcher wrote is ours, what we write comes after.
bool take_state(rside_header* header) {
    uint32_t provisioned = RSIDE_STATE_PROVISIONED;
    return __atomic_compare_exchange_n(&header->state, &provisioned, static_cast<uint32_t>(RSIDE_STATE_ATTACHED), false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

int attach(const Source& source, const rside_schema* schema, enum rside_clock clock, uint32_t flags,
           rside_segment** out, rside_error* error) {
    if (schema) {
        if (int code = rside_schema_check(schema, error)) return code;
    }
    Mapping mapping;
    if (int code = mapping.map(source, error)) return code;
    if (int code = check_segment(mapping, source, schema, error)) return code;
    auto* header = reinterpret_cast<rside_header*>(mapping.base());
    // Relaxed: take_state decides. But a lock that came and went on another writer's segment could pass for its end.
    if (__atomic_load_n(&header->state, __ATOMIC_RELAXED) != RSIDE_STATE_PROVISIONED)
        return refuse_taken(error, source);
    mapping.map_all_pages();
    rside_segment* segment = segment_open(mapping.base(), mapping.bytes(), clock, source.path);
    if (!segment) return refuse(error, ENOMEM, source, "no memory for its private side");
    int code = protect(*segment, source, flags, error);
    if (code == 0 && !take_state(header)) {
        if (flags & RSIDE_LOCK) segment_lock(source.fd, F_UNLCK);
        code = refuse_taken(error, source);
    }
    if (code < 0) {
        segment_free(segment);
        return code;
    }
    segment_take(segment, flags);
    if (flags & RSIDE_FORK_GUARD) fork_guard_add(segment);
    mapping.release();
    *out = segment;
    return 0;
}

}  // namespace
}  // namespace ringside::writer

using namespace ringside::writer;

extern "C" int rside_segment_attach_fd(int fd, const rside_schema* schema, enum rside_clock clock, uint32_t flags,
                                       rside_segment** out, rside_error* error) {
    Source source = {fd, ""};
    ForkHold hold;
    if (int code = hold.begin(flags)) return refuse_errno(error, -code, source, "cannot guard against fork");
    return attach(source, schema, clock, flags, out, error);
}

extern "C" int rside_segment_attach(const char* path, const rside_schema* schema, enum rside_clock clock,
                                    uint32_t flags, rside_segment** out, rside_error* error) {
    if (length(path) == 0 || length(path) >= PATH_MAX) {
        bool none = length(path) == 0;
        ErrorText(error, none ? -ENOENT : -ENAMETOOLONG)
            << (none ? "cannot attach: no path given" : "cannot attach: the path is too long");
        return none ? -ENOENT : -ENAMETOOLONG;
    }
    ForkHold hold;  // until the descriptor is closed
    if (int code = hold.begin(flags)) return refuse_errno(error, -code, {-1, path}, "cannot guard against fork");
    int fd = -1;
    for (int tries = 0; tries < kOpenTries; ++tries) {
        fd = open_segment(path);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) break;
    }
    if (fd < 0) {
        return refuse_errno(error, errno, {fd, path},
                            errno == EAGAIN ? "the agent is probing it, try again" : "open failed");
    }
    int code = attach({fd, path}, schema, clock, flags, out, error);
    close(fd);  // the mapping keeps the lock and the kernel's count of writers
    return code;
}
