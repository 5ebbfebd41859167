// Time as an upstream sees it, and its waits, so that tests run hours of outage in milliseconds.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

namespace ringside::agent {

// The class itself is the real clock. A test's clock overrides both.
class Clock {
  public:
    virtual ~Clock() = default;
    // CLOCK_REALTIME in ns. May step.
    virtual std::uint64_t now_ns();
    // Waits on `condition` until `done` or for `duration_ns`, whatever the realtime clock does.
    virtual void wait(std::unique_lock<std::mutex>& lock, std::condition_variable& condition, std::uint64_t duration_ns,
                      const std::function<bool()>& done);

    static Clock& real();
};

// The waits of one thread: an idle one that a change cuts short, and a pause between two tries that
// only hurry() and the end cut short, so that busy sources do not turn into a hammered receiver.
class Pacer {
  public:
    explicit Pacer(Clock& clock) : clock_(clock) {}

    std::uint64_t now_ns() { return clock_.now_ns(); }
    // Until `duration_ns` have passed, wake() or stop(). A wake() since the last idle() counts.
    void idle(std::uint64_t duration_ns);
    // Until `duration_ns` have passed, hurry() or stop(). A hurry() since the last wait counts. False when stopped.
    bool pause(std::uint64_t duration_ns);

    // Any thread.
    void wake();
    // wake(), also from a pause: from one, however often it is said.
    void hurry();
    void stop();
    bool stopped() const;

  private:
    Clock& clock_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool woken_ = false;    // under mutex_
    bool hurried_ = false;  // under mutex_
    bool stopped_ = false;  // under mutex_
};

}  // namespace ringside::agent
