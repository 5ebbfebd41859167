// A Prometheus that scrapes one target each second: what its private memory (RssAnon) grows by when the target has series,
// divided by their number. The newest samples of a series are in there, with its labels and the index; older ones are in
// files. Labels are those of a VMM's series.
#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "bench/size/cases.h"
#include "bench/size/prometheus_process.h"
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

}  // namespace

std::uint64_t prometheus_series_bytes(const Subject&) {
    Target target;
    // A folder for each repetition: one that finds the data of another has its series from the start.
    const std::string folder = scratch_folder("prometheus_" + std::to_string(target.port()));
    const PrometheusProcess prometheus(folder,
                                       "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
                                       "scrape_configs: [{job_name: vms, static_configs: [{targets: ['127.0.0.1:" +
                                           std::to_string(target.port()) + "']}]}]\n");
    target.await_scrapes(kScrapesBefore);
    const std::uint64_t bytes_before = prometheus.anonymous_bytes();
    const std::uint64_t series_before = prometheus.series();
    target.fill();
    target.await_scrapes(kScrapes);
    const std::uint64_t bytes = prometheus.anonymous_bytes();
    const std::uint64_t series = prometheus.series();
    if (series < series_before + kSeries) fail("prometheus has not taken all series");
    return (bytes - std::min(bytes, bytes_before)) / (series - series_before);
}

}  // namespace ringside::bench
