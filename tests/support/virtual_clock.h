// A clock that jumps over every wait and keeps a list of them: hours of outage in milliseconds.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "agent/upstream/clock.h"

namespace ringside::agent {

class VirtualClock : public Clock {
  public:
    explicit VirtualClock(std::uint64_t now_ns) : now_ns_(now_ns) {}

    std::uint64_t now_ns() override { return now_ns_; }
    void wait(std::unique_lock<std::mutex>&, std::condition_variable&, std::uint64_t duration_ns,
              const std::function<bool()>& done) override {
        if (done()) return;
        waits.push_back(duration_ns);
        now_ns_ += duration_ns;
        if (on_wait) on_wait(waits.size());
    }
    void set(std::uint64_t now_ns) { now_ns_ = now_ns; }
    void advance(std::uint64_t duration_ns) { now_ns_ += duration_ns; }

    // Only the waiting thread's, while it runs.
    std::vector<std::uint64_t> waits;
    // Called with the number of waits so far, after the time has moved; must not use the waiting pacer.
    std::function<void(std::size_t)> on_wait;

  private:
    std::atomic<std::uint64_t> now_ns_;
};

}  // namespace ringside::agent
