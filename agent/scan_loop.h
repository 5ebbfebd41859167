// The thread that scans: woken by the kernel when names in the folder change, and by the clock for all else.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "agent/base/metrics.h"
#include "agent/base/result.h"
#include "agent/scanner.h"

namespace ringside::agent {

class ScanLoop {
  public:
    // `swept` is called after each whole sweep, from the thread. All must outlive the loop.
    ScanLoop(Scanner& scanner, std::string folder, std::uint64_t interval_ns, Metrics& metrics,
             std::function<void(std::uint64_t now_ns)> swept);
    ~ScanLoop() { stop(); }
    ScanLoop(const ScanLoop&) = delete;
    ScanLoop& operator=(const ScanLoop&) = delete;

    // Sweeps until all files have had their turn, but not for ever, on the caller's thread; then starts the thread.
    // Without inotify (too many watches on this host) it logs so and goes by the clock alone.
    Result<void> start();
    void stop();
    void set_interval(std::uint64_t interval_ns);

    // Any thread.
    bool ready() const { return ready_.load(std::memory_order_acquire); }  // pairs with the release in start()
    std::uint64_t last_scan_ns() const { return last_scan_ns_.load(std::memory_order_relaxed); }
    std::uint64_t last_span_ns() const { return last_span_ns_.load(std::memory_order_relaxed); }
    // When the thread last came round, monotonic: for a watchdog.
    std::uint64_t beat_ns() const { return beat_ns_.load(std::memory_order_relaxed); }

  private:
    void run();
    void wait(std::uint64_t until_ns, bool for_notices);
    void watch();
    bool take_notices();
    void sweep();
    void discover();
    void report(const Error& error);
    void repair_folder();

    Scanner& scanner_;
    const std::string folder_;
    const std::function<void(std::uint64_t now_ns)> swept_;
    MetricCounter& scans_;
    MetricCounter& errors_;
    MetricCounter& overflows_;
    MetricCounter& wakeups_;
    MetricGauge& last_seconds_;

    // Written by the scanning thread alone, apart from interval_ns_. Relaxed: each is a value for itself.
    std::atomic<std::uint64_t> interval_ns_;
    std::atomic<std::uint64_t> last_scan_ns_{0};
    std::atomic<std::uint64_t> last_span_ns_{0};
    std::atomic<std::uint64_t> beat_ns_{0};
    std::atomic<bool> ready_{false};
    std::atomic<bool> stopping_{false};

    int notices_fd_ = -1;  // inotify; -1: none
    int wake_fd_ = -1;     // eventfd
    bool more_ = false;
    bool failing_ = false;
    std::thread thread_;
};

}  // namespace ringside::agent
