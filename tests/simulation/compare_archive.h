// An archived VM against its tally.
#pragma once

#include <string>
#include <vector>

#include "agent/base/model.h"
#include "tests/simulation/census.h"

namespace ringside::simulation {

// What differs, a line each; nothing when all windows that are there are what the VM recorded and none is missing that
// its rings held at its end.
std::vector<std::string> compare_archive(const agent::SeriesSource& archived, const Life& life,
                                         const SimulatedTime& time);

}  // namespace ringside::simulation
