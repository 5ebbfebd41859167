#include "agent/api/query_messages.h"

#include <algorithm>

#include "agent/api/services.h"
#include "agent/base/columns.h"
#include "agent/base/text.h"

namespace ringside::agent {
namespace {

// On the wire: a time and a value with what frames them.
constexpr std::size_t kPointBytes = 18;

std::size_t histogram_bytes(const promql::FloatHistogram& histogram) {
    return 48 + 13 * (histogram.positive.size() + histogram.negative.size()) + 8 * histogram.custom_bounds.size();
}

std::size_t labels_bytes(const promql::Labels& labels) {
    std::size_t bytes = 32;
    for (const auto& label : labels.set()) bytes += 8 + label.name.size() + label.value.size();
    return bytes;
}

template <typename Out>
void to_wire(const promql::Labels& labels, Out* out) {
    for (const auto& label : labels.set()) {
        v1::QueryLabel* wire = out->add_labels();
        wire->set_name(clean_utf8(label.name));
        wire->set_value(clean_utf8(label.value));
    }
}

void to_wire(const ReadReport& report, std::int64_t now_ms, v1::QuerySelection* out) {
    out->set_selector(report.selector);
    for (const auto& [resolution_s, series] : report.series_by_resolution_s) {
        v1::QueryTier* tier = out->add_tiers();
        tier->set_resolution_s(resolution_s);
        tier->set_series(series);
    }
    for (const std::string& column : column_names(report.columns)) out->add_columns(column);
    out->set_windows(report.windows);
    out->set_bytes(report.bytes);
    if (report.newest_ms == 0) return;
    out->set_newest_ms(report.newest_ms);
    out->set_newest_age_ms(std::max<std::int64_t>(0, now_ms - report.newest_ms));
}

v1::QueryResultType type_of(const promql::QueryValue& value) {
    if (std::holds_alternative<promql::ScalarValue>(value)) return v1::QUERY_RESULT_TYPE_SCALAR;
    if (std::holds_alternative<promql::StringValue>(value)) return v1::QUERY_RESULT_TYPE_STRING;
    if (std::holds_alternative<promql::VectorValue>(value)) return v1::QUERY_RESULT_TYPE_VECTOR;
    return v1::QUERY_RESULT_TYPE_MATRIX;
}

}  // namespace

void to_wire(const promql::FloatHistogram& histogram, v1::QueryHistogram* out) {
    out->set_count(histogram.count);
    out->set_sum(histogram.sum);
    out->set_is_custom(histogram.uses_custom_bounds());
    if (!histogram.uses_custom_bounds()) out->set_scale(histogram.schema);
    out->set_zero_threshold(histogram.zero_threshold);
    out->set_zero_count(histogram.zero_count);
    for (const promql::BucketCount& bucket : histogram.positive) {
        out->add_positive_index(bucket.index);
        out->add_positive_count(bucket.count);
    }
    for (const promql::BucketCount& bucket : histogram.negative) {
        out->add_negative_index(bucket.index);
        out->add_negative_count(bucket.count);
    }
    out->mutable_custom_bounds()->Add(histogram.custom_bounds.begin(), histogram.custom_bounds.end());
}

std::size_t answer_bytes(const QueryAnswer& answer) {
    std::size_t bytes = 256;
    for (const std::string& text : answer.warnings) bytes += text.size();
    for (const std::string& text : answer.infos) bytes += text.size();
    if (const auto* vector = std::get_if<promql::VectorValue>(&answer.value)) {
        for (const promql::Sample& sample : *vector) {
            bytes += sizeof sample + labels_bytes(sample.labels);
            if (sample.histogram) bytes += histogram_bytes(*sample.histogram);
        }
    } else if (const auto* matrix = std::get_if<promql::MatrixValue>(&answer.value)) {
        for (const promql::Series& series : *matrix) {
            bytes += sizeof series + labels_bytes(series.labels) + sizeof(promql::Point) * series.points.size();
            for (const promql::HistogramPoint& point : series.histograms) {
                bytes += sizeof point + histogram_bytes(*point.value);
            }
        }
    } else if (const auto* text = std::get_if<promql::StringValue>(&answer.value)) {
        bytes += text->value.size();
    }
    return bytes;
}

bool QueryMessages::next(v1::QueryResponse* out) {
    if (done_) return false;
    out->set_type(type_of(answer_.value));
    out->set_time_ms(time_ms_);
    if (const auto* scalar = std::get_if<promql::ScalarValue>(&answer_.value)) {
        out->set_scalar(scalar->value);
        finish(out);
    } else if (const auto* text = std::get_if<promql::StringValue>(&answer_.value)) {
        out->set_text(clean_utf8(text->value));
        finish(out);
    } else if (const auto* vector = std::get_if<promql::VectorValue>(&answer_.value)) {
        add_samples(*vector, out);
    } else {
        add_series(std::get<promql::MatrixValue>(answer_.value), out);
    }
    return true;
}

void QueryMessages::add_samples(const promql::VectorValue& vector, v1::QueryResponse* out) {
    for (std::size_t bytes = 0; next_ < vector.size(); ++next_) {
        if (bytes >= kMessageBytes) return;
        const promql::Sample& sample = vector[next_];
        v1::QuerySample* wire = out->add_samples();
        to_wire(sample.labels, wire);
        bytes += labels_bytes(sample.labels) + kPointBytes;
        if (sample.histogram) {
            to_wire(*sample.histogram, wire->mutable_histogram());
            bytes += histogram_bytes(*sample.histogram);
        } else {
            wire->set_value(sample.value);
        }
    }
    finish(out);
}

void QueryMessages::add_series(const promql::MatrixValue& matrix, v1::QueryResponse* out) {
    for (std::size_t bytes = 0; next_ < matrix.size(); ++next_) {
        if (bytes >= kMessageBytes) return;
        const promql::Series& series = matrix[next_];
        v1::QuerySeries* wire = out->add_series();
        if (next_point_ + next_histogram_ == 0) {
            to_wire(series.labels, wire);
            bytes += labels_bytes(series.labels);
        } else {
            wire->set_continued(true);
        }
        bytes += add_points(series, kMessageBytes > bytes ? kMessageBytes - bytes : 0, wire);
        if (next_point_ < series.points.size() || next_histogram_ < series.histograms.size()) return;
        next_point_ = next_histogram_ = 0;
    }
    finish(out);
}

// At least one of them, then as many as fit; how many bytes they take. Floats first: a reader puts both kinds together
// by their times.
std::size_t QueryMessages::add_points(const promql::Series& series, std::size_t room, v1::QuerySeries* out) {
    std::size_t bytes = 0;
    for (; next_point_ < series.points.size() && bytes <= room; ++next_point_, bytes += kPointBytes) {
        out->add_time_ms(series.points[next_point_].time_ms);
        out->add_value(series.points[next_point_].value);
    }
    for (; next_histogram_ < series.histograms.size() && bytes <= room; ++next_histogram_) {
        const promql::HistogramPoint& point = series.histograms[next_histogram_];
        out->add_histogram_time_ms(point.time_ms);
        to_wire(*point.value, out->add_histogram());
        bytes += kPointBytes + histogram_bytes(*point.value);
    }
    return bytes;
}

void QueryMessages::finish(v1::QueryResponse* out) {
    for (const std::string& text : answer_.warnings) out->add_warnings(clean_utf8(text));
    for (const std::string& text : answer_.infos) out->add_infos(clean_utf8(text));
    v1::QueryStats* stats = out->mutable_stats();
    stats->set_samples_read(answer_.stats.samples_read);
    stats->set_samples_peak(answer_.stats.samples_peak);
    stats->set_evaluation_ns(static_cast<std::uint64_t>(answer_.took.count()));
    for (const ReadReport& report : answer_.reports) to_wire(report, now_ms_, stats->add_selections());
    out->set_dropped(dropped_);
    out->set_last(true);
    done_ = true;
}

}  // namespace ringside::agent
