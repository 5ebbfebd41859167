// Agents that break one rule each, made without touching the agent's code: something that lies stands between it and the
// world. A simulation that does not catch them proves nothing.
#pragma once

#include <string>
#include <vector>

#include "tests/simulation/world.h"

namespace ringside::simulation {

struct Mutant {
    std::string name;
    void (*apply)(Plan& plan);
};

const std::vector<Mutant>& mutants();

}  // namespace ringside::simulation
