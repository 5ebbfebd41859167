// Threads of the code under test that run one at a time, each for as long as it does not wait: who runs next is decided
// by simulated time alone, so the same seed gives the same run.
//
// The thread that owns the Turns runs while no other does. It gives turns to those whose wait is over and goes on when
// they wait again. When the owner is about to end a thread it says so (end_with()): a wait that its end cuts short
// then returns without a turn, while the owner waits in join().
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "agent/upstream/clock.h"
#include "tests/simulation/simulated_time.h"

namespace ringside::simulation {

class Turns;

// The clock of one thread under test: its waits are the places where turns end.
class TurnClock : public agent::Clock {
  public:
    TurnClock(Turns& turns, SimulatedTime& time) : turns_(turns), time_(time) {}

    std::uint64_t now_ns() override;
    void wait(std::unique_lock<std::mutex>& lock, std::condition_variable& condition, std::uint64_t duration_ns,
              const std::function<bool()>& done) override;

    // A wait of the thread outside of the code under test: false when aborted.
    bool sleep(std::uint64_t duration_ns);
    // Any thread: ends sleep() for good.
    void abort();
    bool aborted();

  private:
    friend class Turns;
    void begin();

    Turns& turns_;
    SimulatedTime& time_;
    bool begun_ = false;  // of the thread itself
    std::mutex sleep_mutex_;
    std::condition_variable sleep_changed_;
    bool aborted_ = false;  // under sleep_mutex_

    // Under the mutex of Turns.
    bool waiting_ = false;
    bool running_ = false;
    std::uint64_t deadline_ns_ = 0;  // monotonic
    std::mutex* mutex_ = nullptr;
    std::condition_variable* condition_ = nullptr;
    const std::function<bool()>* done_ = nullptr;
};

class Turns {
  public:
    // The owner's. `clock` belongs to a thread that has been started, or will be at once.
    void add(TurnClock& clock);
    void remove_all();

    // Gives turns until all wait for something later than `monotonic_ns`.
    void run(std::uint64_t monotonic_ns);
    // When the first wait is over; UINT64_MAX: no thread waits.
    std::uint64_t next_ns();
    // From here on a thread whose wait is cut short goes on at once: its end is near.
    void end();

  private:
    friend class TurnClock;
    bool ready(const TurnClock& clock, std::uint64_t monotonic_ns) const;
    void give(TurnClock& clock);

    const std::thread::id owner_ = std::this_thread::get_id();
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<TurnClock*> clocks_;
    bool ending_ = false;  // under mutex_
};

}  // namespace ringside::simulation
