#include "tests/simulation/exits.h"

#include <utility>

#include "tests/simulation/simulated_time.h"

namespace ringside::simulation {

Exits::Exits(std::string receiver, Census& census, Findings& findings)
    : receiver_(std::move(receiver)), census_(census), findings_(findings) {}

bool Exits::is_exit(const agent::LabelSet& labels) {
    return agent::label_value(labels, agent::kNameLabel) == "ringside_vm_exit";
}

void Exits::take(const agent::WireSample& sample, Life* life, std::uint64_t run) {
    const std::string text =
        receiver_ + ": " + agent::label_text(*sample.labels) + " at " + std::to_string(sample.timestamp_ms);
    if (!life) return findings_.add(Fault::kInvented, text + ": no VM lived then");
    if (auto wrong = life->take_end(static_cast<std::uint64_t>(sample.timestamp_ms) * kMs); !wrong.empty()) {
        return findings_.add(Fault::kInvented, text + ": " + wrong);
    }
    // One whose mapping went without a word: nobody tells the agent why.
    const SimulatedVm& vm = *life->vm;
    const std::string cause = vm.closed() ? "closed" : "killed";
    const std::string code = vm.closed() ? std::to_string(vm.close_code()) : "";
    if (agent::label_value(*sample.labels, "cause") != cause || agent::label_value(*sample.labels, "code") != code ||
        !agent::label_value(*sample.labels, "signal").empty() || sample.value != 1) {
        findings_.add(Fault::kInvented, text + ": the VM was " + cause + " " + code);
    }
    auto [at, first] = exits_.try_emplace(life, Exit{sample.timestamp_ms, 0});
    if (!first && at->second.acked_run == run) {
        findings_.add(Fault::kDoubled, text + ": acknowledged to this run");
    }
}

void Exits::acknowledge(const agent::WireSample& sample, const Life* life, std::uint64_t run) {
    auto at = exits_.find(life);
    if (at != exits_.end() && at->second.at_ms == sample.timestamp_ms) at->second.acked_run = run;
}

void Exits::check_all_ended() {
    for (const auto& [vm_id, lives] : census_.all()) {
        for (const auto& life : lives) {
            if (life->vm->running() || exits_.contains(life.get())) continue;
            findings_.add(Fault::kLost, receiver_ + ": how VM " + life->vm->key() + " ended");
        }
    }
}

}  // namespace ringside::simulation
