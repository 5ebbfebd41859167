// A FileSystem whose k-th call fails, or at whose k-th call the process dies, as far as the code
// under test can tell.
#pragma once

#include <cerrno>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "agent/base/file.h"

namespace ringside::agent {

class FaultyFiles : public FileSystem {
  public:
    explicit FaultyFiles(FileSystem& below = FileSystem::real()) : below_(below) {}

    // Call number `k` (the first is 1) fails with `errno_value` and does nothing; the others work.
    void fail_at(std::uint64_t k, int errno_value) {
        reset();
        fail_at_ = k;
        errno_ = errno_value;
    }
    // From call `k` on nothing happens any more and each call fails: what a killed process leaves
    // behind.
    void crash_at(std::uint64_t k) {
        reset();
        crash_at_ = k;
        errno_ = EIO;
    }
    // Every call for which this says a nonzero errno fails with it.
    using Rule = std::function<int(const std::string& call, const std::string& path)>;
    void fail_when(Rule rule) { rule_ = std::move(rule); }
    // Writes at most this many bytes a call; 0: no limit.
    void shorten_writes(std::size_t bytes) { write_bytes_ = bytes; }
    void reset() { calls_ = fail_at_ = crash_at_ = 0; }

    std::uint64_t calls() const { return calls_; }
    // Whether the planned fault came.
    bool hit() const { return (fail_at_ != 0 && calls_ >= fail_at_) || (crash_at_ != 0 && calls_ >= crash_at_); }

    int open(const std::string& path, int flags, mode_t mode) override {
        if (int fault = next("open", path)) return -fault;
        return below_.open(path, flags, mode);
    }
    int close(int fd) override {
        // Real descriptors must not leak, whatever the test pretends: the call happens in any case.
        int fault = next("close", "");
        int result = below_.close(fd);
        return fault != 0 ? -fault : result;
    }
    ssize_t write(int fd, const void* bytes, std::size_t size) override {
        if (int fault = next("write", "")) return -fault;
        if (write_bytes_ != 0 && size > write_bytes_) size = write_bytes_;
        return below_.write(fd, bytes, size);
    }
    ssize_t pread(int fd, void* bytes, std::size_t size, std::uint64_t offset) override {
        if (int fault = next("pread", "")) return -fault;
        return below_.pread(fd, bytes, size, offset);
    }
    int fsync(int fd) override {
        if (int fault = next("fsync", "")) return -fault;
        return below_.fsync(fd);
    }
    int fstat(int fd, struct stat* status) override {
        if (int fault = next("fstat", "")) return -fault;
        return below_.fstat(fd, status);
    }
    int lstat(const std::string& path, struct stat* status) override {
        if (int fault = next("lstat", path)) return -fault;
        return below_.lstat(path, status);
    }
    int mkdir(const std::string& path, mode_t mode) override {
        if (int fault = next("mkdir", path)) return -fault;
        return below_.mkdir(path, mode);
    }
    int rename(const std::string& from, const std::string& to) override {
        if (int fault = next("rename", to)) return -fault;
        return below_.rename(from, to);
    }
    int unlink(const std::string& path) override {
        if (int fault = next("unlink", path)) return -fault;
        return below_.unlink(path);
    }
    int list(const std::string& path, std::vector<std::string>* names) override {
        if (int fault = next("list", path)) return -fault;
        return below_.list(path, names);
    }

  private:
    int next(const std::string& call, const std::string& path) {
        ++calls_;
        if (calls_ == fail_at_) return errno_;
        if (crash_at_ != 0 && calls_ >= crash_at_) return errno_;
        return rule_ ? rule_(call, path) : 0;
    }

    FileSystem& below_;
    std::uint64_t calls_ = 0, fail_at_ = 0, crash_at_ = 0;
    int errno_ = EIO;
    std::size_t write_bytes_ = 0;
    Rule rule_;
};

}  // namespace ringside::agent
