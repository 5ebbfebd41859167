#include "agent/upstream/rule_totals.h"

#include <algorithm>
#include <bit>

#include "agent/upstream/rollup_plan.h"
#include "agent/upstream/rollup_plans.h"
#include "agent/upstream/rule_merge.h"
#include "agent/upstream/vm_reader.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

bool is_counter(Kind kind) { return kind == Kind::kCounter || kind == Kind::kCounterF64; }
bool is_gauge(Kind kind) { return kind == Kind::kGauge || kind == Kind::kLevel; }
bool is_cumulative(const MetricInfo& metric) { return is_counter(metric.kind) || metric.kind == Kind::kHistogram; }

bool suits(RuleOperation operation, Kind kind) {
    switch (operation) {
        case RuleOperation::kSum: return is_counter(kind) || is_gauge(kind);
        case RuleOperation::kMin:
        case RuleOperation::kMax: return is_gauge(kind);
        case RuleOperation::kCount: return true;
        case RuleOperation::kMerge: return kind == Kind::kHistogram;
    }
    return false;
}

// What a rule makes of a metric.
MetricInfo made_of(const Rule& rule, const MetricInfo& metric) {
    MetricInfo made;
    made.name = rule.name;
    made.label_names = rule.by;
    made.max_series = kRuleSeriesMax;
    made.kind = Kind::kGauge;
    if (rule.operation == RuleOperation::kCount) return made;
    made.unit = metric.unit;
    made.help = metric.help;
    if (is_gauge(metric.kind)) return made;
    made.kind = metric.kind;
    made.histogram_scale = metric.histogram_scale;
    made.bucket_first = metric.bucket_first;
    made.bucket_count = metric.bucket_count;
    return made;
}

// What a series of this form takes once its windows are full: ends, and the columns.
std::size_t numbers_of(const MetricInfo& made) {
    const std::size_t columns = made.kind == Kind::kHistogram ? std::size_t{made.bucket_count} + 4 : 2;
    return columns * kRuleWindowsMax;
}

std::uint32_t columns_of(Kind kind) {
    if (is_counter(kind)) return kColumnValue;
    if (kind == Kind::kHistogram) return kColumnCount | kColumnSum | kColumnBuckets;
    return kind == Kind::kInfo ? 0 : kColumnLast | kColumnMin | kColumnMax;
}

// The total at one point; nothing where the tier does not keep it.
std::optional<RuleTotal> total_at(const MetricInfo& metric, const SeriesData& data, std::size_t at) {
    RuleTotal total;
    if (is_counter(metric.kind)) {
        if (data.value.size() != data.size()) return std::nullopt;
        total.value = data.value[at];
        return total;
    }
    const std::size_t stride = std::size_t{metric.bucket_count} + 1;
    if (data.count.size() != data.size() || data.buckets.size() != data.size() * stride) return std::nullopt;
    total.count = data.count[at];
    if (data.sum.size() == data.size()) total.sum = data.sum[at];
    total.buckets.assign(data.buckets.begin() + static_cast<std::ptrdiff_t>(at * stride),
                         data.buckets.begin() + static_cast<std::ptrdiff_t>((at + 1) * stride));
    return total;
}

std::uint64_t grown(std::uint64_t now, std::uint64_t before) { return now > before ? now - before : 0; }

double as_double(std::uint64_t bits) { return std::bit_cast<double>(bits); }

void add_increase(Kind kind, const RuleTotal& now, const RuleTotal& before, RuleTotal& to) {
    if (kind == Kind::kCounter) {
        to.value += grown(now.value, before.value);
    } else if (kind == Kind::kCounterF64) {
        const double increase = as_double(now.value) - as_double(before.value);
        if (increase > 0) to.value = std::bit_cast<std::uint64_t>(as_double(to.value) + increase);
    } else {
        to.count += grown(now.count, before.count);
        to.sum += now.sum - before.sum;
        to.buckets.resize(now.buckets.size());
        for (std::size_t i = 0; i < now.buckets.size(); ++i) {
            to.buckets[i] += grown(now.buckets[i], i < before.buckets.size() ? before.buckets[i] : 0);
        }
    }
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

class MadeSource : public SeriesSource {
  public:
    VmInfo info;
    std::shared_ptr<SchemaInfo> layout = std::make_shared<SchemaInfo>();
    std::vector<SeriesInfo> list;
    std::vector<SeriesData> data;

    VmInfo vm() const override { return info; }
    std::shared_ptr<const SchemaInfo> schema() const override { return layout; }
    Result<std::vector<SeriesInfo>> series() const override { return list; }
    Result<SeriesData> read(std::uint32_t index, const ReadRequest& request) const override {
        if (index >= data.size() || request.tier != 0) return error(Code::kInvalid, "no such series");
        const SeriesData& all = data[index];
        const std::size_t stride = all.size() == 0 ? 0 : all.buckets.size() / all.size();
        SeriesData some;
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (all.end_ns[i] <= request.begin_ns || all.end_ns[i] > request.end_ns) continue;
            some.end_ns.push_back(all.end_ns[i]);
            some.flags.push_back(0);
            if (!all.value.empty()) some.value.push_back(all.value[i]);
            if (!all.last.empty()) some.last.push_back(all.last[i]);
            if (!all.count.empty()) some.count.push_back(all.count[i]);
            if (!all.sum.empty()) some.sum.push_back(all.sum[i]);
            const auto first = all.buckets.begin() + static_cast<std::ptrdiff_t>(i * stride);
            some.buckets.insert(some.buckets.end(), first, first + static_cast<std::ptrdiff_t>(stride));
        }
        return some;
    }
};

template <typename Column>
void cut_front(Column& column, std::size_t count) {
    column.erase(column.begin(), column.begin() + static_cast<std::ptrdiff_t>(std::min(count, column.size())));
}

}  // namespace

RuleTotals::RuleTotals(std::vector<Rule> rules, std::uint32_t resolution_s, RuleState state)
    : rules_(std::move(rules)), resolution_ns_(resolution_s * kNsPerSecond), state_(std::move(state)) {
    for (std::size_t i = 0; i < state_.series.size(); ++i) {
        places_.emplace(std::pair(state_.series[i].rule, state_.series[i].values), i);
        numbers_ += numbers_of(*state_.metrics[state_.series[i].rule]);
    }
}

void RuleTotals::compute(std::uint64_t end_ns, const std::vector<UpstreamSource>& vms) {
    Values values;
    std::set<std::string> listed;
    for (const UpstreamSource& vm : vms) {
        listed.insert(vm.key);
        take_vm(vm, end_ns, values);
    }
    close_window(end_ns, values);
    // One that comes back later must not be counted again from its begin.
    const std::uint64_t held_ns = kRuleWindowsMax * resolution_ns_;
    std::erase_if(state_.members, [&](const auto& member) {
        return !listed.contains(member.first) && member.second.included_ns + held_ns <= end_ns;
    });
    state_.computed_ns = end_ns;
    ++stats_.windows;
}

void RuleTotals::take_vm(const UpstreamSource& vm, std::uint64_t end_ns, Values& values) {
    const VmInfo info = vm.source->vm();
    const std::shared_ptr<const SchemaInfo> schema = vm.source->schema();
    if (info.state == VmState::kProvisioned || !schema || schema->tiers.empty() || begun_ns(info) >= end_ns) return;
    const bool final = info.state == VmState::kDrained && info.ended_ns <= end_ns;
    auto [at, unknown] = state_.members.try_emplace(vm.key);
    RuleMember& member = at->second;
    // One that ended before the rules began, or was known once and has been forgotten since.
    const bool too_early = info.ended_ns <= state_.began_ns;
    const bool forgotten = unknown && info.ended_ns + kRuleWindowsMax * resolution_ns_ <= state_.computed_ns;
    if (info.ended_ns != 0 && (too_early || forgotten)) {
        member.done = true;
        member.included_ns = end_ns;
    }
    if (member.done || member.included_ns >= end_ns) return;
    Result<std::vector<SeriesInfo>> series = vm.source->series();
    std::optional<std::vector<Reading>> readings;
    if (series.ok()) readings = read(*vm.source, *series, member, end_ns, final);
    if (!readings) return;  // another time, with all that has come together until then
    const bool first = member.included_ns == 0;
    const std::uint64_t expected_ns = first ? std::max(begun_ns(info), state_.began_ns) : member.included_ns;
    if (expected_ns + resolution_ns_ < end_ns) ++stats_.late_vms;
    const auto facts = facts_of(info, *schema, *series);
    const bool lives = info.ended_ns == 0 || info.ended_ns >= end_ns;
    for (const Reading& reading : *readings) {
        const MetricInfo& metric = schema->metrics[reading.series.metric];
        const SeriesData& data = reading.data;
        // What was counted before the rules began is the zero to count from (G4).
        RuleTotal before = member.totals[reading.series.index];
        for (std::size_t i = 0; first && is_cumulative(metric) && i < data.size(); ++i) {
            if (data.end_ns[i] > state_.began_ns) break;
            if (auto total = total_at(metric, data, i)) before = *total;
        }
        for (std::uint32_t rule = 0; rule < rules_.size(); ++rule) {
            const RuleOperation operation = rules_[rule].operation;
            if (!rules_[rule].takes(metric.name)) continue;
            auto to = place(rule, metric, values_of(rules_[rule], metric, reading.series, facts), end_ns);
            if (!to) {
                ++stats_.series_left_out;
            } else if (operation == RuleOperation::kCount) {
                values[*to] += lives ? 1 : 0;
            } else if (is_cumulative(metric)) {
                take_increase(metric, reading, before, state_.series[*to]);
            } else {
                take_gauge(operation, data, end_ns, *to, values);
            }
        }
        auto newest = is_cumulative(metric) && data.size() > 0 ? total_at(metric, data, data.size() - 1) : std::nullopt;
        member.totals[reading.series.index] = newest ? std::move(*newest) : std::move(before);
    }
    member.included_ns = end_ns;
    member.done = final;
    if (final) member.totals.clear();
}

// Series that a rule takes, with their windows from the one before the last that was taken in. None: not to be read now.
std::optional<std::vector<RuleTotals::Reading>> RuleTotals::read(const SeriesSource& source,
                                                                 const std::vector<SeriesInfo>& series,
                                                                 const RuleMember& member, std::uint64_t end_ns,
                                                                 bool final) const {
    const std::shared_ptr<const SchemaInfo> schema = source.schema();
    ReadRequest request;
    request.tier = tier_of(*schema, static_cast<std::uint32_t>(resolution_ns_ / kNsPerSecond));
    request.begin_ns = member.included_ns > resolution_ns_ ? member.included_ns - resolution_ns_ : 0;
    request.end_ns = final ? UINT64_MAX : end_ns;
    request.open_window = final;
    std::vector<Reading> readings;
    for (const SeriesInfo& one : series) {
        if (one.metric >= schema->metrics.size()) continue;
        const MetricInfo& metric = schema->metrics[one.metric];
        if (std::none_of(rules_.begin(), rules_.end(), [&](const Rule& rule) { return rule.takes(metric.name); }))
            continue;
        Reading reading{one, {}};
        request.columns = columns_of(metric.kind);
        if (request.columns != 0) {
            Result<SeriesData> data = source.read(reading.series.index, request);
            if (!data.ok() && !lost_for_good(data.error().code)) return std::nullopt;
            if (!data.ok()) continue;
            reading.data = std::move(*data);
        }
        readings.push_back(std::move(reading));
    }
    return readings;
}

std::optional<std::size_t> RuleTotals::place(std::uint32_t rule, const MetricInfo& metric,
                                             std::vector<std::string> values, std::uint64_t end_ns) {
    if (!suits(rules_[rule].operation, metric.kind)) return std::nullopt;
    const MetricInfo made = made_of(rules_[rule], metric);
    std::optional<MetricInfo>& known = state_.metrics[rule];
    if (!known) known = made;
    if (known->kind != made.kind) return std::nullopt;
    if (made.kind == Kind::kHistogram && !merges_into(made, *known)) return std::nullopt;
    auto at = places_.find({rule, values});
    if (at != places_.end()) return at->second;
    const std::size_t numbers = numbers_of(*known);
    if (state_.series.size() >= kRuleSeriesMax || numbers_ + numbers > kRuleNumbersMax) return std::nullopt;
    numbers_ += numbers;
    RuleSeries& series = state_.series.emplace_back();
    series.rule = rule;
    series.values = values;
    series.created_ns = end_ns - resolution_ns_;
    series.total.buckets.resize(made.kind == Kind::kHistogram ? std::size_t{known->bucket_count} + 1 : 0);
    places_.emplace(std::pair(rule, std::move(values)), state_.series.size() - 1);
    return state_.series.size() - 1;
}

void RuleTotals::take_increase(const MetricInfo& metric, const Reading& reading, const RuleTotal& before,
                               RuleSeries& into) {
    if (reading.data.size() == 0) return;
    const auto newest = total_at(metric, reading.data, reading.data.size() - 1);
    if (!newest) return;
    if (metric.kind != Kind::kHistogram) return add_increase(metric.kind, *newest, before, into.total);
    const MetricInfo& made = *state_.metrics[into.rule];
    auto merged = [&](RuleTotal total) {
        if (!total.buckets.empty()) total.buckets = merged_buckets(metric, made, total.buckets);
        return total;
    };
    add_increase(metric.kind, merged(*newest), merged(before), into.total);
}

// Points of the window that ends at `end_ns`.
void RuleTotals::take_gauge(RuleOperation operation, const SeriesData& data, std::uint64_t end_ns, std::size_t to,
                            Values& values) const {
    const bool sum = operation == RuleOperation::kSum;
    const auto& column = sum ? data.last : operation == RuleOperation::kMin ? data.min : data.max;
    if (column.size() != data.size()) return;
    for (std::size_t i = 0; i < data.size(); ++i) {
        if (data.end_ns[i] + resolution_ns_ <= end_ns || (sum && data.end_ns[i] != end_ns)) continue;
        double& value = values.try_emplace(to, sum ? 0 : column[i]).first->second;
        if (sum) value += column[i];
        if (operation == RuleOperation::kMin) value = std::min(value, column[i]);
        if (operation == RuleOperation::kMax) value = std::max(value, column[i]);
    }
}

void RuleTotals::close_window(std::uint64_t end_ns, const Values& values) {
    for (std::size_t i = 0; i < state_.series.size(); ++i) {
        RuleSeries& series = state_.series[i];
        const MetricInfo& metric = *state_.metrics[series.rule];
        SeriesData& data = series.data;
        auto value = values.find(i);
        if (!is_cumulative(metric) && value == values.end()) continue;
        data.end_ns.push_back(end_ns);
        data.flags.push_back(0);
        if (is_counter(metric.kind)) {
            data.value.push_back(series.total.value);
        } else if (metric.kind == Kind::kHistogram) {
            data.count.push_back(series.total.count);
            data.sum.push_back(series.total.sum);
            data.buckets.insert(data.buckets.end(), series.total.buckets.begin(), series.total.buckets.end());
        } else {
            data.last.push_back(value->second);
        }
        if (data.size() <= kRuleWindowsMax) continue;
        const std::size_t stride = data.buckets.size() / data.size();
        for (auto* column : {&data.end_ns, &data.count, &data.value}) cut_front(*column, 1);
        for (auto* column : {&data.sum, &data.last}) cut_front(*column, 1);
        cut_front(data.flags, 1);
        cut_front(data.buckets, stride);
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
