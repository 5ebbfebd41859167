// The real agent as a process of its own, for tests and benchmarks that are programs themselves.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace ringside {

class AgentProgram {
  public:
    // `memory` and `disk` are folders of the caller's own; the agent's are made below them. Returns when it answers.
    AgentProgram(const std::string& program, const std::string& memory, const std::string& disk,
                 const std::vector<std::string>& options = {})
        : segments_(memory + "/vms"), disk_(disk) {
        std::vector<std::string> words = {program,
                                          "--directory",
                                          segments_,
                                          "--archive-directory",
                                          archive(),
                                          "--state-directory",
                                          disk + "/state",
                                          "--socket",
                                          disk + "/agent.sock",
                                          "--http-listen",
                                          "off"};
        words.insert(words.end(), options.begin(), options.end());
        std::vector<char*> arguments;
        for (std::string& word : words) arguments.push_back(word.data());
        arguments.push_back(nullptr);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            const int log = ::open((disk + "/agent.log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
            ::dup2(log, 1);
            ::dup2(log, 2);
            ::execv(program.c_str(), arguments.data());
            ::_exit(127);
        }
        while (!answers()) {
            if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
                std::fprintf(stderr, "the agent ended, see %s/agent.log\n", disk.c_str());
                std::abort();
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
    AgentProgram(const AgentProgram&) = delete;
    AgentProgram& operator=(const AgentProgram&) = delete;
    ~AgentProgram() { stop(SIGTERM); }

    const std::string& segments() const { return segments_; }
    std::string archive() const { return disk_ + "/archive"; }
    pid_t pid() const { return pid_; }

    // Its wait status.
    int stop(int signal) {
        int status = -1;
        if (pid_ > 0) {
            ::kill(pid_, signal);
            ::waitpid(pid_, &status, 0);
        }
        pid_ = -1;
        return status;
    }

    // A line of /proc/PID/status, such as "VmHWM", in KiB.
    std::uint64_t memory_kib(const std::string& name) const {
        std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
        for (std::string line; std::getline(status, line);) {
            if (line.starts_with(name + ":")) return std::strtoull(line.c_str() + name.size() + 1, nullptr, 10);
        }
        return 0;
    }
    std::size_t descriptors() const { return names_in("/proc/" + std::to_string(pid_) + "/fd"); }
    std::size_t segments_left() const { return names_in(segments_); }
    std::size_t archived() const { return names_in(archive(), ".rsa"); }

  private:
    bool answers() const {
        const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::snprintf(address.sun_path, sizeof address.sun_path, "%s/agent.sock", disk_.c_str());
        const bool connected = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
        ::close(fd);
        return connected;
    }
    // Of names that end in this, in the folder alone.
    static std::size_t names_in(const std::string& folder, const std::string& ending = "") {
        std::error_code none;
        std::size_t count = 0;
        for (std::filesystem::directory_iterator at(folder, none), end; at != end; at.increment(none)) {
            count += at->path().filename().string().ends_with(ending) ? 1 : 0;
        }
        return count;
    }

    const std::string segments_, disk_;
    pid_t pid_ = -1;
};

}  // namespace ringside
