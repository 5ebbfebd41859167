// Classic histograms (_bucket, _count, _sum) as native ones with custom bounds.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "agent/promql/value/number.h"
#include "tests/promql/storage.h"

namespace ringside::agent::promql::script {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// What is known of one histogram at one time.
struct Parts {
    std::map<double, double> buckets;  // cumulative counts by upper bound
    std::optional<double> count;
    double sum = 0;
};

struct Part {
    std::string base;  // the histogram's name
    enum class Kind { kNone, kBucket, kCount, kSum } kind = Kind::kNone;
};

Part part_of(std::string_view name) {
    using Kind = Part::Kind;
    for (const auto& [suffix, kind] : {std::pair<std::string_view, Kind>{"_bucket", Kind::kBucket},
                                       {"_sum", Kind::kSum},
                                       {"_count", Kind::kCount}}) {
        if (name.ends_with(suffix)) return {std::string(name.substr(0, name.size() - suffix.size())), kind};
    }
    return {};
}

Result<HistogramPtr> convert(Parts parts) {
    if (!parts.count && parts.buckets.empty())
        return error(Code::kInvalid, "a histogram has neither count nor buckets");
    const double count = parts.count ? *parts.count : parts.buckets.rbegin()->second;
    parts.buckets.try_emplace(kInfinity, count);
    auto histogram = std::make_shared<FloatHistogram>();
    histogram->schema = kCustomSchema;
    histogram->count = count;
    histogram->sum = parts.sum;
    double before = 0;
    std::int32_t index = 0;
    for (const auto& [upper, cumulative] : parts.buckets) {
        if (cumulative < before) return error(Code::kInvalid, "the buckets of a histogram are not cumulative");
        histogram->positive.push_back({index++, cumulative - before});
        before = cumulative;
        if (upper != kInfinity) histogram->custom_bounds.push_back(upper);
    }
    if (before != count) return error(Code::kInvalid, "the count of a histogram is not that of its last bucket");
    histogram->compact();
    return HistogramPtr(std::move(histogram));
}

}  // namespace

Result<std::vector<LoadedSeries>> with_custom_buckets(const Load& load) {
    std::map<Labels, std::map<std::size_t, Parts>> histograms;  // by series, then by sample
    for (const LoadedSeries& loaded : load.series) {
        const Labels& labels = loaded.series.labels;
        const Part part = part_of(labels.metric_name());
        if (part.kind == Part::Kind::kNone) continue;
        std::optional<double> upper;
        if (part.kind == Part::Kind::kBucket) {
            upper = parse_number(labels.get(kBucketLabel));
            if (!upper || std::isnan(*upper)) continue;
        }
        LabelsBuilder builder(labels);
        builder.set(kNameLabel, part.base);
        builder.erase(kBucketLabel);
        auto& by_sample = histograms[builder.labels()];
        for (std::size_t i = 0; i < loaded.series.values.size(); ++i) {
            const SequenceValue& value = loaded.series.values[i];
            if (value.omitted || value.histogram) continue;
            Parts& parts = by_sample[i];
            if (part.kind == Part::Kind::kBucket) parts.buckets.try_emplace(*upper, value.value);
            if (part.kind == Part::Kind::kCount) parts.count = value.value;
            if (part.kind == Part::Kind::kSum) parts.sum = value.value;
        }
    }
    std::vector<LoadedSeries> converted;
    for (auto& [labels, by_sample] : histograms) {
        LoadedSeries series{{labels, {}}, {}};
        for (auto& [i, parts] : by_sample) {
            series.series.values.resize(i + 1, SequenceValue{true, 0, nullptr, false});
            auto histogram = convert(std::move(parts));
            if (!histogram) return error(Code::kInvalid, labels.text() + ": " + histogram.error().context);
            series.series.values[i] = {false, 0, std::move(*histogram), false};
        }
        converted.push_back(std::move(series));
    }
    return converted;
}

}  // namespace ringside::agent::promql::script
