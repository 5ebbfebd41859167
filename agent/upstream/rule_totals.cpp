#include "agent/upstream/rule_totals.h"

#include <algorithm>
#include <cmath>

#include "agent/base/clock.h"
#include "agent/upstream/rollup_plan.h"
#include "agent/upstream/rollup_plans.h"
#include "agent/upstream/rule_form.h"
#include "agent/upstream/rule_made.h"
#include "agent/upstream/rule_merge.h"
#include "agent/upstream/vm_reader.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

bool is_cumulative(Kind kind) { return is_counter(kind) || kind == Kind::kHistogram; }

// What a series of this form takes once its windows are full: ends, and the columns.
std::size_t numbers_of(const MetricInfo& made) {
    const std::size_t columns = made.kind == Kind::kHistogram ? std::size_t{made.bucket_count} + 4 : 2;
    return columns * kRuleWindowsMax;
}

std::size_t numbers_of(const RuleTotal& total) { return 8 + total.buckets.size(); }  // with what a map needs around it

std::uint32_t columns_of(Kind kind) {
    if (is_counter(kind)) return kColumnValue;
    if (kind == Kind::kHistogram) return kColumnCount | kColumnSum | kColumnBuckets;
    return kind == Kind::kInfo ? 0 : kColumnLast | kColumnMin | kColumnMax;
}

// Labels of the VM itself, over those of its info series.
std::map<std::string, std::string> facts_of(const VmInfo& vm, const SchemaInfo& schema,
                                            const std::vector<SeriesInfo>& series) {
    std::map<std::string, std::string> facts;
    for (const SeriesInfo& one : series) {
        if (one.metric >= schema.metrics.size() || schema.metrics[one.metric].kind != Kind::kInfo) continue;
        const std::vector<std::string>& names = schema.metrics[one.metric].label_names;
        for (std::size_t i = 0; i < names.size() && i < one.label_values.size(); ++i) {
            facts.try_emplace(names[i], one.label_values[i]);
        }
    }
    facts["vm_id"] = vm.vm_id;
    facts["component"] = vm.component;
    return facts;
}

std::vector<std::string> values_of(const Rule& rule, const MetricInfo& metric, const SeriesInfo& series,
                                   const std::map<std::string, std::string>& facts) {
    std::vector<std::string> values;
    for (const std::string& label : rule.by) {
        auto own = std::find(metric.label_names.begin(), metric.label_names.end(), label);
        const auto at = static_cast<std::size_t>(own - metric.label_names.begin());
        auto fact = facts.find(label);
        const bool vm_label = label == "vm_id" || label == "component";
        if (!vm_label && at < series.label_values.size()) {
            values.push_back(series.label_values[at]);
        } else {
            values.push_back(fact == facts.end() ? "" : fact->second);
        }
    }
    return values;
}

}  // namespace

RuleTotals::RuleTotals(std::vector<Rule> rules, std::uint32_t resolution_s, RuleState state)
    : rules_(std::move(rules)), resolution_ns_(resolution_s * kNsPerSecond), state_(std::move(state)) {
    index_series();
    for (const auto& [key, member] : state_.members) {
        for (const auto& [index, total] : member.totals) member_numbers_ += numbers_of(total);
    }
}

void RuleTotals::compute(std::uint64_t end_ns, std::uint64_t now_ns, const std::vector<UpstreamSource>& vms) {
    if (end_ns / held_ns() != state_.computed_ns / held_ns()) state_.founded.clear();  // another day
    std::set<std::string> listed;
    std::vector<Candidate> candidates;
    for (const UpstreamSource& vm : vms) {
        listed.insert(vm.key);
        if (auto one = candidate(vm, end_ns, now_ns)) candidates.push_back(std::move(*one));
    }
    choose_forms(candidates);
    Values values;
    for (Candidate& one : candidates) take_vm(one, end_ns, values);
    close_window(end_ns, values);
    forget_series([&](const RuleSeries& series) { return series.touched_ns + held_ns() <= end_ns; });
    // One that comes back later must not be counted again from its begin.
    for (auto at = state_.members.begin(); at != state_.members.end();) {
        const bool goes = !listed.contains(at->first) && at->second.included_ns + held_ns() <= end_ns;
        if (goes) forget_totals(at->second);
        at = goes ? state_.members.erase(at) : std::next(at);
    }
    state_.computed_ns = end_ns;
    ++stats_.windows;
}

// Nothing: it has no part in the window.
std::optional<RuleTotals::Candidate> RuleTotals::candidate(const UpstreamSource& vm, std::uint64_t end_ns,
                                                           std::uint64_t now_ns) {
    Candidate one{&vm, vm.source->vm(), vm.source->schema(), {}, 0, 0, false, nullptr, 0};
    if (one.info.state == VmState::kProvisioned || !one.schema || one.schema->tiers.empty()) return std::nullopt;
    // Once the clock has been set back, times of before it lie in a future that will not come.
    const std::uint64_t begun = begun_ns(one.info);
    if (one.info.rebases == 0 && begun <= now_ns) one.begun_ns = begun;
    if (one.begun_ns >= end_ns) return std::nullopt;
    one.ended_ns = one.info.ended_ns > now_ns ? end_ns : one.info.ended_ns;
    one.final = one.info.state == VmState::kDrained && one.ended_ns <= end_ns;
    auto [at, unknown] = state_.members.try_emplace(vm.key);
    one.member = &at->second;
    const bool too_early = one.ended_ns <= state_.began_ns;
    const bool forgotten = unknown && one.ended_ns + held_ns() <= state_.computed_ns;
    if (one.ended_ns != 0 && (too_early || forgotten)) {
        one.member->done = true;
        one.member->included_ns = end_ns;
    }
    if (one.member->done || one.member->included_ns >= end_ns) return std::nullopt;
    one.zero_ns = one.member->included_ns;
    if (one.zero_ns == 0) one.zero_ns = std::max(state_.began_ns, minus(state_.computed_ns, held_ns()));
    for (const MetricInfo& metric : one.schema->metrics) {
        auto& rules = one.rules_of.emplace_back();
        for (std::uint32_t rule = 0; rule < rules_.size(); ++rule) {
            if (rules_[rule].takes(metric)) rules.push_back(rule);
        }
    }
    return one;
}

void RuleTotals::choose_forms(const std::vector<Candidate>& candidates) {
    std::vector<FormVotes> votes(state_.metrics.begin(), state_.metrics.end());
    std::uint32_t number = 0;
    for (const Candidate& vm : candidates) {
        ++number;
        for (std::size_t metric = 0; metric < vm.rules_of.size(); ++metric) {
            for (std::uint32_t rule : vm.rules_of[metric]) {
                votes[rule].add(number, made_of(rules_[rule], vm.schema->metrics[metric]));
            }
        }
    }
    for (std::uint32_t rule = 0; rule < rules_.size(); ++rule) {
        std::optional<MetricInfo>& form = state_.metrics[rule];
        std::optional<MetricInfo> chosen = votes[rule].chosen();
        if (!chosen || (form && fits(*chosen, *form) && fits(*form, *chosen))) continue;
        form = std::move(chosen);
        forget_series([rule](const RuleSeries& series) { return series.rule == rule; });
    }
}

void RuleTotals::forget_series(const std::function<bool(const RuleSeries&)>& which) {
    if (std::erase_if(state_.series, which) > 0) index_series();
}

void RuleTotals::index_series() {
    places_.clear();
    numbers_ = 0;
    for (std::size_t i = 0; i < state_.series.size(); ++i) {
        const RuleSeries& series = state_.series[i];
        places_.emplace(std::pair(series.rule, series.values), i);
        numbers_ += numbers_of(*state_.metrics[series.rule]);
    }
}

void RuleTotals::take_vm(Candidate& vm, std::uint64_t end_ns, Values& values) {
    RuleMember& member = *vm.member;
    Result<std::vector<SeriesInfo>> series = vm.source->source->series();
    std::optional<std::vector<Reading>> readings;
    if (series.ok()) readings = read(vm, end_ns, *series);
    if (!readings) {  // Another time, with all that has come together until then; but not for ever.
        ++stats_.unread_vms;
        if (std::max(vm.zero_ns, vm.begun_ns) + held_ns() > end_ns) return;
        forget_totals(member);
        member.included_ns = 0;  // One that lives begins at a new zero.
        member.done = vm.info.state == VmState::kDrained;
        return;
    }
    const std::uint64_t expected_ns = member.included_ns == 0 ? std::max(vm.begun_ns, state_.began_ns) : vm.zero_ns;
    if (expected_ns + resolution_ns_ < end_ns) ++stats_.late_vms;
    const auto facts = facts_of(vm.info, *vm.schema, *series);
    for (const Reading& reading : *readings) take_series(vm, reading, facts, end_ns, values);
    member.included_ns = end_ns;
    member.done = vm.final;
    if (vm.final) forget_totals(member);
}

void RuleTotals::forget_totals(RuleMember& member) {
    for (const auto& [index, total] : member.totals) member_numbers_ -= numbers_of(total);
    member.totals.clear();
}

// Series that a rule takes, with their windows from the one before the last that was taken in. None: not to be read now.
std::optional<std::vector<RuleTotals::Reading>> RuleTotals::read(const Candidate& vm, std::uint64_t end_ns,
                                                                 const std::vector<SeriesInfo>& series) const {
    ReadRequest request;
    request.tier = tier_of(*vm.schema, static_cast<std::uint32_t>(resolution_ns_ / kNsPerSecond));
    const std::uint64_t tier_ns = vm.schema->tiers[request.tier].resolution_s * kNsPerSecond;
    // A writer that stood still before its end had its last window open all the time.
    request.begin_ns = minus(vm.final ? std::min(vm.zero_ns, vm.ended_ns) : vm.zero_ns, tier_ns);
    request.end_ns = vm.final ? UINT64_MAX : end_ns;
    request.open_window = vm.final;
    std::vector<Reading> readings;
    for (const SeriesInfo& one : series) {
        if (one.metric >= vm.rules_of.size() || vm.rules_of[one.metric].empty()) continue;
        Reading reading{one, {}};
        request.columns = columns_of(vm.schema->metrics[one.metric].kind);
        if (request.columns != 0) {
            Result<SeriesData> data = vm.source->source->read(one.index, request);
            if (!data.ok() && !lost_for_good(data.error().code)) return std::nullopt;
            if (!data.ok()) continue;
            reading.data = std::move(*data);
        }
        readings.push_back(std::move(reading));
    }
    return readings;
}

// Of a series that is new here, the total from which it counts (G4).
RuleTotal RuleTotals::zero_of(const Candidate& vm, const Reading& reading) const {
    const MetricInfo& metric = vm.schema->metrics[reading.series.metric];
    const SeriesData& data = reading.data;
    const std::uint64_t created_ns = vm.info.rebases != 0 ? 0 : std::max(reading.series.created_ns, vm.begun_ns);
    std::size_t at = 0;
    while (at < data.size() && data.end_ns[at] <= vm.zero_ns) ++at;
    // Known for long, and nothing of it has been taken in: its writer stood still.
    const bool all_seen = vm.member->included_ns != 0 && created_ns >= state_.began_ns;
    if (all_seen || (at == 0 && created_ns >= vm.zero_ns)) return {};
    if (data.size() == 0) return {};
    return total_at(metric, data, at == 0 ? 0 : at - 1).value_or(RuleTotal{});
}

void RuleTotals::take_series(Candidate& vm, const Reading& reading, const std::map<std::string, std::string>& facts,
                             std::uint64_t end_ns, Values& values) {
    const MetricInfo& metric = vm.schema->metrics[reading.series.metric];
    const bool cumulative = is_cumulative(metric.kind);
    const bool registered = reading.series.created_ns < end_ns || vm.info.rebases != 0;
    const bool lives = vm.ended_ns == 0 || vm.ended_ns >= end_ns;
    auto known = vm.member->totals.find(reading.series.index);
    const bool is_new = known == vm.member->totals.end();
    RuleTotal before = !is_new ? known->second : cumulative ? zero_of(vm, reading) : RuleTotal{};
    std::optional<RuleTotal> now;
    if (cumulative && reading.data.size() > 0) now = total_at(metric, reading.data, reading.data.size() - 1);
    // Both passes of a time that the clock has shown twice are in one ring.
    if (now && !grown(metric.kind, *now, before)) now = before;
    bool placed = false;
    for (std::uint32_t rule : vm.rules_of[reading.series.metric]) {
        const RuleOperation operation = rules_[rule].operation;
        auto to =
            cumulative && is_new && member_numbers_ >= kRuleNumbersMax
                ? std::nullopt
                : place(rule, metric, values_of(rules_[rule], metric, reading.series, facts), end_ns, vm.info.vm_id);
        bool taken = to.has_value();
        placed |= taken;
        if (taken && operation == RuleOperation::kCount) {
            values[*to] += lives && registered ? 1 : 0;
        } else if (taken && cumulative) {
            taken =
                reading.data.size() == 0 || (now && take_increase(metric, *now, before, end_ns, state_.series[*to]));
        } else if (taken) {
            taken = take_gauge(operation, reading.data, end_ns, *to, values);
        }
        stats_.series_left_out += taken ? 0 : 1;
    }
    // A series of which there is nothing yet, for its writer stands still, has its zero still to come.
    if (!cumulative || !placed || !now) return;
    if (is_new) member_numbers_ += numbers_of(*now);
    vm.member->totals[reading.series.index] = std::move(*now);
}

std::optional<std::size_t> RuleTotals::place(std::uint32_t rule, const MetricInfo& metric,
                                             std::vector<std::string> values, std::uint64_t end_ns,
                                             const std::string& vm_id) {
    const std::optional<MetricInfo>& form = state_.metrics[rule];
    if (!form || !fits(rules_[rule], metric, *form)) return std::nullopt;
    std::pair key(rule, std::move(values));
    auto at = places_.find(key);
    if (at != places_.end()) {
        state_.series[at->second].touched_ns = end_ns;
        return at->second;
    }
    const std::size_t numbers = numbers_of(*form);
    std::uint32_t& founded = state_.founded[vm_id];
    if (numbers_ + numbers > kRuleNumbersMax || founded >= kRuleSeriesPerVm) return std::nullopt;
    numbers_ += numbers;
    ++founded;
    RuleSeries& series = state_.series.emplace_back();
    series.rule = rule;
    series.values = key.second;
    series.created_ns = end_ns - resolution_ns_;
    series.touched_ns = end_ns;
    series.total.buckets.resize(form->kind == Kind::kHistogram ? std::size_t{form->bucket_count} + 1 : 0);
    places_.emplace(std::move(key), state_.series.size() - 1);
    return state_.series.size() - 1;
}

bool RuleTotals::take_increase(const MetricInfo& metric, const RuleTotal& now, const RuleTotal& before,
                               std::uint64_t end_ns, RuleSeries& into) const {
    const MetricInfo& made = *state_.metrics[into.rule];
    auto merged = [&](const RuleTotal& total) {
        RuleTotal in_form = total;
        if (!total.buckets.empty()) in_form.buckets = merged_buckets(metric, made, total.buckets);
        return in_form;
    };
    const RuleTotal newer = merged(now), older = merged(before);
    Added added = add_increase(metric.kind, newer, older, into.total);
    if (added == Added::kFull) {  // A clean reset.
        into.total = {};
        into.created_ns = end_ns - resolution_ns_;
        added = add_increase(metric.kind, newer, older, into.total);
    }
    return added == Added::kAdded;
}

// Points of the window that ends at `end_ns`. False where the tier does not keep the column.
bool RuleTotals::take_gauge(RuleOperation operation, const SeriesData& data, std::uint64_t end_ns, std::size_t to,
                            Values& values) const {
    const bool sum = operation == RuleOperation::kSum;
    const auto& column = sum ? data.last : operation == RuleOperation::kMin ? data.min : data.max;
    if (column.size() != data.size()) return false;
    for (std::size_t i = 0; i < data.size(); ++i) {
        if (data.end_ns[i] + resolution_ns_ <= end_ns || (sum && data.end_ns[i] != end_ns)) continue;
        if (!std::isfinite(column[i])) continue;
        double& value = values.try_emplace(to, sum ? 0 : column[i]).first->second;
        if (sum) value += column[i];
        if (operation == RuleOperation::kMin) value = std::min(value, column[i]);
        if (operation == RuleOperation::kMax) value = std::max(value, column[i]);
    }
    return true;
}

void RuleTotals::close_window(std::uint64_t end_ns, const Values& values) {
    for (std::size_t i = 0; i < state_.series.size(); ++i) {
        RuleSeries& series = state_.series[i];
        const Kind kind = state_.metrics[series.rule]->kind;
        SeriesData& data = series.data;
        auto value = values.find(i);
        if (!is_cumulative(kind) && value == values.end()) continue;
        data.end_ns.push_back(end_ns);
        data.flags.push_back(0);
        if (is_counter(kind)) {
            data.value.push_back(series.total.value);
        } else if (kind == Kind::kHistogram) {
            data.count.push_back(series.total.count);
            data.sum.push_back(series.total.sum);
            data.buckets.insert(data.buckets.end(), series.total.buckets.begin(), series.total.buckets.end());
        } else {
            data.last.push_back(value->second);
        }
        if (data.size() > kRuleWindowsMax) drop_oldest(data);
    }
}

std::unordered_set<std::string> RuleTotals::done() const {
    std::unordered_set<std::string> keys;
    for (const auto& [key, member] : state_.members) {
        if (member.done) keys.insert(key);
    }
    return keys;
}

std::shared_ptr<const SeriesSource> RuleTotals::source() const {
    if (state_.computed_ns == state_.began_ns) return nullptr;
    auto made = std::make_shared<MadeSource>();
    made->info.epoch = state_.epoch;
    // Not alive, and never drained: nothing but windows that have been computed is due, and there is no end.
    made->info.state = VmState::kExited;
    made->info.created_ns = state_.began_ns;
    made->info.ended_ns = state_.computed_ns;
    made->info.series_count = static_cast<std::uint32_t>(state_.series.size());
    made->layout->name = "rules";
    made->layout->tiers = {{static_cast<std::uint32_t>(resolution_ns_ / kNsPerSecond), kRuleWindowsMax, kColumnsAll}};
    std::vector<std::uint32_t> metric_of(rules_.size());
    for (std::size_t rule = 0; rule < rules_.size(); ++rule) {
        if (!state_.metrics[rule]) continue;
        metric_of[rule] = static_cast<std::uint32_t>(made->layout->metrics.size());
        made->layout->metrics.push_back(*state_.metrics[rule]);
    }
    for (const RuleSeries& series : state_.series) {
        const auto index = static_cast<std::uint32_t>(made->list.size());
        made->list.push_back({index, metric_of[series.rule], series.values, series.created_ns});
        made->data.push_back(series.data);
    }
    return made;
}

}  // namespace ringside::agent
