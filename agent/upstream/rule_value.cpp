#include "agent/upstream/rule_value.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "agent/base/clock.h"

namespace ringside::agent {
namespace {

double as_double(std::uint64_t bits) { return std::bit_cast<double>(bits); }

// At `i`, 0 where there are no buckets yet.
std::uint64_t bucket(const RuleTotal& total, std::size_t i) { return i < total.buckets.size() ? total.buckets[i] : 0; }

Added fit(std::uint64_t total, std::uint64_t more) {
    if (more > kRuleIncreaseMax) return Added::kNoNumber;
    return total + more <= kRuleTotalMax ? Added::kAdded : Added::kFull;
}

Added add_f64(const RuleTotal& now, const RuleTotal& before, RuleTotal& to) {
    const double more = as_double(now.value) - as_double(before.value), sum = as_double(to.value) + more;
    if (!std::isfinite(more) || more > static_cast<double>(kRuleIncreaseMax)) return Added::kNoNumber;
    if (sum > static_cast<double>(kRuleTotalMax)) return Added::kFull;
    if (more > 0) to.value = std::bit_cast<std::uint64_t>(sum);
    return Added::kAdded;
}

Added add_histogram(const RuleTotal& now, const RuleTotal& before, RuleTotal& to) {
    const double sum = to.sum + (now.sum - before.sum);
    if (!std::isfinite(sum)) return Added::kNoNumber;
    Added added = fit(to.count, minus(now.count, before.count));
    for (std::size_t i = 0; i < now.buckets.size() && added == Added::kAdded; ++i) {
        added = fit(bucket(to, i), minus(now.buckets[i], bucket(before, i)));
    }
    if (added != Added::kAdded) return added;
    to.sum = sum;
    to.count += minus(now.count, before.count);
    to.buckets.resize(now.buckets.size());
    for (std::size_t i = 0; i < now.buckets.size(); ++i) {
        to.buckets[i] += minus(now.buckets[i], bucket(before, i));
    }
    return Added::kAdded;
}

}  // namespace

std::optional<RuleTotal> total_at(const MetricInfo& metric, const SeriesData& data, std::size_t at) {
    RuleTotal total;
    if (metric.kind != Kind::kHistogram) {
        if (data.value.size() != data.size()) return std::nullopt;
        total.value = data.value[at];
        return total;
    }
    const std::size_t stride = std::size_t{metric.bucket_count} + 1;
    const bool has_all = data.count.size() == data.size() && data.sum.size() == data.size();
    if (!has_all || data.buckets.size() != data.size() * stride) return std::nullopt;
    total.count = data.count[at];
    total.sum = data.sum[at];
    total.buckets.assign(data.buckets.begin() + static_cast<std::ptrdiff_t>(at * stride),
                         data.buckets.begin() + static_cast<std::ptrdiff_t>((at + 1) * stride));
    return total;
}

bool grown(Kind kind, const RuleTotal& now, const RuleTotal& before) {
    if (kind == Kind::kHistogram) return now.count >= before.count;
    if (kind == Kind::kCounterF64) return !(as_double(now.value) < as_double(before.value));
    return now.value >= before.value;
}

Added add_increase(Kind kind, const RuleTotal& now, const RuleTotal& before, RuleTotal& to) {
    if (kind == Kind::kHistogram) return add_histogram(now, before, to);
    if (kind == Kind::kCounterF64) return add_f64(now, before, to);
    const std::uint64_t more = minus(now.value, before.value);
    const Added added = fit(to.value, more);
    if (added == Added::kAdded) to.value += more;
    return added;
}

}  // namespace ringside::agent
