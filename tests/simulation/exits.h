// The samples that say how VMs ended, as a receiver has them: one for each life, at its end, with how the seed ended it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "agent/upstream/wire_sample.h"
#include "tests/simulation/census.h"
#include "tests/simulation/findings.h"

namespace ringside::simulation {

class Exits {
  public:
    Exits(std::string receiver, Census& census, Findings& findings, const SimulatedTime& time);

    static bool is_exit(const agent::LabelSet& labels);
    // From run `run` of the agent. `life`: that began last before the sample's time; null: none.
    void take(const agent::WireSample& sample, Life* life, std::uint64_t run);
    void acknowledge(const agent::WireSample& sample, Life* life, std::uint64_t run);
    // For the sake of others in its request.
    void refuse(const agent::WireSample& sample, Life* life);
    // Every life that is over has its sample: called when all upstreams are done.
    void check_all_ended();

  private:
    struct Exit {
        std::int64_t at_ms = 0;
        std::uint64_t acked_run = 0;  // of the agent; 0: none
    };

    // `life`; after a step back of the clock a life that ended so at a time that nobody can tell, and has no sample yet.
    Life* owner(const agent::WireSample& sample, Life* life) const;

    const std::string receiver_;
    Census& census_;
    Findings& findings_;
    const SimulatedTime& time_;
    std::map<const Life*, Exit> exits_;
    std::set<const Life*> refused_;
};

}  // namespace ringside::simulation
