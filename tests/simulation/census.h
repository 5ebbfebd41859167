// All lives of all simulated VMs, in the order of their births.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/vm.h"

namespace ringside::simulation {

struct Life {
    std::unique_ptr<SimulatedVm> vm;
    // The end that the agent has settled on, once it has said one. Wherever it says one it must be this.
    std::uint64_t end_ns = 0;
    bool archived = false;          // and compared with the tally
    std::set<const void*> seen_by;  // receivers that have had something of it

    // "" or what is wrong with `end_ns` as the end of this life; takes it when nothing is.
    std::string take_end(std::uint64_t end_ns);
};

class Census {
  public:
    Life& add(std::unique_ptr<SimulatedVm> vm);
    // The life of this VM that had begun last at `realtime_ns`; null: none.
    Life* at(const std::string& vm_id, std::uint64_t realtime_ns);
    Life* find(const std::string& key);
    // By VM, in the order of time.
    std::map<std::string, std::vector<std::unique_ptr<Life>>>& all() { return lives_; }

  private:
    std::map<std::string, std::vector<std::unique_ptr<Life>>> lives_;
    std::map<std::string, Life*> by_key_;
};

}  // namespace ringside::simulation
