// A host, its VMs, its disk and its receivers, with the agent's core between them, under one seed: one run of it is one
// schedule of events and faults, and the same seed gives the same run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "agent/core.h"
#include "tests/simulation/census.h"
#include "tests/simulation/findings.h"
#include "tests/simulation/host_disk.h"
#include "tests/simulation/receiver.h"
#include "tests/simulation/simulated_time.h"
#include "tests/simulation/turns.h"
#include "tests/support/temporary_folder.h"

namespace ringside::simulation {

struct Plan {
    std::uint64_t seed = 0;
    std::uint64_t duration_ns = kDay;
    std::size_t vms = 24;  // that live at a time
    std::uint64_t sweep_every_ns = 10 * kSecond;
    std::uint64_t crash_in_drains = 0;  // in one of so many, while a VM is on its way into the archive; 0: none
    // Mean times between faults; 0: none.
    std::uint64_t crash_every_ns = 0;
    std::uint64_t disk_trouble_every_ns = 0;
    std::uint64_t receiver_trouble_every_ns = 0;
    std::uint64_t clock_step_every_ns = 0;
    std::uint64_t settle_max_ns = 12 * kHour;  // to come to rest after the end
    // Of a mutant: what stands between the agent and the world, or what it makes of its configuration.
    std::function<std::unique_ptr<agent::Sender>(std::unique_ptr<agent::Sender>)> sender;
    std::function<std::unique_ptr<agent::DrainHost>(agent::DrainHost& real, HostDisk& disk)> drain_host;
    std::function<bool(const std::string& path)> fsync_lies;
    bool short_vms = true;
};

class World {
  public:
    explicit World(Plan plan);
    ~World();

    // The whole run, to the end where everything has settled.
    const Findings& run();

  private:
    struct Event {
        std::uint64_t at_ns;  // monotonic
        std::uint64_t sequence;
        std::function<void()> what;
        bool operator<(const Event& other) const {
            return at_ns != other.at_ns ? at_ns > other.at_ns : sequence > other.sequence;
        }
    };

    // Draws from the seed.
    std::uint64_t below(std::uint64_t end) { return random_() % end; }
    std::uint64_t between(std::uint64_t least_ns, std::uint64_t most_ns);  // whole eighths of a second
    std::uint64_t about(std::uint64_t mean_ns);
    bool one_in(std::uint64_t n) { return random_() % n == 0; }

    void after(std::uint64_t ns, std::function<void()> what);
    void go_on_until(std::uint64_t monotonic_ns);
    bool over() const { return time_.monotonic_ns() >= end_ns_; }

    // VMs.
    void give_birth(std::size_t slot);
    void record(Life& life, std::uint64_t period_ns);
    void end_life(Life& life, std::size_t slot);
    std::uint64_t span_of_life();

    // The agent.
    void start_agent();
    void end_agent();
    void count_losses();
    void die();
    void sweep();
    void discover();
    void drain();
    void check_archive();
    void check_archived();
    void audit();
    void housekeep();

    // Faults.
    void plan_crash();
    void plan_disk_trouble();
    void note_disk_trouble();
    void plan_receiver_trouble(Receiver& receiver);
    void plan_clock_step();
    void step_clock(std::int64_t by_ns);

    void settle();
    bool settled();

    const Plan plan_;
    std::mt19937_64 random_;
    SimulatedTime time_;
    agent::TemporaryFolder folder_{"/dev/shm"};
    Findings findings_;
    HostDisk disk_;
    Census census_;
    std::vector<std::unique_ptr<Receiver>> receivers_;
    std::priority_queue<Event> events_;
    std::uint64_t sequence_ = 0;
    std::uint64_t end_ns_ = 0;  // monotonic: no new lives and faults
    bool settling_ = false;
    bool disk_troubled_ = false;
    bool discover_planned_ = false;

    agent::Config config_;
    Turns turns_;
    std::map<std::string, std::unique_ptr<TurnClock>> clocks_;  // by upstream
    std::unique_ptr<agent::Core> core_;                         // null: down
    std::uint64_t run_ = 0;                                     // of the agent
    bool dead_waiting_ = false;
    std::vector<Life*> undrained_;
    std::vector<Life*> archived_;
};

}  // namespace ringside::simulation
