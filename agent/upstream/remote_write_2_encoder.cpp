#include <snappy.h>

#include <string_view>
#include <unordered_map>

#include "agent/upstream/remote_write_encoder.h"
#include "agent/upstream/remote_write_histogram.h"
#include "prometheus/remote_write_2.pb.h"

namespace ringside::agent {
namespace {

namespace wire = io::prometheus::write::v2;

wire::Metadata::MetricType wire_type(FamilyType type) {
    switch (type) {
        case FamilyType::kCounter: return wire::Metadata::METRIC_TYPE_COUNTER;
        case FamilyType::kGauge: return wire::Metadata::METRIC_TYPE_GAUGE;
        case FamilyType::kHistogram: return wire::Metadata::METRIC_TYPE_HISTOGRAM;
    }
    return wire::Metadata::METRIC_TYPE_UNSPECIFIED;
}

// The texts of one request, each once. The views are into labels and families, which outlive the encoding.
class Symbols {
  public:
    explicit Symbols(wire::Request& request) : request_(request) { index(""); }
    std::uint32_t index(std::string_view text) {
        const auto [at, added] = indices_.try_emplace(text, static_cast<std::uint32_t>(indices_.size()));
        if (added) request_.add_symbols(std::string(text));
        return at->second;
    }

  private:
    wire::Request& request_;
    std::unordered_map<std::string_view, std::uint32_t> indices_;
};

void begin_series(const WireSample& sample, Symbols& symbols, wire::TimeSeries& series) {
    for (const Label& label : *sample.labels) {
        series.add_labels_refs(symbols.index(label.name));
        series.add_labels_refs(symbols.index(label.value));
    }
    wire::Metadata& metadata = *series.mutable_metadata();
    metadata.set_type(wire_type(sample.family->type));
    metadata.set_help_ref(symbols.index(sample.family->help));
    metadata.set_unit_ref(symbols.index(sample.family->unit));
}

template <typename Wire>
void set_times(const WireSample& sample, Wire& to) {
    to.set_timestamp(sample.timestamp_ms);
    // A start must lie before the sample; the zero at the start itself has none.
    if (sample.start_ms < sample.timestamp_ms) to.set_start_timestamp(sample.start_ms);
}

}  // namespace

std::string encode_write_request_2(std::span<const WireSample> samples) {
    wire::Request request;
    Symbols symbols(request);
    const LabelSet* labels = nullptr;
    wire::TimeSeries* series = nullptr;
    for (const WireSample& sample : samples) {
        if (sample.labels != labels) {
            labels = sample.labels;
            series = request.add_timeseries();
            begin_series(sample, symbols, *series);
        }
        if (sample.family->native) {
            wire::Histogram& histogram = *series->add_histograms();
            fill_histogram(sample, histogram);
            set_times(sample, histogram);
        } else {
            wire::Sample& added = *series->add_samples();
            added.set_value(sample.value);
            set_times(sample, added);
        }
    }
    const std::string plain = request.SerializeAsString();
    std::string body;
    snappy::Compress(plain.data(), plain.size(), &body);
    return body;
}

}  // namespace ringside::agent
