#include "tools/ringsidectl/query_wire.h"

#include <algorithm>
#include <utility>

#include "tools/ringsidectl/points.h"

namespace ringside::ctl {
namespace {

namespace promql = agent::promql;

agent::Error unfit(const char* what) {
    return agent::error(agent::Code::kInternal, std::string("the agent's answer ") + what +
                                                    ": it and this ringsidectl do not fit together; compare "
                                                    "`ringsidectl status` and `ringsidectl --version`");
}

template <typename Wire>
promql::Labels labels_of(const Wire& wire) {
    promql::LabelsBuilder labels;
    for (const v1::QueryLabel& label : wire.labels()) labels.set(label.name(), label.value());
    return labels.labels();
}

template <typename Indexes, typename Counts>
bool copy_buckets(const Indexes& indexes, const Counts& counts, promql::BucketCounts& to) {
    if (indexes.size() != counts.size()) return false;
    for (int i = 0; i < indexes.size(); ++i) to.push_back({indexes[i], counts[i]});
    return true;
}

Result<promql::HistogramPtr> histogram_of(const v1::QueryHistogram& wire) {
    auto histogram = std::make_shared<promql::FloatHistogram>();
    histogram->schema = wire.is_custom() ? promql::kCustomSchema : wire.scale();
    histogram->zero_threshold = wire.zero_threshold();
    histogram->zero_count = wire.zero_count();
    histogram->count = wire.count();
    histogram->sum = wire.sum();
    histogram->custom_bounds.assign(wire.custom_bounds().begin(), wire.custom_bounds().end());
    if (!copy_buckets(wire.positive_index(), wire.positive_count(), histogram->positive) ||
        !copy_buckets(wire.negative_index(), wire.negative_count(), histogram->negative)) {
        return unfit("has a histogram whose buckets and counts differ in number");
    }
    return promql::HistogramPtr(std::move(histogram));
}

agent::ReadReport report_of(const v1::QuerySelection& wire) {
    agent::ReadReport report;
    report.selector = wire.selector();
    for (const v1::QueryTier& tier : wire.tiers()) report.series_by_resolution_s[tier.resolution_s()] = tier.series();
    std::vector<std::string> known;
    for (const std::string& column : wire.columns()) {
        if (std::ranges::find(column_words(), column) != column_words().end()) known.push_back(column);
    }
    if (!known.empty()) report.columns = column_bits(known);
    report.windows = wire.windows();
    report.bytes = wire.bytes();
    report.newest_ms = wire.newest_ms();
    return report;
}

promql::QueryValue empty_value(const v1::QueryResponse& response) {
    switch (response.type()) {
        case v1::QUERY_RESULT_TYPE_SCALAR: return promql::ScalarValue{response.scalar()};
        case v1::QUERY_RESULT_TYPE_STRING: return promql::StringValue{response.text()};
        case v1::QUERY_RESULT_TYPE_MATRIX: return promql::MatrixValue{};
        default: return promql::VectorValue{};
    }
}

}  // namespace

Result<void> AnswerReader::add(const v1::QueryResponse& response) {
    if (!std::exchange(is_begun_, true)) {
        answer_ = {};
        answer_.value = empty_value(response);
        time_ms_ = response.time_ms();
    }
    is_whole_ = response.last();
    if (auto* vector = std::get_if<promql::VectorValue>(&answer_.value)) {
        for (const v1::QuerySample& wire : response.samples()) {
            promql::Sample& sample = vector->emplace_back();
            sample.labels = labels_of(wire);
            sample.value = wire.value();
            if (!wire.has_histogram()) continue;
            auto histogram = histogram_of(wire.histogram());
            if (!histogram) return histogram.error();
            sample.histogram = std::move(*histogram);
        }
    }
    if (auto* matrix = std::get_if<promql::MatrixValue>(&answer_.value)) {
        for (const v1::QuerySeries& wire : response.series()) {
            if (auto added = add_series(wire, *matrix); !added) return added;
        }
    }
    if (!is_whole_) return {};
    is_begun_ = false;
    dropped_ = response.dropped();
    answer_.warnings.assign(response.warnings().begin(), response.warnings().end());
    answer_.infos.assign(response.infos().begin(), response.infos().end());
    answer_.stats.samples_read = response.stats().samples_read();
    answer_.stats.samples_peak = response.stats().samples_peak();
    answer_.took = std::chrono::nanoseconds(response.stats().evaluation_ns());
    for (const v1::QuerySelection& wire : response.stats().selections()) answer_.reports.push_back(report_of(wire));
    return {};
}

Result<void> AnswerReader::add_series(const v1::QuerySeries& wire, promql::MatrixValue& matrix) {
    if (!wire.continued()) {
        matrix.emplace_back().labels = labels_of(wire);
    } else if (matrix.empty()) {
        return unfit("goes on with a series that did not begin");
    }
    if (wire.time_ms_size() != wire.value_size() || wire.histogram_time_ms_size() != wire.histogram_size()) {
        return unfit("has columns of different lengths");
    }
    promql::Series& series = matrix.back();
    for (int i = 0; i < wire.time_ms_size(); ++i) series.points.push_back({wire.time_ms(i), wire.value(i)});
    for (int i = 0; i < wire.histogram_size(); ++i) {
        auto histogram = histogram_of(wire.histogram(i));
        if (!histogram) return histogram.error();
        series.histograms.push_back({wire.histogram_time_ms(i), std::move(*histogram)});
    }
    return {};
}

agent::QueryAnswer AnswerReader::take() {
    is_whole_ = false;
    return std::exchange(answer_, {});
}

}  // namespace ringside::ctl
