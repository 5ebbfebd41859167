#include "bench/size/prometheus_process.h"

#include <httplib.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

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

}  // namespace

PrometheusProcess::PrometheusProcess(const std::string& folder, const std::string& configuration) : port_(free_port()) {
    std::ofstream(folder + "/prometheus.yml") << configuration;
    const std::string config = "--config.file=" + folder + "/prometheus.yml";
    const std::string data = "--storage.tsdb.path=" + folder + "/data";
    const std::string address = "--web.listen-address=127.0.0.1:" + std::to_string(port_);
    pid_ = fork();
    if (pid_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);  // also when this program is interrupted
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, nullptr);
        execlp("prometheus", "prometheus", config.c_str(), data.c_str(), address.c_str(), "--log.level=error",
               "--web.enable-remote-write-receiver", nullptr);
        _exit(127);
    }
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    httplib::Client client("127.0.0.1", port_);
    for (;;) {
        const httplib::Result answer = client.Get("/-/ready");
        if (answer && answer->status == 200) return;
        if (waitpid(pid_, nullptr, WNOHANG) != 0) fail("prometheus ended: is it installed? ./dev setup bench");
        if (std::chrono::steady_clock::now() > deadline) fail("prometheus is not ready");
        std::this_thread::sleep_for(50ms);
    }
}

PrometheusProcess::~PrometheusProcess() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
}

std::string PrometheusProcess::write_url() const {
    return "http://127.0.0.1:" + std::to_string(port_) + "/api/v1/write";
}

double PrometheusProcess::metric(const std::string& name) const {
    const std::string wanted = "\n" + name + " ";
    const httplib::Result answer = httplib::Client("127.0.0.1", port_).Get("/metrics");
    const std::size_t at = answer ? answer->body.find(wanted) : std::string::npos;
    if (at == std::string::npos) fail("prometheus does not tell " + name);
    return std::strtod(answer->body.c_str() + at + wanted.size(), nullptr);
}

std::uint64_t PrometheusProcess::private_bytes() const {
    std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("RssAnon:")) return std::strtoull(line.c_str() + 8, nullptr, 10) * 1024;
    }
    fail("prometheus ended");
}

std::uint64_t PrometheusProcess::cpu_ns() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
    std::string text((std::istreambuf_iterator<char>(file)), {});
    // proc(5): utime and stime are fields 14 and 15; the second, in parentheses, may hold blanks.
    std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 1)));
    std::string skipped;
    for (int field = 3; field < 14; ++field) fields >> skipped;
    std::uint64_t user = 0, system = 0;
    if (!(fields >> user >> system)) fail("prometheus ended");
    return (user + system) * (1'000'000'000 / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK)));
}

}  // namespace ringside::bench
