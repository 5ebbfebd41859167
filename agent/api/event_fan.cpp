#include "agent/api/event_fan.h"

#include <utility>

namespace ringside::agent {
namespace {

using std::chrono::milliseconds;

// How long stop() may take where the bus is not closed before it.
constexpr milliseconds kLook{500};

std::uint64_t first_of(const EventBus& bus) {
    const EventBatch oldest = bus.wait(0, 1, milliseconds(0));
    return oldest.events.empty() ? bus.next_sequence() : oldest.events.front().sequence;
}

}  // namespace

EventFan::EventFan(const EventBus& bus) : bus_(bus), first_(first_of(bus)), next_(bus.next_sequence()) {}

void EventFan::start() {
    thread_ = std::thread([this] { run(); });
}

void EventFan::stop() {
    end();
    if (thread_.joinable()) thread_.join();
}

void EventFan::end() {
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
    }
    wake_all();
}

bool EventFan::ended() const {
    const std::lock_guard lock(mutex_);
    return ended_;
}

void EventFan::wait(Waiter& waiter, std::uint64_t wanted) {
    {
        const std::lock_guard lock(mutex_);
        if (!ended_ && !waiter.is_cancelled() && bus_.next_sequence() <= wanted) {
            waiters_.insert(&waiter);
            return;
        }
    }
    waiter.wake();
}

bool EventFan::cancel(Waiter& waiter) {
    const std::lock_guard lock(mutex_);
    return waiters_.erase(&waiter) != 0;
}

void EventFan::run() {
    while (!ended()) {
        const EventBatch batch = bus_.wait(next_, 1, kLook);
        if (batch.closed && batch.events.empty()) return end();
        if (batch.events.empty()) continue;
        // Before the waking: who waits after it wants this number or a later one, which the next round looks for.
        next_ = bus_.next_sequence();
        wake_all();
    }
}

void EventFan::wake_all() {
    std::set<Waiter*> woken;
    {
        const std::lock_guard lock(mutex_);
        woken.swap(waiters_);
    }
    for (Waiter* waiter : woken) waiter->wake();
}

}  // namespace ringside::agent
