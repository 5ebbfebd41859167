// One thread between the bus of events and all who watch it.
//
// A watcher costs a place in a list, the message it is sending and a number: the sequence it wants next. The events
// themselves stay in the bus's ring, so a stalled watcher holds nothing, and one that was passed by the ring learns how
// many events it missed.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <set>
#include <thread>

#include "agent/api/waiter.h"
#include "agent/catalog/events.h"

namespace ringside::agent {

class EventFan {
  public:
    // `bus` must outlive the fan. Events that are in the ring now are the oldest of this run of the agent.
    explicit EventFan(const EventBus& bus);
    ~EventFan() { stop(); }
    EventFan(const EventFan&) = delete;
    EventFan& operator=(const EventFan&) = delete;

    const EventBus& bus() const { return bus_; }
    // No event of this run has a lower sequence.
    std::uint64_t first() const { return first_; }

    void start();
    // Wakes all waiters, for good. Idempotent.
    void stop();
    // Stopped, or the bus was closed: nothing will follow what is in the ring.
    bool ended() const;

    // Calls waiter.wake() as soon as the bus has the event `wanted`, or when the fan ends: maybe within this call. The waiter must
    // live until then, or until it has cancelled with success.
    void wait(Waiter& waiter, std::uint64_t wanted);
    // True: it will not be woken. False: it was, or is being.
    bool cancel(Waiter& waiter);

  private:
    void run();
    void end();
    void wake_all();

    const EventBus& bus_;
    const std::uint64_t first_;
    // Looked for next, by the thread alone. From before the first waiter: what is published while the thread is still coming up
    // must wake those that wait already.
    std::uint64_t next_;
    mutable std::mutex mutex_;  // guards all below
    std::set<Waiter*> waiters_;
    bool ended_ = false;
    std::thread thread_;
};

}  // namespace ringside::agent
