// A count of things to do, for threads that wait for them. Unlike a condition variable, whose notify waits in glibc for threads
// that were woken before and have not run since, post() never waits: not for one of the lowest priority either.
#pragma once

#include <semaphore.h>

#include <cerrno>
#include <chrono>
#include <ctime>

namespace ringside::agent {

// Any thread.
class Semaphore {
  public:
    Semaphore() { sem_init(&count_, 0, 0); }
    ~Semaphore() { sem_destroy(&count_); }
    Semaphore(const Semaphore&) = delete;
    Semaphore& operator=(const Semaphore&) = delete;

    void post() { sem_post(&count_); }
    void wait() {
        while (sem_wait(&count_) != 0 && errno == EINTR) {
        }
    }
    // False: nothing came until `deadline`.
    bool wait_until(std::chrono::steady_clock::time_point deadline) {
        const auto since_boot = std::chrono::nanoseconds(deadline.time_since_epoch());
        const auto seconds = std::chrono::floor<std::chrono::seconds>(since_boot);
        const timespec until{static_cast<time_t>(seconds.count()), static_cast<long>((since_boot - seconds).count())};
        int result = 0;
        while ((result = sem_clockwait(&count_, CLOCK_MONOTONIC, &until)) != 0 && errno == EINTR) {
        }
        return result == 0;
    }

  private:
    sem_t count_;
};

}  // namespace ringside::agent
