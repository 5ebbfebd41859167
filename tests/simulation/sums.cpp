#include "tests/simulation/sums.h"

#include <cstdlib>
#include <utility>

namespace ringside::simulation {
namespace {

agent::Rule rule(const std::string& name, const std::string& metric, agent::RuleOperation operation) {
    auto pattern = agent::Pattern::parse(metric);
    if (!pattern) std::abort();
    return {name, {*pattern}, {"n"}, operation};
}

// What all VMs together have recorded of the series, less the late counter's where it is not asked for.
double recorded(const Census& census, const agent::LabelSet& labels) {
    const std::string_view name = agent::label_value(labels, agent::kNameLabel);
    const bool late = agent::label_value(labels, "n") == "1";
    double sum = 0;
    for (const auto& [vm_id, lives] : census.all()) {
        for (const auto& life : lives) {
            const Tally& tally = life->vm->tally();
            const Columns histogram = tally.most(SeriesOf::kHistogram);
            if (name == "sim:requests_total") {
                sum += static_cast<double>(tally.most(late ? SeriesOf::kLateCounter : SeriesOf::kCounter).value);
            } else if (name == "sim:io_seconds_sum") {
                sum += histogram.sum;
            } else if (name == "sim:io_seconds_count") {
                sum += static_cast<double>(histogram.count);
            } else {
                const double le = std::strtod(std::string(agent::label_value(labels, "le")).c_str(), nullptr);
                for (std::size_t i = 0; i < kObservations.size(); ++i)
                    sum += kObservations[i] <= le ? static_cast<double>(histogram.observed[i]) : 0;
            }
        }
    }
    return sum;
}

}  // namespace

Sums::Sums(std::string receiver, Findings& findings, const SimulatedTime& time)
    : receiver_(std::move(receiver)), findings_(findings), time_(time) {}

std::vector<agent::Rule> Sums::rules() {
    return {rule("sim:requests_total", "sim_requests_total", agent::RuleOperation::kSum),
            rule("sim:io_seconds", "sim_io_seconds", agent::RuleOperation::kMerge)};
}

bool Sums::is_sum(const agent::LabelSet& labels) {
    return agent::label_value(labels, agent::kNameLabel).starts_with("sim:");
}

void Sums::take(const agent::WireSample& sample, bool forgotten) {
    ++findings_.tried["samples of rules"];
    const std::string text = receiver_ + ": " + agent::label_text(*sample.labels) + " at " +
                             std::to_string(sample.timestamp_ms) + " = " + std::to_string(sample.value);
    if (agent::is_stale(sample)) return findings_.add(Fault::kInvented, text + ": rules have no stale markers");
    Newest& newest = totals_[*sample.labels];
    const bool clear = time_.steps_back() == 0;  // else they may have begun anew
    if (clear && sample.timestamp_ms < newest.at_ms) {
        if (!forgotten) findings_.add(Fault::kDisorder, text + ", which is older than " + std::to_string(newest.at_ms));
        return;
    }
    if (clear && sample.timestamp_ms == newest.at_ms && sample.value != newest.value) {
        findings_.add(Fault::kInvented, text + ", and was " + std::to_string(newest.value));
    }
    if (clear && sample.value < newest.value) {
        findings_.add(Fault::kLost, text + ": it falls from " + std::to_string(newest.value));
    }
    newest = {sample.timestamp_ms, sample.value};
}

std::string Sums::difference(const Census& census, bool some_lost) const {
    if (totals_.empty() && !census.all().empty()) return receiver_ + " has no sample of a rule";
    for (const auto& [labels, newest] : totals_) {
        const double all = recorded(census, labels);
        if (newest.value == all || (some_lost && newest.value < all)) continue;
        return receiver_ + ": " + agent::label_text(labels) + " is " + std::to_string(newest.value) +
               ", recorded was " + std::to_string(all);
    }
    return "";
}

}  // namespace ringside::simulation
