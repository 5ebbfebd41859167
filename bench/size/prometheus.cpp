// A Prometheus that scrapes one target each second: what its private memory (RssAnon) grows by when the target has series,
// divided by their number. The newest samples of a series are in there, with its labels and the index; older ones are in
// files. Labels are those of a VMM's series.
#include <httplib.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "bench/size/cases.h"
#include "bench/writer/scratch.h"

namespace ringside::bench {
namespace {

using namespace std::chrono_literals;

constexpr int kSeries = 50'000;
constexpr int kVms = kSeries / 100;
constexpr int kScrapes = 60;
constexpr int kScrapesBefore = 5;  // without series
constexpr auto kPatience = 120s;

// One hundred series a VM, with values that change from scrape to scrape.
std::string exposition(int scrape) {
    std::string text = "# TYPE vmm_block_queue_depth gauge\n";
    for (int vm = 0; vm < kVms; ++vm) {
        for (int queue = 0; queue < kSeries / kVms; ++queue) {
            text += "vmm_block_queue_depth{vm_id=\"vm-" + std::to_string(vm) + "\",device=\"vda\",queue=\"" +
                    std::to_string(queue) + "\"} " + std::to_string((scrape * 7919 + vm * 31 + queue * 17) % 1000) +
                    '\n';
        }
    }
    return text;
}

// The target. Counts how often it was scraped.
class Target {
  public:
    Target() {
        server_.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
            response.set_content(full_ ? exposition(scrapes_) : "", "text/plain; version=0.0.4");
            ++scrapes_;
        });
        port_ = server_.bind_to_any_port("127.0.0.1");
        if (port_ < 0) fail("no port on loopback for the target");
        thread_ = std::thread([this] { server_.listen_after_bind(); });
    }
    ~Target() {
        server_.stop();
        thread_.join();
    }
    Target(const Target&) = delete;
    Target& operator=(const Target&) = delete;

    int port() const { return port_; }
    void fill() { full_ = true; }
    void await_scrapes(int more) const {
        const int until = scrapes_ + more;
        const auto deadline = std::chrono::steady_clock::now() + kPatience + more * 1s;
        while (scrapes_ < until) {
            if (std::chrono::steady_clock::now() > deadline) fail("prometheus does not scrape");
            std::this_thread::sleep_for(50ms);
        }
    }

  private:
    httplib::Server server_;
    std::thread thread_;
    std::atomic<int> scrapes_ = 0;
    std::atomic<bool> full_ = false;
    int port_ = -1;
};

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

class Prometheus {
  public:
    Prometheus(const std::string& folder, int target) : port_(free_port()) {
        std::ofstream(folder + "/prometheus.yml")
            << "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            << "scrape_configs: [{job_name: vms, static_configs: [{targets: ['127.0.0.1:" << target << "']}]}]\n";
        const std::string config = "--config.file=" + folder + "/prometheus.yml";
        const std::string data = "--storage.tsdb.path=" + folder + "/data";
        const std::string address = "--web.listen-address=127.0.0.1:" + std::to_string(port_);
        pid_ = fork();
        if (pid_ != 0) return;
        prctl(PR_SET_PDEATHSIG, SIGKILL);  // also when this program is interrupted
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, nullptr);
        execlp("prometheus", "prometheus", config.c_str(), data.c_str(), address.c_str(), "--log.level=error", nullptr);
        _exit(127);
    }
    ~Prometheus() {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    Prometheus(const Prometheus&) = delete;
    Prometheus& operator=(const Prometheus&) = delete;

    void await_ready() const {
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

    std::uint64_t series() const {
        const std::string wanted = "\nprometheus_tsdb_head_series ";
        const httplib::Result answer = httplib::Client("127.0.0.1", port_).Get("/metrics");
        const std::size_t at = answer ? answer->body.find(wanted) : std::string::npos;
        if (at == std::string::npos) fail("prometheus does not tell how many series it has");
        return static_cast<std::uint64_t>(std::strtod(answer->body.c_str() + at + wanted.size(), nullptr));
    }

    std::uint64_t private_bytes() const {
        std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
        for (std::string line; std::getline(status, line);) {
            if (line.starts_with("RssAnon:")) return std::strtoull(line.c_str() + 8, nullptr, 10) * 1024;
        }
        fail("prometheus ended");
    }

  private:
    int port_;
    pid_t pid_;
};

}  // namespace

std::uint64_t prometheus_series_bytes(const Subject&) {
    Target target;
    // A folder for each repetition: one that finds the data of another has its series from the start.
    const std::string folder = scratch_folder("prometheus_" + std::to_string(target.port()));
    const Prometheus prometheus(folder, target.port());
    prometheus.await_ready();
    target.await_scrapes(kScrapesBefore);
    const std::uint64_t bytes_before = prometheus.private_bytes();
    const std::uint64_t series_before = prometheus.series();
    target.fill();
    target.await_scrapes(kScrapes);
    const std::uint64_t bytes = prometheus.private_bytes();
    const std::uint64_t series = prometheus.series();
    if (series < series_before + kSeries) fail("prometheus has not taken all series");
    return (bytes - std::min(bytes, bytes_before)) / (series - series_before);
}

}  // namespace ringside::bench
