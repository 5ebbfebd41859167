// Files that somebody else replaces while the agent runs: tokens, passwords, certificates.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/result.h"

namespace ringside::agent {

inline constexpr std::size_t kSecretFileMaxBytes = 64u << 10;  // a chain of certificates fits

// Tells one content of a path from the next, be it written over or put in place by a rename or another link.
struct FileVersion {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t modified_ns = 0;
    bool operator==(const FileVersion&) const = default;
};

// The whole file, also through symbolic links, as orchestrators lay out their secrets. kInvalid when it is empty, kExhausted
// when it is too long; no error holds a byte of it.
Result<std::string> read_secret(const std::string& path, FileVersion* version = nullptr);

// One line that stands in a file. One thread.
class SecretFile {
  public:
    explicit SecretFile(std::string path) : path_(std::move(path)) {}

    bool given() const { return !path_.empty(); }
    const std::string& path() const { return path_; }
    // Without the end of the line. Looks at the file at each call and reads it when it has changed. kInvalid also when
    // it has several lines.
    Result<std::string> read();

  private:
    std::string path_;
    std::optional<FileVersion> version_;  // of text_
    std::string text_;
};

// Whether any of some files has changed since the last look. The first look says no. One thread.
class FileWatch {
  public:
    explicit FileWatch(std::vector<std::string> paths) : paths_(std::move(paths)) {}
    bool changed();

  private:
    std::vector<std::string> paths_;
    std::optional<std::vector<FileVersion>> seen_;
};

}  // namespace ringside::agent
