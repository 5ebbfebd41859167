// Whole small files of /proc and /sys, read again and again into the same memory.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ringside::bridge {

enum class FileStatus {
    kRead,
    kAbsent,  // this kernel or this device has no such file
    kFailed,
};

class FileReader {
  public:
    // Largest file that is read; /proc/stat of a machine with many thousand interrupts is far below.
    static constexpr std::size_t kLargestBytes = std::size_t{4} << 20;

    // Reads all of `path`. Never blocks on a FIFO and never follows more than the file system does. After kFailed
    // errno_value() says why.
    FileStatus read(const std::string& path);

    // What the last successful read gave; valid until the next read.
    std::string_view text() const { return {buffer_.data(), length_}; }
    int errno_value() const { return errno_value_; }

  private:
    FileStatus fail(int errno_value);

    std::vector<char> buffer_ = std::vector<char>(16 << 10);
    std::size_t length_ = 0;
    int errno_value_ = 0;
};

}  // namespace ringside::bridge
