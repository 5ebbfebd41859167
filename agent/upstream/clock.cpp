#include "agent/upstream/clock.h"

#include <chrono>

#include "agent/base/clock.h"

namespace ringside::agent {

std::uint64_t Clock::now_ns() { return realtime_ns(); }

void Clock::wait(std::unique_lock<std::mutex>& lock, std::condition_variable& condition, std::uint64_t duration_ns,
                 const std::function<bool()>& done) {
    // Steady time: a step of the realtime clock must neither stretch nor cut a wait.
    condition.wait_for(lock, std::chrono::nanoseconds(duration_ns), done);
}

Clock& Clock::real() {
    static Clock clock;
    return clock;
}

void Pacer::idle(std::uint64_t duration_ns) {
    std::unique_lock lock(mutex_);
    auto cut_short = [this] { return woken_ || stopped_; };
    if (!cut_short()) clock_.wait(lock, changed_, duration_ns, cut_short);
    woken_ = hurried_ = false;
}

bool Pacer::pause(std::uint64_t duration_ns) {
    std::unique_lock lock(mutex_);
    auto cut_short = [this] { return hurried_ || stopped_; };
    if (!cut_short()) clock_.wait(lock, changed_, duration_ns, cut_short);
    hurried_ = false;
    return !stopped_;
}

void Pacer::wake() {
    {
        std::lock_guard lock(mutex_);
        woken_ = true;
    }
    changed_.notify_all();
}

void Pacer::hurry() {
    {
        std::lock_guard lock(mutex_);
        woken_ = hurried_ = true;
    }
    changed_.notify_all();
}

void Pacer::stop() {
    {
        std::lock_guard lock(mutex_);
        stopped_ = true;
    }
    changed_.notify_all();
}

bool Pacer::stopped() const {
    std::lock_guard lock(mutex_);
    return stopped_;
}

}  // namespace ringside::agent
