#include "agent/api/alarms.h"

#include <algorithm>
#include <vector>

namespace ringside::agent {

using std::chrono::steady_clock;

void Alarms::start() {
    thread_ = std::thread([this] { run(); });
}

void Alarms::stop() {
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

bool Alarms::ended() const {
    const std::lock_guard lock(mutex_);
    return ended_;
}

void Alarms::wait(Waiter& waiter, Time due) {
    {
        const std::lock_guard lock(mutex_);
        if (!ended_ && !waiter.is_cancelled()) {
            const auto at = waiters_.emplace(due, &waiter);
            if (at == waiters_.begin()) changed_.notify_all();
            return;
        }
    }
    waiter.wake();
}

bool Alarms::cancel(Waiter& waiter) {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(waiters_, &waiter, [](const auto& entry) { return entry.second; });
    if (found == waiters_.end()) return false;
    waiters_.erase(found);
    return true;
}

void Alarms::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        const auto until = ended_ ? waiters_.end() : waiters_.upper_bound(steady_clock::now());
        std::vector<Waiter*> due;
        std::transform(waiters_.begin(), until, std::back_inserter(due),
                       [](const auto& entry) { return entry.second; });
        waiters_.erase(waiters_.begin(), until);
        if (!due.empty()) {
            // Nobody is woken under the lock: whoever is may wait again at once.
            lock.unlock();
            for (Waiter* waiter : due) waiter->wake();
            lock.lock();
            continue;
        }
        if (ended_) return;
        if (waiters_.empty()) {
            changed_.wait(lock);
        } else {
            changed_.wait_until(lock, waiters_.begin()->first);
        }
    }
}

}  // namespace ringside::agent
