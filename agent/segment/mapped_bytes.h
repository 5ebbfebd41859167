// A segment's file as memory, for whoever reads many series of it at once: a copy costs no system call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "agent/segment/bus_guard.h"
#include "agent/segment/byte_source.h"

namespace ringside::agent {

class MappedBytes : public ByteSource {
  public:
    // The first `bytes` of the file, read-only. Null where they cannot or must not be mapped: there is no guard
    // (install_bus_guard), the file is shorter, or has holes, for touching one would charge the agent with its page.
    static std::unique_ptr<MappedBytes> map(int fd, std::uint64_t bytes);
    // Whether that is still so: a hole can be punched at any time. Looks at most each kHoleLookNs of `now_ns`, whatever clock
    // that is, for one look costs as much as reading a series. One thread at a time.
    bool has_all_pages(int fd, std::uint64_t now_ns);
    static constexpr std::uint64_t kHoleLookNs = 20'000'000;
    ~MappedBytes() override;
    MappedBytes(const MappedBytes&) = delete;
    MappedBytes& operator=(const MappedBytes&) = delete;

    // Word by word, as whole aligned words of 8 bytes, or of 4 where offset or size are no multiple of 8; both are
    // multiples of 4. False, with errno 0, once the file has been cut.
    bool read(std::uint64_t offset, void* to, std::size_t size) const override;
    std::uint64_t size() const override { return cut() ? 0 : bytes_; }

    // For loads in place, each by itself atomic. What they gave is worth nothing where cut() says so afterwards.
    const std::byte* data() const { return data_; }
    bool cut() const { return guard_->cut(); }

  private:
    MappedBytes(const std::byte* data, std::uint64_t bytes, std::uint64_t changed_ns)
        : data_(data), bytes_(bytes), changed_ns_(changed_ns), guard_(std::make_unique<GuardedRange>(data, bytes)) {}

    const std::byte* const data_;
    const std::uint64_t bytes_;
    // The file's change time when it was seen to have no holes. Punching one changes it, storing through a mapping does not,
    // and nobody can set it.
    std::uint64_t changed_ns_;
    std::uint64_t looked_ns_ = 0;
    std::unique_ptr<GuardedRange> guard_;  // goes before the pages do
};

// One word of memory that another process may be writing. Relaxed: what orders it to others stands where it is used.
inline std::uint32_t load32(const std::byte* at) {
    return __atomic_load_n(reinterpret_cast<const std::uint32_t*>(at), __ATOMIC_RELAXED);
}
inline std::uint64_t load64(const std::byte* at) {
    return __atomic_load_n(reinterpret_cast<const std::uint64_t*>(at), __ATOMIC_RELAXED);
}
// A value of 64 bits that lies on a 4-byte boundary, as those of slots do: two words, of which one may be older. They are not
// where `open` was the same before and after (V1).
inline std::uint64_t load_halves(const std::byte* at) {
    return load32(at) | std::uint64_t{load32(at + sizeof(std::uint32_t))} << 32;
}
// Sends for memory that will be read soon.
inline void prefetch(const std::byte* begin, std::uint64_t bytes) {
    constexpr std::uint64_t kLineBytes = 64;
    for (std::uint64_t at = 0; at < bytes; at += kLineBytes) __builtin_prefetch(begin + at);
    __builtin_prefetch(begin + bytes - 1);
}

}  // namespace ringside::agent
