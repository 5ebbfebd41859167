// Somebody who waits without a thread of its own: for an event (EventFan) or for a time (Alarms).
#pragma once

namespace ringside::agent {

class Waiter {
  public:
    virtual ~Waiter() = default;
    // Once for each wait(). Must not block.
    virtual void wake() = 0;
    // Whether it would rather not wait any more. Asked under the lock of what it waits in, so that whoever says yes and then
    // calls cancel() is either not taken in or found.
    virtual bool is_cancelled() const = 0;
};

}  // namespace ringside::agent
