// Where the bytes of a segment are: a file read by pread, or a copy in memory. A mapping can become a third one.
//
// A source only copies. It never hands out a pointer to bytes that another process can change, so that whoever has checked
// a copy keeps what was checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace ringside::agent {

// Copies of words that the writer may be storing to at this moment must be aligned like the words themselves.
inline constexpr std::size_t kSourceAlignment = 64;

class ByteSource {
  public:
    virtual ~ByteSource() = default;

    // Copies exactly `size` bytes from `offset` on, or returns false: the file is shorter than that by now, or the kernel
    // failed (errno is then set, else 0). Any thread. Does not block on the writer.
    //
    // Whole aligned words of 8 bytes come over untorn when `to` and `offset` are congruent modulo kSourceAlignment: on
    // x86-64 the kernel copies with `rep movsb`, which moves larger aligned pieces then. With the two shifted against each
    // other by 8 bytes, about one word in 10^5 was seen half old and half new under a busy writer.
    virtual bool read(std::uint64_t offset, void* to, std::size_t size) const = 0;

    // The size at the time of the call; UINT64_MAX when it cannot be told, for then it was not seen to be cut.
    virtual std::uint64_t size() const = 0;

    // The descriptor to probe for a writer, or -1: bytes in memory have none.
    virtual int descriptor() const { return -1; }
};

// Reads a file. Owns the descriptor. pread cannot fault when the file is cut, and a hole read by it allocates no page,
// whereas touching one through a mapping would charge the agent for it.
class FileBytes : public ByteSource {
  public:
    explicit FileBytes(int fd) : fd_(fd) {}
    ~FileBytes() override;
    FileBytes(const FileBytes&) = delete;
    FileBytes& operator=(const FileBytes&) = delete;

    bool read(std::uint64_t offset, void* to, std::size_t size) const override;
    std::uint64_t size() const override;
    int descriptor() const override { return fd_; }

  private:
    int fd_;
};

// Bytes that are already the agent's own: an image for tests, tools and drains. No writer can be alive.
class MemoryBytes : public ByteSource {
  public:
    explicit MemoryBytes(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}

    bool read(std::uint64_t offset, void* to, std::size_t size) const override;
    std::uint64_t size() const override { return bytes_.size(); }

  private:
    std::vector<std::byte> bytes_;
};

}  // namespace ringside::agent
