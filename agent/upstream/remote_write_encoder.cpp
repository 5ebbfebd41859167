#include "agent/upstream/remote_write_encoder.h"

#include <snappy.h>

#include <unordered_set>

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

// A tag and a length of up to 2^28 before each message or string: never more than this.
constexpr std::size_t kFieldBytes = 1 + 4;

}  // namespace

std::size_t wire_bytes(const WireSample& sample) {
    // The sample: its header, a double (1 + 8) and a timestamp (1 + at most 10).
    std::size_t bytes = kFieldBytes + kFieldBytes + 9 + 11;
    for (const Label& label : *sample.labels) {
        bytes += 3 * kFieldBytes + label.name.size() + label.value.size();
    }
    return bytes;
}

std::size_t wire_bytes(const Family& family) {
    return 4 * kFieldBytes + 2 + family.name.size() + family.help.size() + family.unit.size();
}

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
        prometheus::Sample* added = series->add_samples();
        added->set_value(sample.value);
        added->set_timestamp(sample.timestamp_ms);
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
