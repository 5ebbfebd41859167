#include "tests/simulation/sums.h"

#include <cstdlib>
#include <iterator>
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

bool Sums::take(const agent::WireSample& sample, bool forgotten) {
    ++findings_.tried["samples of rules"];
    auto fault = [&](Fault kind, const std::string& what) {
        findings_.add(kind, receiver_ + ": " + agent::label_text(*sample.labels) + " at " +
                                std::to_string(sample.timestamp_ms) + " = " + std::to_string(sample.value) + what);
    };
    if (agent::is_stale(sample)) {
        fault(Fault::kInvented, ": rules have no stale markers");
        return false;
    }
    std::map<std::int64_t, double>& windows = totals_[*sample.labels];
    if (time_.steps_back() > 0) windows.clear();  // they may have begun anew
    const auto next = windows.lower_bound(sample.timestamp_ms);
    if (next != windows.end()) {
        if (!forgotten && next != std::prev(windows.end()))
            fault(Fault::kDisorder, ", which is older than " + std::to_string(windows.rbegin()->first));
        if (next->first != sample.timestamp_ms) {
            fault(Fault::kInvented, ": no such window was there before");
        } else if (next->second != sample.value) {
            fault(Fault::kInvented, ", and was " + std::to_string(next->second));
        }
        return false;
    }
    if (!windows.empty() && sample.value < windows.rbegin()->second)
        fault(Fault::kLost, ": it falls from " + std::to_string(windows.rbegin()->second));
    windows.emplace_hint(next, sample.timestamp_ms, sample.value);
    return true;
}

std::string Sums::difference(const Census& census, bool some_lost) const {
    if (totals_.empty() && !census.all().empty()) return receiver_ + " has no sample of a rule";
    for (const auto& [labels, windows] : totals_) {
        const double newest = windows.rbegin()->second;
        const double all = recorded(census, labels);
        if (newest == all || (some_lost && newest < all)) continue;
        return receiver_ + ": " + agent::label_text(labels) + " is " + std::to_string(newest) + ", recorded was " +
               std::to_string(all);
    }
    return "";
}

}  // namespace ringside::simulation
