#include "tests/simulation/exits.h"

#include <utility>

#include "tests/simulation/simulated_time.h"

namespace ringside::simulation {

namespace {

// One whose mapping went without a word: nobody tells the agent why.
bool ended_so(const agent::WireSample& sample, const SimulatedVm& vm) {
    const std::string code = vm.closed() ? std::to_string(vm.close_code()) : "";
    return agent::label_value(*sample.labels, "cause") == (vm.closed() ? "closed" : "killed") &&
           agent::label_value(*sample.labels, "code") == code && agent::label_value(*sample.labels, "signal").empty() &&
           sample.value == 1;
}

}  // namespace

Exits::Exits(std::string receiver, Census& census, Findings& findings, const SimulatedTime& time)
    : receiver_(std::move(receiver)), census_(census), findings_(findings), time_(time) {}

bool Exits::is_exit(const agent::LabelSet& labels) {
    return agent::label_value(labels, agent::kNameLabel) == "ringside_vm_exit";
}

Life* Exits::owner(const agent::WireSample& sample, Life* life) const {
    const std::uint64_t at_ns = static_cast<std::uint64_t>(sample.timestamp_ms) * kMs;
    if (time_.steps_back() == 0) return life;
    auto fits = [&](const Life& one) {
        auto exit = exits_.find(&one);
        return !one.vm->running() && ended_so(sample, *one.vm) &&
               (exit == exits_.end() || exit->second.at_ms == sample.timestamp_ms);
    };
    if (life && fits(*life) && (life->end_ns == 0 || (life->end_ns + kMs - 1) / kMs * kMs == at_ns)) return life;
    for (const auto& one : census_.of(std::string(agent::label_value(*sample.labels, "vm_id")))) {
        if (one->end_unsettled(time_) && fits(*one)) return one.get();
    }
    return life;
}

void Exits::take(const agent::WireSample& sample, Life* life, std::uint64_t run) {
    const std::string text =
        receiver_ + ": " + agent::label_text(*sample.labels) + " at " + std::to_string(sample.timestamp_ms);
    life = owner(sample, life);
    if (!life) return findings_.add(Fault::kInvented, text + ": no VM lived then");
    const std::uint64_t at_ns = static_cast<std::uint64_t>(sample.timestamp_ms) * kMs;
    if (!life->end_unsettled(time_)) {
        if (auto wrong = life->take_end(time_, at_ns); !wrong.empty())
            return findings_.add(Fault::kInvented, text + ": " + wrong);
    }
    if (!ended_so(sample, *life->vm)) findings_.add(Fault::kInvented, text + ": so did not VM " + life->vm->key());
    refused_.erase(life);
    auto [at, first] = exits_.try_emplace(life, Exit{sample.timestamp_ms, 0});
    if (!first && at->second.acked_run == run) {
        findings_.add(Fault::kDoubled, text + ": acknowledged to this run");
    }
}

void Exits::acknowledge(const agent::WireSample& sample, Life* life, std::uint64_t run) {
    auto at = exits_.find(owner(sample, life));
    if (at != exits_.end() && at->second.at_ms == sample.timestamp_ms) at->second.acked_run = run;
}

void Exits::refuse(const agent::WireSample& sample, Life* life) { refused_.insert(owner(sample, life)); }

void Exits::check_all_ended() {
    for (const auto& [vm_id, lives] : census_.all()) {
        for (const auto& life : lives) {
            if (life->vm->running() || exits_.contains(life.get())) continue;
            if (life->end_unsettled(time_) || refused_.contains(life.get())) continue;
            findings_.add(Fault::kLost, receiver_ + ": how VM " + life->vm->key() + " ended");
        }
    }
}

}  // namespace ringside::simulation
