#include "agent/upstream/rollup_plan.h"

#include <charconv>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "agent/base/bucket_bound.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

// Shortest text that reads back as the same double.
std::string number_text(double value) {
    char text[32];
    auto [end, code] = std::to_chars(text, text + sizeof text, value);
    return code == std::errc() ? std::string(text, end) : std::string();
}

// x / 2^shift, rounded down or up.
std::int64_t shift_down(std::int64_t x, int shift) { return x >> shift; }
std::int64_t shift_up(std::int64_t x, int shift) { return -((-x) >> shift); }

Family family_of(const MetricInfo& metric, FamilyType type) { return {metric.name, type, metric.help, metric.unit}; }

}  // namespace

std::uint32_t tier_of(const SchemaInfo& schema, std::uint32_t resolution_s) {
    const auto coarsest = static_cast<std::uint32_t>(schema.tiers.size() - 1);
    if (resolution_s == 0) return coarsest;
    for (std::uint32_t i = 0; i < coarsest; ++i) {
        if (schema.tiers[i].resolution_s >= resolution_s) return i;
    }
    return coarsest;
}

std::string resolution_text(std::uint32_t resolution_s) {
    constexpr std::pair<std::uint32_t, const char*> kUnits[] = {{86400, "d"}, {3600, "h"}, {60, "m"}};
    for (auto [seconds, unit] : kUnits) {
        if (resolution_s % seconds == 0) return std::to_string(resolution_s / seconds) + unit;
    }
    return std::to_string(resolution_s) + "s";
}

std::vector<BucketBound> classic_bounds(const MetricInfo& histogram) {
    const int scale = histogram.histogram_scale;
    // Entries of a point: the zero bucket, which ends at base^floor, then the buckets up to base^top.
    const std::int64_t floor = std::int64_t{histogram.bucket_first} - 1;
    const std::int64_t top = floor + histogram.bucket_count;
    auto bound = [&](std::int64_t index) {
        return BucketBound{bucket_bound(index, scale), static_cast<std::uint32_t>(index - floor + 1)};
    };
    std::vector<BucketBound> bounds;
    if (scale <= 0) {  // Every bound is a power of two.
        for (std::int64_t index = floor; index <= top; ++index) bounds.push_back(bound(index));
    } else {
        const std::int64_t first = shift_up(floor, scale), last = shift_down(top, scale);
        for (std::int64_t power = first; power <= last; ++power) {
            bounds.push_back(bound(power * (std::int64_t{1} << scale)));
        }
        if (bounds.empty() || top % (std::int64_t{1} << scale) != 0) bounds.push_back(bound(top));
    }
    // Bounds past the largest double are +Inf, which has its own bucket.
    while (!bounds.empty() && !std::isfinite(bounds.back().le)) bounds.pop_back();
    return bounds;
}

RollupPlan::RollupPlan(std::shared_ptr<const SchemaInfo> schema, const RollupChoice& choice)
    : schema_(std::move(schema)), choice_(choice), tier_(tier_of(*schema_, choice.resolution_s)) {
    const TierInfo& tier = schema_->tiers[tier_];
    resolution_ns_ = std::uint64_t{tier.resolution_s} * kNsPerSecond;
    suffix_ = ":" + resolution_text(tier.resolution_s) + "_";
    metrics_.reserve(schema_->metrics.size());
    for (const MetricInfo& metric : schema_->metrics) add_metric(metric, tier.columns);
    drop_taken_names();
    add_exit();
}

RollupPlan::RollupPlan(const RollupPlan& usual, std::uint32_t tier) : RollupPlan(usual) {
    tier_ = tier;
    resolution_ns_ = std::uint64_t{schema_->tiers[tier].resolution_s} * kNsPerSecond;
}

void RollupPlan::add_metric(const MetricInfo& metric, std::uint32_t kept) {
    MetricRollup& rollup = metrics_.emplace_back();
    if (!choice_.takes(metric)) return;
    switch (metric.kind) {
        case Kind::kCounter:
        case Kind::kCounterF64:
            if ((kept & kColumnValue) == 0) return;
            rollup.columns = kColumnValue;
            rollup.outputs.push_back(
                {metric.name, OutputValue::kCounter, add_family(family_of(metric, FamilyType::kCounter)), true, {}, 0});
            return;
        case Kind::kGauge:
        case Kind::kLevel: add_gauge(metric, kept, rollup); return;
        case Kind::kHistogram: add_histogram(metric, kept, rollup); return;
        case Kind::kInfo:
            rollup.outputs.push_back(
                {metric.name, OutputValue::kOne, add_family(family_of(metric, FamilyType::kGauge)), false, {}, 0});
            return;
    }
}

void RollupPlan::add_gauge(const MetricInfo& metric, std::uint32_t kept, MetricRollup& rollup) {
    kept &= choice_.columns;
    const bool level = metric.kind == Kind::kLevel;
    struct Part {
        std::uint32_t column;
        const char* suffix;  // null: the metric's own name
        OutputValue value;
        const char* help;
        const char* unit;  // null: the metric's own unit
    };
    const Part parts[] = {
        {kColumnLast, nullptr, OutputValue::kLast, "", nullptr},
        {kColumnMin, "min", OutputValue::kMin, "Least value of the window of: ", nullptr},
        {kColumnMax, "max", OutputValue::kMax, "Greatest value of the window of: ", nullptr},
        {kColumnSum, "sum", OutputValue::kSum,
         level ? "Value times seconds, over the window, of: " : "Sum over the window of: ", level ? "" : nullptr},
        {kColumnCount, "count", level ? OutputValue::kSeconds : OutputValue::kCount,
         level ? "Seconds of the window with a value of: " : "Observations in the window of: ", level ? "seconds" : ""},
    };
    for (const Part& part : parts) {
        if ((kept & part.column) == 0) continue;
        rollup.columns |= part.column;
        Family family = family_of(metric, FamilyType::kGauge);
        if (part.suffix != nullptr) family.name += suffix_ + part.suffix;
        family.help = part.help + (metric.help.empty() ? metric.name : metric.help);
        if (part.suffix == nullptr) family.help = metric.help;
        if (part.unit != nullptr) family.unit = part.unit;
        std::string name = family.name;
        rollup.outputs.push_back({name, part.value, add_family(std::move(family)), false, {}, 0});
    }
}

void RollupPlan::add_histogram(const MetricInfo& metric, std::uint32_t kept, MetricRollup& rollup) {
    kept &= kColumnCount | kColumnSum | kColumnBuckets;
    if ((choice_.columns & kColumnBuckets) == 0) kept &= choice_.columns;
    if ((kept & kColumnCount) == 0) kept &= kColumnSum;
    if (kept == 0) return;
    rollup.columns = kept;
    std::uint32_t family = add_family(family_of(metric, FamilyType::kHistogram));
    if (choice_.histograms.value_or(HistogramForm::kClassic) == HistogramForm::kNative &&
        (kept & kColumnBuckets) != 0) {
        families_[family].native = true;
        rollup.outputs.push_back({metric.name, OutputValue::kNative, family, true, {}, 0});
        return;
    }
    if ((kept & kColumnBuckets) != 0) {
        for (const BucketBound& bound : classic_bounds(metric)) {
            rollup.outputs.push_back(
                {metric.name + "_bucket", OutputValue::kBucket, family, true, number_text(bound.le), bound.entries});
        }
        rollup.outputs.push_back({metric.name + "_bucket", OutputValue::kCount, family, true, "+Inf", 0});
    }
    if ((kept & kColumnSum) != 0) {
        rollup.outputs.push_back({metric.name + "_sum", OutputValue::kSum, family, true, {}, 0});
    }
    if ((kept & kColumnCount) != 0) {
        rollup.outputs.push_back({metric.name + "_count", OutputValue::kCount, family, true, {}, 0});
    }
}

std::uint32_t RollupPlan::add_family(Family family) {
    families_.push_back(std::move(family));
    return static_cast<std::uint32_t>(families_.size() - 1);
}

void RollupPlan::drop_taken_names() {
    std::unordered_map<std::string, std::size_t> owners;  // name -> metric
    owners.emplace(kExitMetric, metrics_.size());         // the agent's own: no VM says how another one ended
    for (std::size_t metric = 0; metric < metrics_.size(); ++metric) {
        std::vector<RollupOutput>& outputs = metrics_[metric].outputs;
        std::erase_if(outputs, [&](const RollupOutput& output) {
            auto owner = owners.emplace(output.name, metric).first;
            if (owner->second == metric) return false;
            if (names_taken_.empty() || names_taken_.back() != output.name) {
                names_taken_.push_back(output.name);
            }
            return true;
        });
    }
}

void RollupPlan::add_exit() {
    if (!choice_.takes(kExitMetric)) return;
    exit_family_ =
        add_family({kExitMetric, FamilyType::kGauge, "1 at the end of a VM; its labels say how it ended.", ""});
}

}  // namespace ringside::agent
