// One thread that wakes whoever waits for a time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "agent/api/waiter.h"

namespace ringside::agent {

class Alarms {
  public:
    using Time = std::chrono::steady_clock::time_point;

    Alarms() = default;
    ~Alarms() { stop(); }
    Alarms(const Alarms&) = delete;
    Alarms& operator=(const Alarms&) = delete;

    void start();
    // Wakes all waiters, for good. Idempotent.
    void stop();
    bool ended() const;

    // Calls waiter.wake() at `due`, or when the alarms end: maybe within this call. The waiter must live until then, or until
    // it has cancelled with success.
    void wait(Waiter& waiter, Time due);
    // True: it will not be woken. False: it was, or is being.
    bool cancel(Waiter& waiter);

  private:
    void run();

    mutable std::mutex mutex_;  // guards all below but the thread
    std::condition_variable changed_;
    std::multimap<Time, Waiter*> waiters_;  // some dozens: CallGate bounds them
    bool ended_ = false;
    std::thread thread_;
};

}  // namespace ringside::agent
