#include "agent/upstream/remote_write_encoder.h"

#include <gtest/gtest.h>
#include <snappy.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "prometheus/remote_write.pb.h"

namespace ringside::agent {
namespace {

prometheus::WriteRequest decoded(const std::string& body) {
    std::string plain;
    EXPECT_TRUE(snappy::Uncompress(body.data(), body.size(), &plain));
    prometheus::WriteRequest message;
    EXPECT_TRUE(message.ParseFromString(plain));
    return message;
}

const LabelSet kExits = {{"__name__", "exits_total"}, {"instance", "h"}, {"job", "j"}, {"vm_id", "vm-1"}};
const LabelSet kDepth = {{"__name__", "depth:5m_max"}, {"instance", "h"}, {"job", "j"}, {"vm_id", "vm-1"}};
const Family kExitsFamily = {"exits_total", FamilyType::kCounter, "Exits.", ""};
const Family kDepthFamily = {"depth:5m_max", FamilyType::kGauge, "Line 1\nline \"2\" \\", "requests"};

TEST(RemoteWriteEncoder, CarriesLabelsSamplesAndMetadata) {
    std::vector<WireSample> samples = {{&kExits, &kExitsFamily, 1'700'000'100'000, 42},
                                       {&kDepth, &kDepthFamily, 1'700'000'100'000, -0.5}};
    prometheus::WriteRequest message = decoded(encode_write_request(samples));
    ASSERT_EQ(message.timeseries_size(), 2);
    const prometheus::TimeSeries& exits = message.timeseries(0);
    ASSERT_EQ(exits.labels_size(), 4);
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(exits.labels(i).name(), kExits[static_cast<std::size_t>(i)].name);
        EXPECT_EQ(exits.labels(i).value(), kExits[static_cast<std::size_t>(i)].value);
    }
    ASSERT_EQ(exits.samples_size(), 1);
    EXPECT_EQ(exits.samples(0).timestamp(), 1'700'000'100'000);
    EXPECT_EQ(exits.samples(0).value(), 42);
    EXPECT_EQ(message.timeseries(1).samples(0).value(), -0.5);
    ASSERT_EQ(message.metadata_size(), 2);
    EXPECT_EQ(message.metadata(0).type(), prometheus::MetricMetadata::COUNTER);
    EXPECT_EQ(message.metadata(0).metric_family_name(), "exits_total");
    EXPECT_EQ(message.metadata(0).help(), "Exits.");
    EXPECT_EQ(message.metadata(1).type(), prometheus::MetricMetadata::GAUGE);
    EXPECT_EQ(message.metadata(1).help(), kDepthFamily.help);
    EXPECT_EQ(message.metadata(1).unit(), "requests");
}

TEST(RemoteWriteEncoder, DescribesAFamilyOnceHoweverManySeriesItHas) {
    const Family histogram = {"wait_seconds", FamilyType::kHistogram, "", "seconds"};
    const LabelSet bucket = {{"__name__", "wait_seconds_bucket"}, {"le", "1"}};
    const LabelSet count = {{"__name__", "wait_seconds_count"}};
    std::vector<WireSample> samples = {
        {&bucket, &histogram, 1, 1}, {&kExits, &kExitsFamily, 1, 1}, {&count, &histogram, 1, 1}};
    prometheus::WriteRequest message = decoded(encode_write_request(samples));
    EXPECT_EQ(message.timeseries_size(), 3);
    ASSERT_EQ(message.metadata_size(), 2);
    EXPECT_EQ(message.metadata(0).type(), prometheus::MetricMetadata::HISTOGRAM);
    EXPECT_EQ(message.metadata(0).metric_family_name(), "wait_seconds");
    EXPECT_EQ(message.metadata(1).metric_family_name(), "exits_total");
}

TEST(RemoteWriteEncoder, PutsNeighboursOfOneSeriesTogetherInTheirOrder) {
    std::vector<WireSample> samples = {
        {&kExits, &kExitsFamily, 1, 10}, {&kExits, &kExitsFamily, 2, 20}, {&kDepth, &kDepthFamily, 2, 3}};
    prometheus::WriteRequest message = decoded(encode_write_request(samples));
    ASSERT_EQ(message.timeseries_size(), 2);
    ASSERT_EQ(message.timeseries(0).samples_size(), 2);
    EXPECT_EQ(message.timeseries(0).samples(0).timestamp(), 1);
    EXPECT_EQ(message.timeseries(0).samples(1).value(), 20);
}

TEST(RemoteWriteEncoder, KeepsEveryBitOfAValue) {
    const double infinite = std::numeric_limits<double>::infinity();
    const double values[] = {
        0.0, -0.0, infinite, -infinite, 1e308, 5e-324, 9007199254740993.0, stale_marker(), ordinary(std::nan(""))};
    for (double value : values) {
        std::vector<WireSample> samples = {{&kExits, &kExitsFamily, 1, value}};
        double back = decoded(encode_write_request(samples)).timeseries(0).samples(0).value();
        EXPECT_EQ(std::bit_cast<std::uint64_t>(back), std::bit_cast<std::uint64_t>(value));
    }
    EXPECT_EQ(std::bit_cast<std::uint64_t>(stale_marker()), 0x7ff0000000000002u);
    EXPECT_EQ(std::bit_cast<std::uint64_t>(ordinary(stale_marker())), 0x7ff8000000000001u);
}

TEST(RemoteWriteEncoder, TheWireFormatIsThatOfTheProtocol) {
    // Worked out by hand from the field numbers: one series {a="b"} with the sample (1.0 at 5 ms), one gauge family "f".
    const LabelSet labels = {{"a", "b"}};
    const Family family = {"f", FamilyType::kGauge, "h", "u"};
    std::vector<WireSample> samples = {{&labels, &family, 5, 1.0}};
    const std::string body = encode_write_request(samples);
    std::string plain;
    ASSERT_TRUE(snappy::Uncompress(body.data(), body.size(), &plain));
    const unsigned char expected[] = {
        0x0a, 0x15,                                     // timeseries = 1
        0x0a, 0x06, 0x0a, 0x01, 'a',  0x12, 0x01, 'b',  //   labels = 1: name = 1, value = 2
        0x12, 0x0b, 0x09, 0,    0,    0,    0,    0,
        0,    0xf0, 0x3f, 0x10, 0x05,  //   samples = 2: value = 1, timestamp = 2
        0x1a, 0x0b, 0x08, 0x02, 0x12, 0x01, 'f',  0x22,
        0x01, 'h',  0x2a, 0x01, 'u'};  // metadata = 3: 1, 2, 4, 5
    EXPECT_EQ(plain, std::string(reinterpret_cast<const char*>(expected), sizeof expected));
}

TEST(RemoteWriteEncoder, TheSameSamplesGiveTheSameBytes) {
    std::vector<WireSample> samples = {{&kExits, &kExitsFamily, 1, 10}, {&kDepth, &kDepthFamily, 2, 3}};
    const LabelSet copy = kExits;
    const Family family_copy = kExitsFamily;
    std::vector<WireSample> again = {{&copy, &family_copy, 1, 10}, {&kDepth, &kDepthFamily, 2, 3}};
    EXPECT_EQ(encode_write_request(samples), encode_write_request(again));
}

TEST(RemoteWriteEncoder, NeverNeedsMoreBytesThanItSays) {
    std::minstd_rand random(7);
    auto text = [&](std::size_t most) { return std::string(random() % (most + 1), 'x'); };
    for (int round = 0; round < 200; ++round) {
        std::vector<LabelSet> labels(1 + random() % 20);
        std::vector<Family> families(labels.size());
        std::vector<WireSample> samples;
        std::size_t promised = 0;
        for (std::size_t i = 0; i < labels.size(); ++i) {
            for (std::size_t l = random() % 17; l > 0; --l) labels[i].push_back({text(128), text(255)});
            families[i] = {text(140), FamilyType::kHistogram, text(600), text(32)};
            samples.push_back({&labels[i], &families[i], i % 2 == 0 ? INT64_MAX : INT64_MIN, 1});
            promised += wire_bytes(samples.back()) + wire_bytes(families[i]);
        }
        const std::string body = encode_write_request(samples);
        std::string plain;
        ASSERT_TRUE(snappy::Uncompress(body.data(), body.size(), &plain));
        EXPECT_LE(plain.size(), promised);
    }
}

}  // namespace
}  // namespace ringside::agent
