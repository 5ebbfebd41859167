// The disk of the simulated host, and what goes wrong with it: errors for a while, a lying fsync, and the end of the
// agent in the middle of any call.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/simulated_disk.h"

namespace ringside::simulation {

// Thrown out of the agent's code by the call during which it dies: nothing after that call is done, as after SIGKILL.
// Only out of the thread that made the disk, and of no call that destructors make; threads of the agent go on until
// they wait, with a disk on which nothing happens any more.
struct AgentDied {};

class HostDisk : public agent::FileSystem {
  public:
    explicit HostDisk(std::uint64_t seed);

    // The agent dies during the k-th call from now, before or after it has had its effect.
    void die_at(std::uint64_t calls) { die_in_ = calls; }
    void die_now() { dead_ = true; }
    bool dead() const { return dead_; }
    // The next agent. When `unsynced` is lost, what no fsync has made durable is gone in parts.
    void start_anew(bool lose_unsynced);

    // A share of calls that write fails with this errno from now on; 0: none, nothing fails.
    void fail_with(int errno_value, double share);
    // A mutant: fsync says yes and does nothing, for paths that this holds of.
    std::function<bool(const std::string& path)> fsync_lies;

    std::uint64_t calls() const { return calls_; }
    std::uint64_t deaths_in_calls() const { return deaths_in_calls_; }
    std::uint64_t failed_calls() const { return failed_calls_; }

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
    enum class Call { kReads, kWrites, kInDestructors };
    template <typename Effect>
    auto run(Call kind, Effect effect) -> decltype(effect());

    agent::SimulatedDisk disk_;
    std::mt19937_64 random_;
    const std::thread::id owner_ = std::this_thread::get_id();
    std::map<int, std::string> paths_;  // of open descriptors
    std::uint64_t die_in_ = 0;          // 0: not planned
    bool dead_ = false;
    int errno_ = 0;
    double share_ = 0;
    std::uint64_t calls_ = 0;
    std::uint64_t deaths_in_calls_ = 0;
    std::uint64_t failed_calls_ = 0;
};

}  // namespace ringside::simulation
