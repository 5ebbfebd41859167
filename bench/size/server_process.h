// A server as a child process on a port of loopback, and what it takes of the machine.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ringside::bench {

// A port of loopback that nobody listens on now.
int free_port();

class ServerProcess {
  public:
    // Runs `words`, a program and its arguments, with its output in the file `log`, or beside the caller's where that is "".
    // On return it has answered GET `ready_path` on `port` with 200; the caller ends when it does not.
    // The process ends with this object and with the caller, before the folder of Scratch goes.
    ServerProcess(const std::vector<std::string>& words, int port, const std::string& ready_path,
                  const std::string& log = "");
    ~ServerProcess();
    ServerProcess(const ServerProcess&) = delete;
    ServerProcess& operator=(const ServerProcess&) = delete;

    int port() const { return port_; }
    std::string url(const std::string& path) const;
    // Memory that no file backs.
    std::uint64_t anonymous_bytes() const;
    // Memory that no other process has mapped: Private_Clean and Private_Dirty.
    std::uint64_t private_bytes() const;
    // CPU time of all its threads since it began.
    std::uint64_t cpu_ns() const;

  private:
    // The sum of the lines of /proc/PID/`file` that begin with one of `names`, in bytes.
    std::uint64_t memory(const std::string& file, const std::vector<std::string>& names) const;

    const std::string program_;
    int port_;
    pid_t pid_ = -1;
};

}  // namespace ringside::bench
