#include "agent/base/fair_pool.h"

#include <malloc.h>
#include <sched.h>
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

constexpr int kPatience = 20;
constexpr std::chrono::seconds kQuiet{1};  // without a job, before the heaps are trimmed
constexpr milliseconds kHangUpTick{50};    // how late a job that waits may notice that its client is gone
constexpr milliseconds kHereTime{1};       // by the clock: for how long a job may keep a thread that is another's

nanoseconds thread_time() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

// How nice a long job is to the rest of the host. The host may be full of VMs: at the lowest priority at once, a query of 20 ms
// would take seconds there.
int niceness(nanoseconds used) {
    if (used < milliseconds(100)) return 5;
    return used < milliseconds(1000) ? 10 : 19;
}

// A thread that computes does not push aside the one that wakes it, which mostly has other connections to serve. Of no use where
// the scheduler does not know it, and no loss.
void let_others_finish() {
    const sched_param none{};
    sched_setscheduler(0, SCHED_BATCH, &none);
}

// For good: without a privilege nobody raises it again.
void lower_priority_of_this_thread(nanoseconds used) {
    const auto self = static_cast<id_t>(syscall(SYS_gettid));
    setpriority(PRIO_PROCESS, self, std::max(getpriority(PRIO_PROCESS, self), niceness(used)));
}

}  // namespace

FairPool::Turn::Turn(const std::atomic<bool>& hung_up, FairPool* pool) : hung_up_(hung_up), pool_(pool) {
    if (!pool_) return;
    used_at_begin_ = thread_time();
    short_time_ = pool_->limits_.short_time;
    next_look_ = steady_clock::now() + short_time_;
}

void FairPool::Turn::expect(nanoseconds used) {
    if (is_long_ || !pool_ || used < pool_->limits_.short_time) return;
    short_time_ = {};
    next_look_ = {};
}

nanoseconds FairPool::Turn::used() const {
    if (!pool_) return {};
    const nanoseconds used = thread_time() - used_at_begin_;
    return is_refused_ ? std::max(used, pool_->limits_.short_time) : used;
}

void FairPool::Turn::leave_caller() {
    if (successor_ && !is_refused_ && !pool_->adopt(*this)) is_refused_ = true;
}

bool FairPool::Turn::go_on(Time deadline) {
    if (!pool_) return true;
    if (is_refused_) return false;
    const Time now = steady_clock::now();
    if (now < next_look_) return true;
    leave_caller();
    if (is_refused_) return false;
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
        if (niceness(used) != niceness(used_)) lower_priority_of_this_thread(used);
        std::unique_lock lock(pool_->long_mutex_);
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
    start_thread(true);
    for (std::size_t i = 0; i < limits_.threads; ++i) start_thread(false);
}

bool FairPool::submit(const std::atomic<bool>& hung_up, Job job, nanoseconds expected) {
    const Time now = steady_clock::now();
    const Time due = now + kPatience * std::min(expected, limits_.short_time);
    const bool quick = expected <= kQuickTime;
    Queue one;
    one.emplace(due, Queued{&hung_up, std::move(job), quick});
    const std::lock_guard lock(mutex_);
    if (short_jobs_ >= limits_.threads + limits_.queue_max) return false;
    ++short_jobs_;
    last_work_ = now;
    jobs_.insert(one.extract(one.begin()));
    const bool to_quick_thread = quick && is_quick_idle_;
    if (to_quick_thread) is_quick_idle_ = false;  // it has one now
    (to_quick_thread ? quick_work_ : work_).post();
    return true;
}

bool FairPool::run_here(const std::atomic<bool>& hung_up, const Job& job, const Successor& successor) {
    ++short_jobs_;
    last_work_ = steady_clock::now();
    Turn turn(hung_up, this);
    turn.successor_ = &successor;
    turn.next_look_ = last_work_.load() + kHereTime;
    if (!run_job(job, turn)) return false;
    if (!turn.is_adopted_) return true;
    --adopted_;
    end_thread(turn.thread_);
    return false;
}

void FairPool::stop() {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    work_.post();
    quick_work_.post();
    thread_ended_.wait(lock, [this] { return threads_.empty(); });
    join(lock, ended_);
    lock.unlock();
    std::unique_lock long_lock(long_mutex_);
    long_changed_.wait(long_lock, [this] { return long_jobs_ == 0; });
    join(long_lock, long_ended_);
}

void FairPool::start_thread(bool quick) {
    const auto self = threads_.emplace(threads_.end());
    try {
        *self = std::thread([this, self, quick] { run(self, quick); });
    } catch (...) {
        threads_.erase(self);
        throw;
    }
}

void FairPool::run(Threads::iterator self, bool quick) {
    if (!quick) let_others_finish();
    while (Queue::node_type next = quick ? next_quick_job() : next_job()) {
        Turn turn(*next.mapped().hung_up, this);
        turn.thread_ = self;
        turn.on_quick_thread_ = quick;
        if (!run_job(next.mapped().job, turn)) return;
    }
    end_thread(self);
}

// False: it has become long, and its thread has nothing more to do.
bool FairPool::run_job(const Job& job, Turn& turn) {
    job(turn);
    last_work_ = steady_clock::now();
    if (!worked_.exchange(true)) work_.post();  // for the one who trims
    if (turn.is_long_) {
        end_long(turn);
        return false;
    }
    --short_jobs_;
    return true;
}

void FairPool::end_thread(Threads::iterator self) {
    const std::lock_guard lock(mutex_);
    ended_.splice(ended_.end(), threads_, self);
    thread_ended_.notify_all();
}

// Nothing: there is none left, and no more will come.
FairPool::Queue::node_type FairPool::next_job() {
    for (;;) {
        if (!worked_) {
            work_.wait();
        } else if (!work_.wait_until(last_work_.load() + kQuiet)) {
            const bool quiet = steady_clock::now() >= last_work_.load() + kQuiet;
            if (quiet && worked_.exchange(false)) malloc_trim(0);
            continue;
        }
        const std::lock_guard lock(mutex_);
        if (!jobs_.empty()) return jobs_.extract(jobs_.begin());
        if (!stopping_) continue;
        work_.post();  // all others are to hear of it, and who replaces one of them
        return {};
    }
}

FairPool::Queue::node_type FairPool::next_quick_job() {
    std::unique_lock lock(mutex_);
    for (bool woken = false;; woken = true) {
        const auto first = std::ranges::find_if(jobs_, [](const auto& queued) { return queued.second.is_quick; });
        if (first != jobs_.end()) return jobs_.extract(first);
        if (stopping_) return {};
        // Another thread was woken for another job, and has taken the one that this one was woken for.
        if (woken && !jobs_.empty()) work_.post();
        is_quick_idle_ = true;
        lock.unlock();
        quick_work_.wait();
        lock.lock();
        is_quick_idle_ = false;
    }
}

void FairPool::join(std::unique_lock<std::mutex>& lock, Threads& ended) {
    Threads mine;
    mine.swap(ended);
    lock.unlock();
    for (std::thread& thread : mine) thread.join();
    lock.lock();
}

// The thread of `turn` is the pool's from here on.
bool FairPool::adopt(Turn& turn) {
    Threads mine(1);  // first, for what cannot be joined ends the process
    auto self = (*turn.successor_)();
    if (!self) return false;
    mine.front() = std::move(*self);
    let_others_finish();
    turn.successor_ = nullptr;
    turn.is_adopted_ = true;
    ++adopted_;
    turn.thread_ = mine.begin();
    std::unique_lock lock(mutex_);
    join(lock, ended_);
    threads_.splice(threads_.end(), mine);
    return true;
}

// Another thread of usual priority for the one of `turn`, which is moved out of the list.
Result<void> FairPool::replace(Turn& turn, Threads& replaced) {
    const std::lock_guard lock(mutex_);
    try {
        if (!turn.is_adopted_) start_thread(turn.on_quick_thread_);
    } catch (const std::system_error& failure) {
        return errno_error(failure.code().value(), "cannot start a thread");
    }
    replaced.splice(replaced.end(), threads_, turn.thread_);
    --short_jobs_;
    if (turn.is_adopted_) --adopted_;
    return {};
}

// One more of those that run and those that wait.
bool FairPool::enter_long(const Turn& turn) {
    const std::size_t places = limits_.long_running + limits_.long_waiting;
    const bool guests_fit = !turn.is_guest_ || long_guests_.fetch_add(1) < places / 2;
    if (long_jobs_.fetch_add(1) < places && guests_fit) return true;
    leave_long(turn);
    return false;
}

void FairPool::leave_long(const Turn& turn) {
    --long_jobs_;
    if (turn.is_guest_) --long_guests_;
}

bool FairPool::become_long(Turn& turn, Time deadline) {
    if (!enter_long(turn)) return false;
    Threads mine;
    // Without a thread to take its place it is better to do without this job.
    if (!replace(turn, mine)) {
        leave_long(turn);
        return false;
    }
    turn.is_long_ = true;
    lower_priority_of_this_thread(turn.used_);
    std::unique_lock lock(long_mutex_);
    long_threads_.splice(long_threads_.end(), mine);
    join(lock, long_ended_);
    take_place(lock, turn, deadline);
    return true;
}

void FairPool::end_long(Turn& turn) {
    const std::lock_guard lock(long_mutex_);
    leave_place();
    long_ended_.splice(long_ended_.end(), long_threads_, turn.thread_);
    leave_long(turn);
    long_changed_.notify_all();
}

void FairPool::take_place(std::unique_lock<std::mutex>& lock, Turn& turn, Time deadline) {
    waiting_.push_back(&turn);
    long_waiting_ = waiting_.size();
    turn.is_chosen_ = false;
    // A place that is free goes to whom it is due.
    if (long_running_ < limits_.long_running) {
        ++long_running_;
        leave_place();
    }
    while (!turn.is_chosen_ && !turn.hung_up_ && steady_clock::now() < deadline) {
        turn.chosen_.wait_until(lock, std::min(deadline, steady_clock::now() + kHangUpTick));
    }
    if (turn.is_chosen_) return;
    // It is over, and only has to find out: that needs no place of others, and it gives one back like everybody.
    std::erase(waiting_, &turn);
    long_waiting_ = waiting_.size();
    ++long_running_;
}

void FairPool::leave_place() {
    --long_running_;
    if (long_running_ >= limits_.long_running) return;
    const auto next = std::ranges::min_element(waiting_, {}, [](const Turn* turn) { return turn->used_; });
    if (next == waiting_.end()) return;
    Turn& chosen = **next;
    chosen.is_chosen_ = true;
    waiting_.erase(next);
    long_waiting_ = waiting_.size();
    ++long_running_;
    chosen.chosen_.notify_one();
}

bool FairPool::someone_has_used_less(const Turn& turn) const {
    return std::ranges::any_of(waiting_, [&](const Turn* other) { return other->used_ < turn.used_; });
}

}  // namespace ringside::agent
