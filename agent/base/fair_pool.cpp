#include "agent/base/fair_pool.h"

#include <malloc.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <system_error>
#include <utility>

namespace ringside::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

constexpr int kLowestPriority = 19;
constexpr milliseconds kHangUpTick{50};  // how late a job that waits may notice that its client is gone

nanoseconds thread_time() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

// For good: without a privilege nobody raises it again.
void lower_priority_of_this_thread() {
    setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kLowestPriority);
}

}  // namespace

FairPool::Turn::Turn(const std::atomic<bool>& hung_up, FairPool* pool) : hung_up_(hung_up), pool_(pool) {
    if (!pool_) return;
    used_at_begin_ = thread_time();
    short_time_ = pool_->limits_.short_time;
    next_look_ = steady_clock::now() + short_time_;
}

void FairPool::Turn::expect_long() {
    if (is_long_ || !pool_) return;
    short_time_ = {};
    next_look_ = {};
}

bool FairPool::Turn::was_costly() const {
    return is_refused_ || (pool_ && thread_time() - used_at_begin_ >= pool_->limits_.short_time);
}

bool FairPool::Turn::go_on(Time deadline) {
    if (!pool_) return true;
    if (is_refused_) return false;
    const Time now = steady_clock::now();
    if (now < next_look_) return true;
    const nanoseconds used = thread_time() - used_at_begin_;
    if (!is_long_) {
        // The processors may have been with others.
        if (used < short_time_) {
            next_look_ = now + (short_time_ - used);
            return true;
        }
        used_ = used;
        if (!pool_->become_long(*this, deadline)) {
            is_refused_ = true;
            return false;
        }
    } else {
        std::unique_lock lock(pool_->mutex_);
        used_ = used;
        if (pool_->someone_has_used_less(*this)) {
            pool_->leave_place();
            pool_->take_place(lock, *this, deadline);
        }
    }
    next_look_ = steady_clock::now() + pool_->limits_.slice;
    return true;
}

FairPool::FairPool(Limits limits) : limits_(limits) {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < limits_.threads; ++i) start_thread();
}

void FairPool::submit(const std::atomic<bool>& hung_up, Job job) {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({&hung_up, std::move(job)});
    changed_.notify_one();
}

void FairPool::stop() {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return threads_.empty(); });
    join_ended(lock);
}

FairPool::Counts FairPool::counts() const {
    const std::lock_guard lock(mutex_);
    return {long_running_, waiting_.size()};
}

void FairPool::start_thread() {
    const auto self = threads_.emplace(threads_.end());
    try {
        *self = std::thread([this, self] { run(self); });
    } catch (...) {
        threads_.erase(self);
        throw;
    }
}

void FairPool::run(std::list<std::thread>::iterator self) {
    std::unique_lock lock(mutex_);
    for (bool is_long = false; !is_long;) {
        changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
        if (jobs_.empty()) break;
        const Queued next = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        Turn turn(*next.hung_up, this);
        next.job(turn);
        lock.lock();
        is_long = turn.is_long_;
        if (is_long) leave_place();
        if (!is_long) continue;
        // What it has used is not needed again soon, and would stay with the process otherwise.
        lock.unlock();
        malloc_trim(0);
        lock.lock();
    }
    ended_.splice(ended_.end(), threads_, self);
    changed_.notify_all();
}

void FairPool::join_ended(std::unique_lock<std::mutex>& lock) {
    std::list<std::thread> ended;
    ended.swap(ended_);
    lock.unlock();
    for (std::thread& thread : ended) thread.join();
    lock.lock();
}

bool FairPool::become_long(Turn& turn, Time deadline) {
    std::unique_lock lock(mutex_);
    join_ended(lock);
    if (long_running_ >= limits_.long_running && waiting_.size() >= limits_.long_waiting) return false;
    try {
        start_thread();
    } catch (const std::system_error&) {
        return false;  // no thread to take its place: better without this job than without that place
    }
    turn.is_long_ = true;
    lower_priority_of_this_thread();
    take_place(lock, turn, deadline);
    return true;
}

void FairPool::take_place(std::unique_lock<std::mutex>& lock, Turn& turn, Time deadline) {
    waiting_.push_back(&turn);
    turn.is_chosen_ = false;
    // A place that is free goes to whom it is due.
    if (long_running_ < limits_.long_running) {
        ++long_running_;
        leave_place();
    }
    while (!turn.is_chosen_ && !turn.hung_up_ && steady_clock::now() < deadline) {
        chosen_.wait_until(lock, std::min(deadline, steady_clock::now() + kHangUpTick));
    }
    if (turn.is_chosen_) return;
    // It is over, and only has to find out: that needs no place of others, and it gives one back like everybody.
    std::erase(waiting_, &turn);
    ++long_running_;
}

void FairPool::leave_place() {
    --long_running_;
    if (long_running_ >= limits_.long_running) return;
    const auto next = std::ranges::min_element(waiting_, {}, [](const Turn* turn) { return turn->used_; });
    if (next == waiting_.end()) return;
    (*next)->is_chosen_ = true;
    waiting_.erase(next);
    ++long_running_;
    chosen_.notify_all();
}

bool FairPool::someone_has_used_less(const Turn& turn) const {
    return std::ranges::any_of(waiting_, [&](const Turn* other) { return other->used_ < turn.used_; });
}

}  // namespace ringside::agent
