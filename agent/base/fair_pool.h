// Threads for jobs whose length nobody knows for certain, where short ones do not wait for long ones.
//
// What a job will cost cannot be read off a query, so a job is judged by what it has used, as schedulers do: who has had
// the least goes first. What is expected of it, as of one that has run before, only decides when it begins. Shares per client
// mean nothing where all come from loopback.
//
//  F1  Every job begins on one of `threads` threads. It may pass others that have not waited much longer, by kPatience times
//      what it is expected to use less. One more thread is for jobs that are expected to be quick, and runs no others.
//  F2  A job that has used `short_time` of a processor is long from there on: its thread falls to a lower priority, and to the
//      lowest of the host step by step as it goes on, until the job is done; a fresh one takes its place. So short jobs always
//      find their threads, and the processors, however many long ones there are.
//  F3  At most `long_running` long jobs run. Others wait where they are, and the one that has used the least goes next:
//      a job of 50 ms is not behind four of 30 s. Who runs makes way after `slice`.
//  F4  At most `long_waiting` wait: they keep what they have in memory. Who becomes long beyond that is told to end. Guests
//      together have half of these places.
//  F5  All this asks of jobs that they call go_on() often. One that does not keeps its thread, and no more than that.
//  F6  A thread of low priority may be put aside for long wherever it stands, and whoever waits for a lock of its with
//      it. So it takes none for which others than long jobs wait: not mutex_, no condition variable that others notify,
//      nor does it trim the heaps, which takes milliseconds with each of them locked. What is left are the lock of a heap, for as
//      long as an allocation takes, and those of a VM and of its segment while it is selected.
//  F7  At most `queue_max` jobs wait for a thread: submit() takes no more.
//  F8  What jobs leave to the heaps goes back to the system when nothing has come for a while, by a thread of usual priority.
//  F9  Waking a thread for a job, and its caller for the result, costs more than a quick job does. So one that is known to
//      be quick may run on the thread that has taken it. If it is not quick after all, that thread is the pool's until the job is
//      done, and another one goes on in its place; there are at most as many of those as `threads`.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/thread_semaphore.h"

namespace ringside::agent {

class FairPool {
  public:
    using Time = std::chrono::steady_clock::time_point;

    struct Limits {
        std::size_t threads = 4;
        std::size_t queue_max = 64;
        std::size_t long_running = 4;
        std::size_t long_waiting = 12;
        std::chrono::nanoseconds short_time = std::chrono::milliseconds(5);
        std::chrono::nanoseconds slice = std::chrono::milliseconds(50);
    };

    // A job's time on the pool. Of the job's thread alone.
    class Turn {
      public:
        // Without a pool: as long as it takes. `hung_up`, which outlives it: nobody wants the job's result any more.
        explicit Turn(const std::atomic<bool>& hung_up, FairPool* pool = nullptr);
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;

        // Whether the job may go on. Cheap between slices; else it may wait, until `deadline` or until the client hangs
        // up, and is true then: both are the job's to notice. False, and again false: F4.
        bool go_on(Time deadline);
        bool hung_up() const { return hung_up_; }
        bool is_long() const { return is_long_; }
        bool is_refused() const { return is_refused_; }
        // Of a processor, so far. Of one that was refused: at least what a short job may use.
        std::chrono::nanoseconds used() const;
        // A guest's from here on (F4).
        void be_guest() { is_guest_ = true; }
        // What it has used when it ran before. If that was long, the next go_on() does not let it use its short time first.
        void expect(std::chrono::nanoseconds used);
        // Whether its thread is still that of who called run_here().
        bool is_here() const { return successor_ != nullptr; }
        // What comes may wait, as for a disk, or take long without go_on(): its thread must be the pool's from here on.
        void leave_caller();

      private:
        friend class FairPool;
        using Successor = std::function<Result<std::thread>()>;

        const std::atomic<bool>& hung_up_;
        FairPool* const pool_;
        Time next_look_;
        std::chrono::nanoseconds used_at_begin_{0};
        std::chrono::nanoseconds used_{0};  // guarded by the pool's long_mutex_ once it is long
        std::chrono::nanoseconds short_time_{0};
        bool is_long_ = false;
        bool is_refused_ = false;
        bool on_quick_thread_ = false;
        bool is_guest_ = false;
        const Successor* successor_ = nullptr;
        bool is_adopted_ = false;  // its thread was another's: no thread of the pool is missing
        std::list<std::thread>::iterator thread_;
        std::condition_variable chosen_;
        bool is_chosen_ = false;  // guarded by the pool's long_mutex_: it may run again
    };
    using Job = std::function<void(Turn& turn)>;
    using Successor = Turn::Successor;

    explicit FairPool(Limits limits);
    ~FairPool() { stop(); }
    FairPool(const FairPool&) = delete;
    FairPool& operator=(const FairPool&) = delete;

    // Of a processor: jobs that are expected to use no more are quick.
    static constexpr std::chrono::nanoseconds kQuickTime = std::chrono::microseconds(500);
    static constexpr std::chrono::nanoseconds kUnknownTime = std::chrono::milliseconds(1);

    // Of a job.
    struct Expected {
        std::chrono::nanoseconds used = kUnknownTime;  // of a processor
        bool waits = true;                             // for more than that, such as a disk
        bool is_quick() const { return used <= kQuickTime && !waits; }
    };

    // Any thread. The job must not throw. `hung_up` outlives the job. `expected`: what it is going to use of a processor.
    // False: F7, and the job is gone.
    bool submit(const std::atomic<bool>& hung_up, Job job, std::chrono::nanoseconds expected = kUnknownTime);

    // Runs a job on the calling thread, one that is expected to use no more than kQuickTime and to wait for nothing (F9).
    // `successor` may be called during the job, once: it starts a thread in place of the calling one, whose handle it gives
    // up. Its error ends the job as one that is refused. Whether the calling thread is still its caller's: else it has nothing
    // more to do than to end. As submit(), but never full.
    // A job that looks at hung_up() alone, and never at go_on(), holds up the calling thread for good.
    bool run_here(const std::atomic<bool>& hung_up, const Job& job, const Successor& successor);
    // Whether there is room for more threads: else submit() it.
    bool may_run_here() const { return adopted_ < limits_.threads; }

    // Runs what is queued, then ends the threads: quick when all have hung up. Idempotent; no submit() after it.
    void stop();

    struct Counts {
        std::size_t short_jobs = 0;  // that run or wait for a thread
        std::size_t long_running = 0, long_waiting = 0;
    };
    // Never waits. While jobs become long or end, one may be missing or counted twice.
    Counts counts() const { return {short_jobs_, long_running_, long_waiting_}; }

  private:
    struct Queued {
        const std::atomic<bool>* hung_up;
        Job job;
        bool is_quick;
    };
    using Queue = std::multimap<Time, Queued>;  // by when they are due

    using Threads = std::list<std::thread>;

    void start_thread(bool quick);  // with mutex_ held; may throw std::system_error
    void run(Threads::iterator self, bool quick);
    bool run_job(const Job& job, Turn& turn);
    void end_thread(Threads::iterator self);
    // As they were in jobs_: nothing is allocated or freed with mutex_ held, since a heap has a lock, too (F6).
    Queue::node_type next_job();
    Queue::node_type next_quick_job();
    bool adopt(Turn& turn);
    Result<void> replace(Turn& turn, Threads& replaced);
    bool enter_long(const Turn& turn);
    void leave_long(const Turn& turn);
    void end_long(Turn& turn);
    static void join(std::unique_lock<std::mutex>& lock, Threads& ended);

    bool become_long(Turn& turn, Time deadline);
    // With long_mutex_ held.
    void take_place(std::unique_lock<std::mutex>& lock, Turn& turn, Time deadline);
    void leave_place();
    bool someone_has_used_less(const Turn& turn) const;

    const Limits limits_;

    // What is posted, and the threads that were woken and have not looked yet, are never fewer than jobs_.
    Semaphore work_;
    Semaphore quick_work_;  // the same, for the quick thread while it is idle

    std::mutex mutex_;                      // guards the next ones; of threads of usual priority
    std::condition_variable thread_ended_;  // threads_ has one less
    bool is_quick_idle_ = false;            // the quick thread waits
    Queue jobs_;
    Threads threads_;  // whose job is not long
    Threads ended_;    // of them, to be joined
    bool stopping_ = false;

    std::atomic<std::size_t> short_jobs_{0};    // queued, or run and not long
    std::atomic<std::size_t> adopted_{0};       // of them: on threads that were others'
    std::atomic<bool> worked_{false};           // since the heaps were trimmed
    std::atomic<Time> last_work_{};             // when a job came or ended
    std::atomic<std::size_t> long_guests_{0};   // of the next ones
    std::atomic<std::size_t> long_jobs_{0};     // that have a place (F3, F4) or are on their way to it
    std::atomic<std::size_t> long_running_{0};  // written with long_mutex_ held, as is the next one
    std::atomic<std::size_t> long_waiting_{0};

    std::mutex long_mutex_;                 // guards the next ones; of long jobs
    std::condition_variable long_changed_;  // long_jobs_ falls
    Threads long_threads_;
    Threads long_ended_;          // to be joined
    std::vector<Turn*> waiting_;  // long ones that do not run
};

}  // namespace ringside::agent
