// A disk in memory that tells what is written from what is durable. A process may die and leave everything as the
// kernel had it; the power may fail and take with it what was never synced, in any part.
//
// What it promises is no more than POSIX does: the bytes of a file last from its fsync on, names last from the fsync of
// their folder on; a rename happens or does not. Until then each single change may be lost or kept, the bytes of a file
// in pieces.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "agent/base/file.h"

namespace ringside::agent {

class SimulatedDisk : public FileSystem {
  public:
    SimulatedDisk();

    // For tests: past all rules, durable at once.
    void put(const std::string& path, const std::string& bytes);
    std::optional<std::string> content(const std::string& path) const;
    // Bytes that fit in all files together; a write beyond fails with ENOSPC.
    void set_capacity(std::uint64_t bytes) { capacity_ = bytes; }
    // Every open of the file fails with this errno; 0: not any more.
    void refuse_opens(const std::string& path, int errno_value) { refused_[path] = errno_value; }

    // All descriptors are gone, nothing else.
    void kill_process();
    // The same, and of what was not durable a random part is gone, too.
    void cut_power(std::mt19937_64& random);
    std::size_t open_files() const { return open_.size(); }

    int open(const std::string& path, int flags, mode_t mode) override;
    int close(int fd) override;
    ssize_t write(int fd, const void* bytes, std::size_t size) override;
    ssize_t pread(int fd, void* bytes, std::size_t size, std::uint64_t offset) override;
    int fsync(int fd) override;
    int fstat(int fd, struct stat* status) override;
    int lstat(const std::string& path, struct stat* status) override;
    int mkdir(const std::string& path, mode_t mode) override;
    int rename(const std::string& from, const std::string& to) override;
    int unlink(const std::string& path) override;
    int list(const std::string& path, std::vector<std::string>* names) override;

  private:
    struct Node {
        bool folder = false;
        std::uint64_t inode = 0;
        std::string bytes, durable;
        bool grown = true;  // `bytes` begins with `durable`
    };
    using NodePtr = std::shared_ptr<Node>;
    // A change of names that is not durable yet: `name` becomes `node` (null: goes). The two halves of a rename share
    // `group` and stand or fall together.
    struct Change {
        std::string name;
        NodePtr node;
        std::uint64_t group = 0;
    };
    struct OpenFile {
        NodePtr node;
        std::string path;
    };

    NodePtr find(const std::string& path) const;
    void change(const std::string& path, NodePtr node, std::uint64_t group);
    std::uint64_t used() const;

    std::map<std::string, NodePtr> names_, durable_;
    std::vector<Change> changes_;
    std::map<int, OpenFile> open_;
    std::map<std::string, int> refused_;
    int next_fd_ = 1000;
    std::uint64_t next_inode_ = 1;
    std::uint64_t next_group_ = 1;
    std::uint64_t capacity_ = UINT64_MAX;
};

}  // namespace ringside::agent
