// What the recording rules of an upstream make, as its receiver has it: totals over all VMs, which never fall, and which in
// the end are what all VMs together have recorded.
#pragma once

#include <bit>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/upstream/rule.h"
#include "agent/upstream/wire_sample.h"
#include "tests/simulation/census.h"
#include "tests/simulation/findings.h"

namespace ringside::simulation {

class Sums {
  public:
    Sums(std::string receiver, Findings& findings, const SimulatedTime& time);

    static std::vector<agent::Rule> rules();
    static bool is_sum(const agent::LabelSet& labels);
    // `forgotten`: a window may come again, as it was, since the run that sent the newest one could not save its cursor.
    // Returns whether it is the newest now.
    bool take(const agent::WireSample& sample, bool forgotten);
    // "" or which total is not that of all lives; `some_lost`: it may be less.
    std::string difference(const Census& census, bool some_lost) const;

  private:
    const std::string receiver_;
    Findings& findings_;
    const SimulatedTime& time_;
    std::map<agent::LabelSet, std::map<std::int64_t, double>> totals_;  // by the end of the window in ms; none is empty
};

}  // namespace ringside::simulation
