// The threads on which calls are answered, apart from those of gRPC: a call that waits for a disk holds one of these, and
// gRPC goes on reading and writing the others.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ringside::agent {

// Jobs run in the order in which they came. A call has at most one job here at a time (a stream comes back for each
// message), so calls take turns and the queue is as long as there are calls: CallGate bounds it.
class WorkPool {
  public:
    explicit WorkPool(std::size_t threads);
    ~WorkPool() { stop(); }
    WorkPool(const WorkPool&) = delete;
    WorkPool& operator=(const WorkPool&) = delete;

    // Any thread. A job must not throw. After stop() it runs at once, on the caller's thread: nothing is left unanswered.
    void submit(std::function<void()> job);

    // Runs what is queued, then ends the threads. Idempotent.
    void stop();

  private:
    void run();

    std::mutex mutex_;  // guards all below but threads_
    std::condition_variable changed_;
    std::deque<std::function<void()>> jobs_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace ringside::agent
