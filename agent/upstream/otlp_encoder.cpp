#include "agent/upstream/otlp_encoder.h"

#include <cmath>
#include <map>
#include <string_view>
#include <utility>

#include "opentelemetry/metrics.pb.h"

namespace ringside::agent {
namespace {

namespace wire = ringside::otlp;

constexpr std::uint32_t kNoRecordedValue = 1;

std::uint64_t ns_of(std::int64_t ms) { return static_cast<std::uint64_t>(ms) * 1'000'000; }

void add_attribute(google::protobuf::RepeatedPtrField<wire::KeyValue>& attributes, const std::string& key,
                   std::string_view value) {
    wire::KeyValue& attribute = *attributes.Add();
    attribute.set_key(key);
    attribute.mutable_value()->set_string_value(std::string(value));
}

// What both kinds of points have.
template <typename Point>
void begin_point(const WireSample& sample, Point& point) {
    point.set_time_unix_nano(ns_of(sample.timestamp_ms));
    if (sample.start_ms != 0) point.set_start_time_unix_nano(ns_of(sample.start_ms));
    for (const Label& label : *sample.labels) {
        if (label.name == kNameLabel || label.name == "job" || label.name == "instance") continue;
        add_attribute(*point.mutable_attributes(), label.name, label.value);
    }
    if (is_stale(sample)) point.set_flags(kNoRecordedValue);
}

void fill(const WireSample& sample, wire::NumberDataPoint& point) {
    begin_point(sample, point);
    if (!is_stale(sample)) point.set_as_double(sample.value);
}

void fill(const WireSample& sample, wire::ExponentialHistogramDataPoint& point) {
    begin_point(sample, point);
    if (sample.histogram == nullptr) return;
    const NativeHistogram& from = *sample.histogram;
    point.set_count(from.count);
    if (!std::isnan(from.sum)) point.set_sum(from.sum);
    point.set_scale(from.schema);
    point.set_zero_count(from.zero_count);
    point.set_zero_threshold(from.zero_threshold);
    if (from.buckets.empty()) return;
    point.mutable_positive()->set_offset(from.first_bucket - 1);
    for (std::uint64_t count : from.buckets) point.mutable_positive()->add_bucket_counts(count);
}

void add(const WireSample& sample, wire::Metric& metric) {
    const FamilyType type = sample.family->type;
    if (sample.family->native) {
        wire::ExponentialHistogram& histogram = *metric.mutable_exponential_histogram();
        histogram.set_aggregation_temporality(wire::AGGREGATION_TEMPORALITY_CUMULATIVE);
        fill(sample, *histogram.add_data_points());
    } else if (type == FamilyType::kCounter) {
        wire::Sum& sum = *metric.mutable_sum();
        sum.set_aggregation_temporality(wire::AGGREGATION_TEMPORALITY_CUMULATIVE);
        sum.set_is_monotonic(true);
        fill(sample, *sum.add_data_points());
    } else {
        fill(sample, *metric.mutable_gauge()->add_data_points());
    }
}

// The request as it grows: a resource for each pair of job and instance, in it a metric for each name and family.
class Request {
  public:
    explicit Request(const std::string& version) : version_(version) {}

    void add_sample(const WireSample& sample) {
        Scope& scope = scope_of(sample);
        const std::string_view name = label_value(*sample.labels, kNameLabel);
        const auto [at, added] = scope.metrics.try_emplace({name, sample.family}, nullptr);
        if (added) {
            at->second = scope.wire->add_metrics();
            at->second->set_name(std::string(name));
            at->second->set_description(sample.family->help);
        }
        add(sample, *at->second);
    }
    std::string bytes() const { return request_.SerializeAsString(); }

  private:
    struct Scope {
        wire::ScopeMetrics* wire = nullptr;
        std::map<std::pair<std::string_view, const Family*>, wire::Metric*> metrics;
    };

    Scope& scope_of(const WireSample& sample) {
        const std::string_view job = label_value(*sample.labels, "job");
        const std::string_view instance = label_value(*sample.labels, "instance");
        Scope& scope = scopes_[{job, instance}];
        if (scope.wire != nullptr) return scope;
        wire::ResourceMetrics& resource = *request_.add_resource_metrics();
        auto& attributes = *resource.mutable_resource()->mutable_attributes();
        if (!job.empty()) add_attribute(attributes, "service.name", job);
        if (!instance.empty()) add_attribute(attributes, "service.instance.id", instance);
        scope.wire = resource.add_scope_metrics();
        scope.wire->mutable_scope()->set_name("ringside");
        scope.wire->mutable_scope()->set_version(version_);
        return scope;
    }

    const std::string& version_;
    wire::ExportMetricsServiceRequest request_;
    // The views are into the samples' labels.
    std::map<std::pair<std::string_view, std::string_view>, Scope> scopes_;
};

}  // namespace

std::string encode_otlp_request(std::span<const WireSample> samples, const std::string& version) {
    Request request(version);
    for (const WireSample& sample : samples) request.add_sample(sample);
    return request.bytes();
}

}  // namespace ringside::agent
