#include "tests/simulation/census.h"

#include <algorithm>
#include <utility>

namespace ringside::simulation {

// A writer that is killed proves no more than its last record: the agent ends it within the second of that. One that ticks
// proves its last tick.
std::string Life::take_end(const SimulatedTime& time, std::uint64_t ns) {
    const std::string text = "VM " + vm->key() + " ends at " + std::to_string(ns);
    if (vm->running()) return text + ", but it is running";
    if (end_ns != 0) return end_ns == ns ? "" : text + ", and at " + std::to_string(end_ns);
    const std::uint64_t last_ns = vm->tally().last_ns();
    if (end_unsettled(time)) {  // somewhere in the time that came twice
        if (ns > time.latest_ns() + kSecond) return text + ", which is in the future";
        end_ns = ns;
        return "";
    }
    const bool known = vm->closed() || vm->ticks();
    const std::uint64_t latest_ns = known ? vm->gone_ns() : (last_ns / kSecond + 1) * kSecond;
    const std::uint64_t earliest_ns = known ? vm->gone_ns() : last_ns + kMs;
    if (ns < earliest_ns || ns > std::max(latest_ns, last_ns + kMs)) {
        return text + ", its last record was at " + std::to_string(last_ns) + ", it was " +
               (vm->closed() ? "closed" : "killed") + " at " + std::to_string(vm->gone_ns());
    }
    end_ns = ns;
    return "";
}

bool Life::end_unsettled(const SimulatedTime& time) const {
    const std::uint64_t last_ns = vm->tally().last_ns(), gone_ns = vm->gone_ns();
    return vm->tally().rebased() || time.twice(std::min(last_ns, gone_ns), std::max(last_ns, gone_ns) + kSecond);
}

Life* life_at(const Lives& lives, std::uint64_t realtime_ns) {
    for (auto life = lives.rbegin(); life != lives.rend(); ++life) {
        if ((*life)->vm->created_ns() <= realtime_ns) return life->get();
    }
    return nullptr;
}

Life& Census::add(std::unique_ptr<SimulatedVm> vm) {
    auto life = std::make_unique<Life>();
    life->vm = std::move(vm);
    by_key_[life->vm->key()] = life.get();
    auto& lives = lives_[life->vm->vm_id()];
    lives.push_back(std::move(life));
    return *lives.back();
}

Life* Census::find(const std::string& key) {
    auto at = by_key_.find(key);
    return at == by_key_.end() ? nullptr : at->second;
}

}  // namespace ringside::simulation
