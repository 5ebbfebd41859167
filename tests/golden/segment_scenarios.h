// What the golden segments hold: small programs of a writer in tick mode whose bytes are the same on every machine and day,
// once what is random or of this machine has been set to fixed values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ringside::golden {

struct Scenario {
    const char* name;  // the file is v1_<name>.seg
    // Writes one segment into `folder` and returns its path.
    std::string (*write)(const std::string& folder);
};

const std::vector<Scenario>& scenarios();

// The bytes of the scenario as today's writer makes them, with fixed values in the fields that cannot repeat. Empty when
// the writer failed.
std::vector<std::uint8_t> make(const Scenario& scenario);

}  // namespace ringside::golden
