// The folder of segments: checked at start, then listed. Nothing here opens a segment.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/segment/name.h"

namespace ringside::agent {

enum class EntryKind : std::uint8_t {
    kSegment,   // has the name of a segment; whether it is one is for open_segment to say
    kCreating,  // begins with a dot: a writer is at it, or was killed at it
    kForeign,   // anything else
};

struct FolderEntry {
    EntryKind kind = EntryKind::kForeign;
    std::string file_name;
    SegmentName name;         // kSegment only
    std::uint64_t inode = 0;  // tells a file from its successor of the same name
};

struct FolderListing {
    std::vector<FolderEntry> entries;  // by file name
    // The folder holds more than kMaxEntries names: the rest was not looked at. Everybody who may create a segment could
    // also create a million empty files.
    bool cut = false;
};
inline constexpr std::size_t kMaxEntries = 65536;

// An open, checked folder. Movable; const calls from any thread.
class SegmentDirectory {
  public:
    // Opens `path` and refuses a folder in which somebody else could list, replace or remove segments: it must belong to
    // `owner` and its mode must be within 3753 (others may create, but not list; with the sticky bit, so that they
    // remove only what is theirs). kNotFound, kDenied for an owner or mode that is not ours, kInvalid for something that
    // is no folder; each says the command that sets it right.
    static Result<SegmentDirectory> open(const std::string& path, uid_t owner);

    // The same without the check, for tools that look at files wherever they lie.
    static Result<SegmentDirectory> open_unchecked(const std::string& path);

    SegmentDirectory(SegmentDirectory&& other) noexcept;
    SegmentDirectory& operator=(SegmentDirectory&& other) noexcept;
    ~SegmentDirectory();

    // What is there now. Enters the kernel, never blocks on another process.
    Result<FolderListing> scan() const;

    const std::string& path() const { return path_; }
    int descriptor() const { return fd_; }
    dev_t device() const { return device_; }

  private:
    SegmentDirectory(int fd, dev_t device, std::string path) : fd_(fd), device_(device), path_(std::move(path)) {}

    int fd_ = -1;
    dev_t device_ = 0;
    std::string path_;
};

}  // namespace ringside::agent
