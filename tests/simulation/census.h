// All lives of all simulated VMs, in the order of their births.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/simulated_time.h"
#include "tests/simulation/vm.h"

namespace ringside::simulation {

struct Life {
    std::unique_ptr<SimulatedVm> vm;
    // The end that the agent has settled on, once it has said one. Wherever it says one it must be this.
    std::uint64_t end_ns = 0;
    std::uint64_t archived_ns = 0;  // and compared with the tally then, by the realtime clock; 0: not yet
    bool noticed_late = false;      // it was as old as a pushed window by then, some of which may have left
    std::set<const void*> seen_by;  // receivers that have had something of it

    // "" or what is wrong with `end_ns` as the end of this life; takes it when nothing is.
    std::string take_end(const SimulatedTime& time, std::uint64_t end_ns);
    // Whether the agent knows that it lived for less than a pushed window. It leaves by fine windows then.
    bool is_short() const {
        return end_ns > vm->created_ns() && end_ns - vm->created_ns() < kPushedResolutionS * kSecond &&
               !vm->tally().rebased();
    }
    // Whether the clock leaves open when it ended.
    bool end_unsettled(const SimulatedTime& time) const;
    // Whether its clock was set back so far that what it says of a window that ends then is no longer what it had recorded
    // in it: it may be void, or hold what was moved into it.
    bool unsettled(const SimulatedTime& time, std::uint64_t window_end_ns) const {
        return vm->tally().rebased() && window_end_ns <= time.twice_until_ns() + kPushedResolutionS * kSecond;
    }
};

using Lives = std::vector<std::unique_ptr<Life>>;  // of one VM, in the order of time

// The one that had begun last at `realtime_ns`; null: none.
Life* life_at(const Lives& lives, std::uint64_t realtime_ns);

class Census {
  public:
    Life& add(std::unique_ptr<SimulatedVm> vm);
    // Stays where it is.
    const Lives& of(const std::string& vm_id) { return lives_[vm_id]; }
    Life* find(const std::string& key);
    const std::map<std::string, Lives>& all() const { return lives_; }

  private:
    std::map<std::string, Lives> lives_;
    std::map<std::string, Life*> by_key_;
};

}  // namespace ringside::simulation
