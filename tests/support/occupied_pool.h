// A pool whose threads all have a job, until they are let go.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>

#include "agent/base/fair_pool.h"

namespace ringside::agent {

class OccupiedPool {
  public:
    // `threads` as in the limits of the pool, which nobody else uses yet.
    OccupiedPool(FairPool& pool, std::size_t threads) : pool_(pool), threads_(threads) {
        for (std::size_t i = 0; i < threads_; ++i) {
            pool_.submit(is_over_, [this](FairPool::Turn&) {
                ++begun_;
                is_over_.wait(false);
                ++ended_;
            });
        }
        while (begun_ != threads_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ~OccupiedPool() { let_go(); }
    OccupiedPool(const OccupiedPool&) = delete;
    OccupiedPool& operator=(const OccupiedPool&) = delete;

    // Until so many others wait for a thread.
    void wait_for_others(std::size_t count) const {
        while (pool_.counts().short_jobs != threads_ + count) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    void let_go() {
        is_over_ = true;
        is_over_.notify_all();
        while (ended_ != threads_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }

  private:
    FairPool& pool_;
    const std::size_t threads_;
    std::atomic<bool> is_over_{false};
    std::atomic<std::size_t> begun_{0}, ended_{0};
};

}  // namespace ringside::agent
