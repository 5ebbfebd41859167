// Threads for jobs whose length nobody knows beforehand, where short ones do not wait for long ones.
//
// What a job will cost cannot be read off a query, so a job is judged by what it has used, as schedulers do: who has had
// the least goes first. Estimates err where it hurts, and shares per client mean nothing where all come from loopback.
//
//  F1  Every job begins on one of `threads` threads, in the order of coming.
//  F2  A job that has used `short_time` of a processor is long from there on: its thread falls to the lowest priority of
//      the host until the job is done, and a fresh one takes its place. So short jobs always find their threads, and
//      the processors, however many long ones there are.
//  F3  At most `long_running` long jobs run. Others wait where they are, and the one that has used the least goes next:
//      a job of 50 ms is not behind four of 30 s. Who runs makes way after `slice`.
//  F4  At most `long_waiting` wait: they keep what they have in memory. Who becomes long beyond that is told to end.
//  F5  All this asks of jobs that they call go_on() often. One that does not keeps its thread, and no more than that.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

namespace ringside::agent {

class FairPool {
  public:
    using Time = std::chrono::steady_clock::time_point;

    struct Limits {
        std::size_t threads = 4;
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
        // Whether it has used more than a short job does so far.
        bool was_costly() const;
        // It is known to become long: the next go_on() does not let it use its short time first.
        void expect_long();

      private:
        friend class FairPool;

        const std::atomic<bool>& hung_up_;
        FairPool* const pool_;
        Time next_look_;
        std::chrono::nanoseconds used_at_begin_{0};
        std::chrono::nanoseconds used_{0};  // guarded by the pool's mutex once it is long
        std::chrono::nanoseconds short_time_{0};
        bool is_long_ = false;
        bool is_refused_ = false;
        bool is_chosen_ = false;  // guarded by the pool's mutex: it may run again
    };
    using Job = std::function<void(Turn& turn)>;

    explicit FairPool(Limits limits);
    ~FairPool() { stop(); }
    FairPool(const FairPool&) = delete;
    FairPool& operator=(const FairPool&) = delete;

    // Any thread. The job must not throw. `hung_up` outlives the job.
    void submit(const std::atomic<bool>& hung_up, Job job);

    // Runs what is queued, then ends the threads: quick when all have hung up. Idempotent; no submit() after it.
    void stop();

    struct Counts {
        std::size_t long_running = 0, long_waiting = 0;
    };
    Counts counts() const;

  private:
    struct Queued {
        const std::atomic<bool>* hung_up;
        Job job;
    };

    void start_thread();  // with the mutex held; may throw std::system_error
    void run(std::list<std::thread>::iterator self);
    void join_ended(std::unique_lock<std::mutex>& lock);

    bool become_long(Turn& turn, Time deadline);
    void take_place(std::unique_lock<std::mutex>& lock, Turn& turn, Time deadline);
    void leave_place();  // with the mutex held
    bool someone_has_used_less(const Turn& turn) const;

    const Limits limits_;
    mutable std::mutex mutex_;         // guards all below
    std::condition_variable changed_;  // jobs_, stopping_
    std::condition_variable chosen_;   // some Turn::is_chosen_
    std::deque<Queued> jobs_;
    std::list<std::thread> threads_;
    std::list<std::thread> ended_;  // to be joined
    std::vector<Turn*> waiting_;    // long ones that do not run
    std::size_t long_running_ = 0;
    bool stopping_ = false;
};

}  // namespace ringside::agent
