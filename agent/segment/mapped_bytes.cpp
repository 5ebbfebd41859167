#include "agent/segment/mapped_bytes.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "agent/base/clock.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kBlockBytes = 512;  // what st_blocks counts

// The blocks alone do not tell: there may be some beyond the end of the file. `status` is from before this look, so that
// what changes meanwhile is seen by the next one.
bool has_no_holes(int fd, const struct stat& status, std::uint64_t bytes) {
    if (static_cast<std::uint64_t>(status.st_size) < bytes) return false;
    if (static_cast<std::uint64_t>(status.st_blocks) * kBlockBytes < bytes) return false;
    const off_t hole = lseek(fd, 0, SEEK_HOLE);
    return hole >= 0 && static_cast<std::uint64_t>(hole) >= bytes;
}

}  // namespace

bool MappedBytes::has_all_pages(int fd, std::uint64_t now_ns) {
    if (now_ns - looked_ns_ < kHoleLookNs) return true;  // a clock that was set back is far away, too
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0 || static_cast<std::uint64_t>(status.st_size) < bytes_) return false;
    if (timespec_ns(status.st_ctim) != changed_ns_ && !has_no_holes(fd, status, bytes_)) return false;
    changed_ns_ = timespec_ns(status.st_ctim);
    looked_ns_ = now_ns;
    return true;
}

std::unique_ptr<MappedBytes> MappedBytes::map(int fd, std::uint64_t bytes) {
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0 || !has_no_holes(fd, status, bytes)) return nullptr;
    void* pages = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (pages == MAP_FAILED) return nullptr;
    std::unique_ptr<MappedBytes> mapped(
        new MappedBytes(static_cast<const std::byte*>(pages), bytes, timespec_ns(status.st_ctim)));
    return mapped->guard_->guarded() ? std::move(mapped) : nullptr;
}

MappedBytes::~MappedBytes() {
    guard_.reset();
    munmap(const_cast<std::byte*>(data_), bytes_);
}

bool MappedBytes::read(std::uint64_t offset, void* to, std::size_t size) const {
    errno = 0;
    if (offset > bytes_ || size > bytes_ - offset) return false;
    const std::byte* from = data_ + offset;
    auto* out = static_cast<std::byte*>(to);
    std::size_t at = 0;
    if (offset % sizeof(std::uint64_t) == 0) {
        for (; at + sizeof(std::uint64_t) <= size; at += sizeof(std::uint64_t)) {
            const std::uint64_t word = load64(from + at);
            std::memcpy(out + at, &word, sizeof word);
        }
    }
    for (; at + sizeof(std::uint32_t) <= size; at += sizeof(std::uint32_t)) {
        const std::uint32_t word = load32(from + at);
        std::memcpy(out + at, &word, sizeof word);
    }
    // The zeros of a cut that another thread met come after its mark.
    std::atomic_thread_fence(std::memory_order_acquire);
    return !cut();
}

}  // namespace ringside::agent
