// A receiver that knows what it has to receive: each sample is compared with the tally of the VM that it comes from at
// the moment it arrives, in value, time and order, and what ought to have come before it is missed then.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/upstream/sender.h"
#include "tests/simulation/census.h"
#include "tests/simulation/exits.h"
#include "tests/simulation/findings.h"
#include "tests/simulation/sums.h"
#include "tests/simulation/turns.h"

namespace ringside::simulation {

// Which samples the receiver may do without: the agent's rules for windows that it cannot push any more.
struct Excuses {
    std::uint64_t backlog_max_ns = 0;
};

// How a receiver behaves for a while.
struct Mood {
    bool down = false;                   // no answer at all
    double lose_reply = 0;               // shares of requests: taken, but the reply is lost
    double fail = 0;                     // 503, nothing taken
    double fail_in_part = 0;             // 503, the first part taken
    double overloaded = 0;               // 429 with Retry-After
    std::uint64_t latency_ns = 2 * kMs;  // at most
};

class Receiver {
  public:
    Receiver(std::string name, Census& census, Findings& findings, SimulatedTime& time, Excuses excuses,
             std::uint64_t seed);

    Mood mood;
    // Runs of the agent whose disk failed for a while: what they could not note down a later run may send again.
    std::set<std::uint64_t> forgetful_runs;

    const std::string& name() const { return name_; }
    // A request of run `run` of the agent, whose waits are those of `clock`.
    agent::Reply answer(std::span<const agent::WireSample> samples, std::uint64_t run, TurnClock& clock);
    // Everything that is over is complete: called when all upstreams are done.
    void check_all_ended();
    // "" or what is still missing of what rules make of all VMs.
    std::string lack_of_sums() const;

    std::uint64_t samples() const { return samples_; }
    std::uint64_t repeats() const { return repeats_; }
    std::uint64_t excused() const { return excused_; }

  private:
    // What a name of the wire stands for.
    struct Output {
        SeriesOf series = SeriesOf::kCounter;
        enum Column { kValue, kCount, kSeconds, kSum, kMin, kMax, kLast, kBucket } column = kValue;
        double le = 0;
        bool cumulative = false;
    };
    // One series of one VM, through all its lives.
    struct Series {
        const agent::LabelSet* labels = nullptr;
        const Lives* lives = nullptr;  // of its VM
        bool exit = false;             // it says how the VM ended
        bool sum = false;              // a rule has made it
        std::optional<Output> output;  // none: no VM has such a series
        std::int64_t newest_ms = INT64_MIN;
        double newest = 0;
        std::uint64_t steps_back = 0;  // of the clock, when it came
        std::uint64_t taken_run = 0;   // the run of the agent that has sent it
        std::uint64_t acked_run = 0;   // the one that was told of its arrival; 0: none
        const Life* life = nullptr;    // of the newest sample
        bool ended = false;            // by a stale marker
    };
    struct LabelHash {
        std::size_t operator()(const agent::LabelSet& labels) const;
    };
    // A sample of a request, and where it belongs.
    struct Arrival {
        const agent::WireSample* sample;
        Series* series;
    };

    Series& series_of(const agent::LabelSet& labels);
    bool refuses(const Arrival& arrival) const;
    void take(const Arrival& arrival, std::uint64_t run);
    // It is the newest of its series.
    void note(Series& series, const Life& life, const agent::WireSample& sample, std::uint64_t run);
    void take_of_time_twice(Series& series, const agent::WireSample& sample, std::uint64_t run);
    void acknowledge(std::span<const Arrival> arrivals, std::uint64_t run);
    void take_again(Series& series, const agent::WireSample& sample, std::uint64_t run);
    // How long the window of the sample is: the one that it fits, where the agent may have sent either.
    std::uint64_t step_of(const Series& series, const Life& life, const agent::WireSample& sample) const;
    // "" or how the sample differs from what its VM has recorded in the window of `step_ns`.
    std::string difference(const Output& output, Life& life, const agent::WireSample& sample,
                           std::uint64_t step_ns) const;
    void take_new(Series& series, Life& life, const agent::WireSample& sample);
    void miss(const Series& series, const Life& life, std::uint64_t step_ns, std::uint64_t until_ns);
    void miss_window(const Series& series, const Life& life, std::uint64_t begin_ns, std::uint64_t end_ns);
    bool excused(const Life& life, std::uint64_t window_end_ns) const;
    static std::optional<Output> output_of(const agent::LabelSet& labels);
    static double column_of(const Columns& columns, const Output& output);
    // Whether its window lies in time that the clock has shown twice.
    bool is_twice(std::int64_t timestamp_ms) const;
    static bool possible(const Output& output, const Life& life, double value);
    static bool is_zero(const Output& output, const Life& life, const agent::WireSample& sample);
    static Life* life_of(const Arrival& arrival);

    const std::string name_;
    Census& census_;
    Findings& findings_;
    SimulatedTime& time_;
    const Excuses excuses_;
    std::mt19937_64 random_;
    std::unordered_map<agent::LabelSet, Series, LabelHash> series_;
    Exits exits_;
    Sums sums_;
    std::uint64_t samples_ = 0;
    std::uint64_t repeats_ = 0;
    std::uint64_t excused_ = 0;
    // What was refused for the sake of others in its request, and has not come again.
    std::set<std::pair<const Series*, std::int64_t>> refused_with_others_;
    std::set<const Series*> refused_ends_;  // whose end was refused, and has not come again
};

}  // namespace ringside::simulation
