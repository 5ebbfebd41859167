#include "tests/simulation/turns.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace ringside::simulation {

std::uint64_t TurnClock::now_ns() {
    if (!begun_) begin();
    return time_.realtime_ns();
}

// The first thing that a thread under test does is to wait for its turn.
void TurnClock::begin() {
    if (std::this_thread::get_id() == turns_.owner_) return;
    begun_ = true;
    sleep(0);
}

bool TurnClock::sleep(std::uint64_t duration_ns) {
    std::unique_lock lock(sleep_mutex_);
    wait(lock, sleep_changed_, duration_ns, [this] { return aborted_; });
    return !aborted_;
}

void TurnClock::abort() {
    {
        std::lock_guard lock(sleep_mutex_);
        aborted_ = true;
    }
    sleep_changed_.notify_all();
}

bool TurnClock::aborted() {
    std::lock_guard lock(sleep_mutex_);
    return aborted_;
}

void TurnClock::wait(std::unique_lock<std::mutex>& lock, std::condition_variable& condition, std::uint64_t duration_ns,
                     const std::function<bool()>& done) {
    {
        std::lock_guard turns(turns_.mutex_);
        deadline_ns_ = time_.monotonic_ns() + duration_ns;
        mutex_ = lock.mutex();
        condition_ = &condition;
        done_ = &done;
        waiting_ = true;
        running_ = false;
    }
    turns_.changed_.notify_all();
    condition.wait(lock, [&] {
        const bool over = done();
        std::lock_guard turns(turns_.mutex_);
        if (!running_ && !(turns_.ending_ && over)) return false;
        waiting_ = false;
        return true;
    });
}

void Turns::add(TurnClock& clock) {
    std::lock_guard lock(mutex_);
    clocks_.push_back(&clock);
}

void Turns::remove_all() {
    std::lock_guard lock(mutex_);
    clocks_.clear();
    ending_ = false;
}

// Reads what the waiting thread's lock guards: nobody else runs who could write it.
bool Turns::ready(const TurnClock& clock, std::uint64_t monotonic_ns) const {
    return clock.deadline_ns_ <= monotonic_ns || (*clock.done_)();
}

void Turns::give(TurnClock& clock) {
    {
        std::lock_guard waiting(*clock.mutex_);
        std::lock_guard lock(mutex_);
        clock.running_ = true;
    }
    clock.condition_->notify_all();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !clock.running_; });
}

void Turns::run(std::uint64_t monotonic_ns) {
    constexpr int kTurnsMax = 1'000'000;
    for (int turns = 0;; ++turns) {
        if (turns == kTurnsMax) {
            std::fprintf(stderr, "simulation: a thread takes turns without end and without letting time pass\n");
            std::abort();
        }
        TurnClock* next = nullptr;
        for (TurnClock* clock : clocks_) {
            {
                std::unique_lock lock(mutex_);
                changed_.wait(lock, [&] { return clock->waiting_; });  // it has just been started
            }
            if (!next && ready(*clock, monotonic_ns)) next = clock;
        }
        if (!next) return;
        give(*next);
        std::rotate(clocks_.begin(), std::find(clocks_.begin(), clocks_.end(), next) + 1, clocks_.end());
    }
}

std::uint64_t Turns::next_ns() {
    std::uint64_t next = UINT64_MAX;
    std::lock_guard lock(mutex_);
    for (const TurnClock* clock : clocks_) {
        if (clock->waiting_) next = std::min(next, clock->deadline_ns_);
    }
    return next;
}

void Turns::end() {
    std::lock_guard lock(mutex_);
    ending_ = true;
}

}  // namespace ringside::simulation
