// Folders that the agent needs before it can start: the segments' own, and the state with its lock.
#pragma once

#include <string>

#include "agent/base/result.h"
#include "agent/segment/directory.h"

namespace ringside::agent {

// Opens the folder of the segments, making it first where it is missing: mode 3753, ours. Refuses one in which others
// could list, replace or remove segments (see SegmentDirectory::open), and one that is not on a memory file system: a
// disk under a mapping stalls the writer. Each error says the next step.
Result<SegmentDirectory> prepare_segment_folder(const std::string& path);

// The lock of one state directory: at most one agent works on it. Made when missing (mode 0750).
class StateLock {
  public:
    // kExists with the other agent's PID when one is running.
    static Result<StateLock> take(const std::string& directory);

    StateLock(StateLock&& other) noexcept;
    StateLock& operator=(StateLock&&) = delete;
    ~StateLock();

  private:
    explicit StateLock(int fd) : fd_(fd) {}
    int fd_;
};

}  // namespace ringside::agent
