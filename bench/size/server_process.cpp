#include "bench/size/server_process.h"

#include <fcntl.h>
#include <httplib.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "bench/writer/scratch.h"

namespace ringside::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 120s;

[[noreturn]] void become(const std::vector<std::string>& words, const std::string& log) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);  // Ctrl-C is for the caller, who ends this process and then removes its files
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    if (!log.empty()) {
        const int file = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(file, 1);
        dup2(file, 2);
    }
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    execvp(arguments[0], arguments.data());
    _exit(127);
}

}  // namespace

int free_port() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (fd < 0 || bind(fd, any, size) != 0 || getsockname(fd, any, &size) != 0) fail("no port on loopback");
    close(fd);
    return ntohs(address.sin_port);
}

ServerProcess::ServerProcess(const std::vector<std::string>& words, int port, const std::string& ready_path,
                             const std::string& log)
    : program_(words.front()), port_(port) {
    pid_ = fork();
    if (pid_ < 0) fail("no process for " + program_);
    if (pid_ == 0) become(words, log);
    end_before_scratch(pid_);
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    httplib::Client client("127.0.0.1", port_);
    for (;;) {
        const httplib::Result answer = client.Get(ready_path);
        if (answer && answer->status == 200) return;
        if (waitpid(pid_, nullptr, WNOHANG) != 0) fail(program_ + " ended: is it installed? ./dev setup bench");
        if (std::chrono::steady_clock::now() > deadline) fail(program_ + " is not ready");
        std::this_thread::sleep_for(50ms);
    }
}

ServerProcess::~ServerProcess() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    ended_before_scratch(pid_);
}

std::string ServerProcess::url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
}

std::uint64_t ServerProcess::memory(const std::string& file, const std::vector<std::string>& names) const {
    std::ifstream lines("/proc/" + std::to_string(pid_) + "/" + file);
    std::uint64_t kib = 0;
    bool found = false;
    for (std::string line; std::getline(lines, line);) {
        for (const std::string& name : names) {
            if (!line.starts_with(name + ":")) continue;
            kib += std::strtoull(line.c_str() + name.size() + 1, nullptr, 10);
            found = true;
        }
    }
    if (!found) fail(program_ + " ended");
    return kib * 1024;
}

std::uint64_t ServerProcess::anonymous_bytes() const { return memory("status", {"RssAnon"}); }

std::uint64_t ServerProcess::private_bytes() const {
    return memory("smaps_rollup", {"Private_Clean", "Private_Dirty"});
}

std::uint64_t ServerProcess::cpu_ns() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
    std::string text((std::istreambuf_iterator<char>(file)), {});
    // proc(5): utime and stime are fields 14 and 15; the second, in parentheses, may hold blanks.
    std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 1)));
    std::string skipped;
    for (int field = 3; field < 14; ++field) fields >> skipped;
    std::uint64_t user = 0, system = 0;
    if (!(fields >> user >> system)) fail(program_ + " ended");
    return (user + system) * (1'000'000'000 / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK)));
}

}  // namespace ringside::bench
