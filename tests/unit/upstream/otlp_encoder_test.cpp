#include "agent/upstream/otlp_encoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "agent/upstream/wire_size.h"
#include "opentelemetry/metrics.pb.h"

namespace ringside::agent {
namespace {

namespace wire = ringside::otlp;

const LabelSet kExits = {{"__name__", "exits_total"}, {"instance", "h"}, {"job", "j"}, {"vm_id", "vm-1"}};
const LabelSet kOthers = {{"__name__", "exits_total"}, {"instance", "h"}, {"job", "j"}, {"vm_id", "vm-2"}};
const LabelSet kDepth = {{"__name__", "depth:5m_max"}, {"instance", "h"}, {"job", "j"}, {"vm_id", "vm-1"}};
const LabelSet kWait = {{"__name__", "wait_seconds"}, {"instance", "h"}, {"job", "j"}, {"vm_id", "vm-1"}};
const Family kExitsFamily = {"exits_total", FamilyType::kCounter, "Exits.", ""};
const Family kDepthFamily = {"depth:5m_max", FamilyType::kGauge, "", "bytes"};
const Family kWaitFamily = {"wait_seconds", FamilyType::kHistogram, "", "seconds", true};

wire::ExportMetricsServiceRequest encoded(const std::vector<WireSample>& samples) {
    wire::ExportMetricsServiceRequest request;
    EXPECT_TRUE(request.ParseFromString(encode_otlp_request(samples, "1.2.3")));
    return request;
}

TEST(OtlpEncoder, MakesOneResourceOfOneHostAndOneMetricOfOneName) {
    const auto request = encoded({{&kExits, &kExitsFamily, 2000, 42, 1000},
                                  {&kDepth, &kDepthFamily, 2000, -0.5},
                                  {&kOthers, &kExitsFamily, 2000, 7, 500}});
    ASSERT_EQ(request.resource_metrics_size(), 1);
    const wire::ResourceMetrics& resource = request.resource_metrics(0);
    ASSERT_EQ(resource.resource().attributes_size(), 2);
    EXPECT_EQ(resource.resource().attributes(0).key(), "service.name");
    EXPECT_EQ(resource.resource().attributes(0).value().string_value(), "j");
    EXPECT_EQ(resource.resource().attributes(1).key(), "service.instance.id");
    EXPECT_EQ(resource.resource().attributes(1).value().string_value(), "h");
    ASSERT_EQ(resource.scope_metrics_size(), 1);
    EXPECT_EQ(resource.scope_metrics(0).scope().name(), "ringside");
    EXPECT_EQ(resource.scope_metrics(0).scope().version(), "1.2.3");
    ASSERT_EQ(resource.scope_metrics(0).metrics_size(), 2);
    const wire::Metric& exits = resource.scope_metrics(0).metrics(0);
    EXPECT_EQ(exits.name(), "exits_total");
    EXPECT_EQ(exits.description(), "Exits.");
    EXPECT_TRUE(exits.sum().is_monotonic());
    EXPECT_EQ(exits.sum().aggregation_temporality(), wire::AGGREGATION_TEMPORALITY_CUMULATIVE);
    ASSERT_EQ(exits.sum().data_points_size(), 2);
    const wire::NumberDataPoint& point = exits.sum().data_points(0);
    EXPECT_EQ(point.time_unix_nano(), 2'000'000'000u);
    EXPECT_EQ(point.start_time_unix_nano(), 1'000'000'000u);
    EXPECT_EQ(point.as_double(), 42);
    EXPECT_EQ(point.flags(), 0u);
    ASSERT_EQ(point.attributes_size(), 1);
    EXPECT_EQ(point.attributes(0).key(), "vm_id");
    EXPECT_EQ(exits.sum().data_points(1).attributes(0).value().string_value(), "vm-2");
    const wire::Metric& depth = resource.scope_metrics(0).metrics(1);
    EXPECT_EQ(depth.name(), "depth:5m_max");
    EXPECT_EQ(depth.unit(), "");  // Else a translator makes depth:5m_max_bytes of it.
    EXPECT_EQ(depth.gauge().data_points(0).as_double(), -0.5);
    EXPECT_EQ(depth.gauge().data_points(0).start_time_unix_nano(), 0u);
}

TEST(OtlpEncoder, NumbersBucketsOneLowerThanPrometheus) {
    const NativeHistogram histogram = {3, 0.001, 2, 9, 1.5, -4, {1, 0, 6}};
    const auto request = encoded({{&kWait, &kWaitFamily, 2000, 0, 1000, &histogram}});
    const wire::Metric& metric = request.resource_metrics(0).scope_metrics(0).metrics(0);
    EXPECT_EQ(metric.unit(), "");
    EXPECT_EQ(metric.exponential_histogram().aggregation_temporality(), wire::AGGREGATION_TEMPORALITY_CUMULATIVE);
    const wire::ExponentialHistogramDataPoint& point = metric.exponential_histogram().data_points(0);
    EXPECT_EQ(point.start_time_unix_nano(), 1'000'000'000u);
    EXPECT_EQ(point.time_unix_nano(), 2'000'000'000u);
    EXPECT_EQ(point.count(), 9u);
    EXPECT_EQ(point.sum(), 1.5);
    EXPECT_EQ(point.scale(), 3);
    EXPECT_EQ(point.zero_count(), 2u);
    EXPECT_EQ(point.zero_threshold(), 0.001);
    EXPECT_EQ(point.positive().offset(), -5);
    EXPECT_EQ(
        std::vector<std::uint64_t>(point.positive().bucket_counts().begin(), point.positive().bucket_counts().end()),
        (std::vector<std::uint64_t>{1, 0, 6}));
}

TEST(OtlpEncoder, LeavesOutASumThatIsNotKnown) {
    const NativeHistogram histogram = {0, 0, 0, 0, std::nan(""), 0, {}};
    const auto request = encoded({{&kWait, &kWaitFamily, 2000, 0, 1000, &histogram}});
    const auto& point = request.resource_metrics(0).scope_metrics(0).metrics(0).exponential_histogram().data_points(0);
    EXPECT_FALSE(point.has_sum());
    EXPECT_FALSE(point.has_positive());
}

TEST(OtlpEncoder, SaysOfAnEndedSeriesThatThereIsNoValue) {
    const auto request = encoded({{&kExits, &kExitsFamily, 2000, stale_marker(), 1000},
                                  {&kDepth, &kDepthFamily, 2000, stale_marker()},
                                  {&kWait, &kWaitFamily, 2000, stale_marker(), 1000}});
    const auto& metrics = request.resource_metrics(0).scope_metrics(0).metrics();
    EXPECT_EQ(metrics[0].sum().data_points(0).flags(), 1u);
    EXPECT_FALSE(metrics[0].sum().data_points(0).has_as_double());
    EXPECT_EQ(metrics[1].gauge().data_points(0).flags(), 1u);
    EXPECT_FALSE(metrics[1].gauge().data_points(0).has_as_double());
    EXPECT_EQ(metrics[2].exponential_histogram().data_points(0).flags(), 1u);
    EXPECT_EQ(metrics[2].exponential_histogram().data_points(0).count(), 0u);
}

TEST(OtlpEncoder, SendsAZeroAndEveryOtherValueAsItIs) {
    const double infinite = std::numeric_limits<double>::infinity();
    for (double value : {0.0, -0.0, infinite, -infinite, 5e-324, 9007199254740993.0}) {
        const auto request = encoded({{&kDepth, &kDepthFamily, 2000, value}});
        const auto& point = request.resource_metrics(0).scope_metrics(0).metrics(0).gauge().data_points(0);
        ASSERT_TRUE(point.has_as_double());
        EXPECT_EQ(std::signbit(point.as_double()), std::signbit(value));
        EXPECT_EQ(point.as_double(), value);
    }
}

TEST(OtlpEncoder, TheSameSamplesGiveTheSameBytes) {
    const LabelSet copy = kExits;
    const Family family_copy = kExitsFamily;
    const std::vector<WireSample> samples = {{&kExits, &kExitsFamily, 1, 10}, {&kDepth, &kDepthFamily, 2, 3}};
    const std::vector<WireSample> again = {{&copy, &family_copy, 1, 10}, {&kDepth, &kDepthFamily, 2, 3}};
    EXPECT_EQ(encode_otlp_request(samples, "1"), encode_otlp_request(again, "1"));
}

TEST(OtlpEncoder, NeverNeedsMoreBytesThanItSays) {
    std::minstd_rand random(7);
    auto text = [&](std::size_t most) { return std::string(random() % (most + 1), 'x'); };
    for (int round = 0; round < 200; ++round) {
        std::vector<LabelSet> labels(1 + random() % 20);
        std::vector<Family> families(labels.size());
        std::vector<NativeHistogram> histograms(labels.size());
        std::vector<WireSample> samples;
        std::size_t promised = 4096;  // what checked() leaves for the request itself
        for (std::size_t i = 0; i < labels.size(); ++i) {
            // Each of its own host and name: nothing is shared.
            labels[i] = {{"__name__", text(140)}, {"instance", std::to_string(i)}, {"job", std::to_string(i)}};
            for (std::size_t l = random() % 17; l > 0; --l) labels[i].push_back({text(128), text(255)});
            families[i] = {text(140), FamilyType::kHistogram, text(600), text(32), random() % 2 == 0};
            samples.push_back({&labels[i], &families[i], INT64_MAX / 1'000'000, 1, INT64_MAX / 1'000'000});
            histograms[i] = {
                -4, 0.1, UINT64_MAX, UINT64_MAX, 0.1, INT32_MIN + 1, std::vector<std::uint64_t>(random() % 100)};
            for (std::uint64_t& count : histograms[i].buckets) count = random() % 4 == 0 ? UINT64_MAX : 0;
            if (families[i].native) samples.back().histogram = &histograms[i];
            promised += wire_bytes(samples.back()) + wire_bytes(families[i]);
        }
        EXPECT_LE(encode_otlp_request(samples, "1.2.3").size(), promised);
    }
}

}  // namespace
}  // namespace ringside::agent
