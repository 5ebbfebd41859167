#include "agent/upstream/remote_write_encoder.h"

#include <snappy.h>

#include <unordered_set>

#include "agent/upstream/remote_write_histogram.h"
#include "prometheus/remote_write.pb.h"

namespace ringside::agent {
namespace {

prometheus::MetricMetadata::MetricType wire_type(FamilyType type) {
    switch (type) {
        case FamilyType::kCounter: return prometheus::MetricMetadata::COUNTER;
        case FamilyType::kGauge: return prometheus::MetricMetadata::GAUGE;
        case FamilyType::kHistogram: return prometheus::MetricMetadata::HISTOGRAM;
    }
    return prometheus::MetricMetadata::UNKNOWN;
}

void add(const WireSample& sample, prometheus::TimeSeries& series) {
    if (sample.family->native) {
        prometheus::Histogram& histogram = *series.add_histograms();
        fill_histogram(sample, histogram);
        histogram.set_timestamp(sample.timestamp_ms);
        return;
    }
    prometheus::Sample& added = *series.add_samples();
    added.set_value(sample.value);
    added.set_timestamp(sample.timestamp_ms);
}

}  // namespace

std::string encode_write_request(std::span<const WireSample> samples) {
    prometheus::WriteRequest request;
    std::unordered_set<const Family*> described;
    const LabelSet* labels = nullptr;
    prometheus::TimeSeries* series = nullptr;
    for (const WireSample& sample : samples) {
        if (sample.labels != labels) {
            labels = sample.labels;
            series = request.add_timeseries();
            for (const Label& label : *labels) {
                prometheus::Label* added = series->add_labels();
                added->set_name(label.name);
                added->set_value(label.value);
            }
        }
        add(sample, *series);
        if (!described.insert(sample.family).second) continue;
        prometheus::MetricMetadata* metadata = request.add_metadata();
        metadata->set_type(wire_type(sample.family->type));
        metadata->set_metric_family_name(sample.family->name);
        metadata->set_help(sample.family->help);
        metadata->set_unit(sample.family->unit);
    }
    std::string plain = request.SerializeAsString();
    std::string body;
    snappy::Compress(plain.data(), plain.size(), &body);
    return body;
}

}  // namespace ringside::agent
