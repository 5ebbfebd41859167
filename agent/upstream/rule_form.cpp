#include "agent/upstream/rule_form.h"

#include <algorithm>

#include "agent/upstream/rule_merge.h"

namespace ringside::agent {
namespace {

constexpr std::size_t kFormsMax = 64;  // of one rule that are told apart

bool same_form(const MetricInfo& a, const MetricInfo& b) {
    return a.kind == b.kind && a.histogram_scale == b.histogram_scale && a.bucket_first == b.bucket_first &&
           a.bucket_count == b.bucket_count;
}

Kind made_kind(const Rule& rule, const MetricInfo& metric) {
    return rule.operation == RuleOperation::kCount || is_gauge(metric.kind) ? Kind::kGauge : metric.kind;
}

}  // namespace

MetricInfo made_of(const Rule& rule, const MetricInfo& metric) {
    MetricInfo made;
    made.name = rule.name;
    made.label_names = rule.by;
    made.kind = made_kind(rule, metric);
    if (rule.operation == RuleOperation::kCount) return made;
    made.unit = metric.unit;
    made.help = metric.help;
    if (made.kind != Kind::kHistogram) return made;
    made.histogram_scale = metric.histogram_scale;
    made.bucket_first = metric.bucket_first;
    made.bucket_count = metric.bucket_count;
    return made;
}

bool fits(const MetricInfo& made, const MetricInfo& into) {
    return made.kind == into.kind && (made.kind != Kind::kHistogram || merges_into(made, into));
}

bool fits(const Rule& rule, const MetricInfo& metric, const MetricInfo& into) {
    // What is made of a histogram has its buckets.
    return made_kind(rule, metric) == into.kind && (into.kind != Kind::kHistogram || merges_into(metric, into));
}

void FormVotes::add(std::uint32_t vm, const MetricInfo& made) {
    if (now_ && fits(made, *now_)) {
        fitting_ += fitting_vm_ == vm ? 0 : 1;
        fitting_vm_ = vm;
        return;
    }
    for (Vote& vote : votes_) {
        if (!same_form(vote.made, made)) continue;
        vote.count += vote.vm == vm ? 0 : 1;
        vote.vm = vm;
        return;
    }
    if (votes_.size() < kFormsMax) {
        votes_.push_back({made, 1, vm});
        return;
    }
    for (Vote& vote : votes_) --vote.count;
    std::erase_if(votes_, [](const Vote& vote) { return vote.count == 0; });
}

std::optional<MetricInfo> FormVotes::chosen() const {
    auto most =
        std::max_element(votes_.begin(), votes_.end(), [](const Vote& a, const Vote& b) { return a.count < b.count; });
    if (most == votes_.end() || (now_ && most->count <= fitting_)) return now_;
    return most->made;
}

}  // namespace ringside::agent
