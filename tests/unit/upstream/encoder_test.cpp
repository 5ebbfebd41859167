#include "agent/upstream/remote_write_encoder.h"

#include <gtest/gtest.h>
#include <snappy.h>

#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "agent/upstream/wire_size.h"
#include "prometheus/remote_write.pb.h"
#include "prometheus/remote_write_2.pb.h"

namespace ringside::agent {
namespace {

template <typename Message = prometheus::WriteRequest>
Message decoded(const std::string& body) {
    std::string plain;
    EXPECT_TRUE(snappy::Uncompress(body.data(), body.size(), &plain));
    Message message;
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

// The bytes of the body before compression, in hexadecimal digits.
std::string hex(const std::string& body) {
    std::string plain, text;
    EXPECT_TRUE(snappy::Uncompress(body.data(), body.size(), &plain));
    for (char c : plain) {
        constexpr char digits[] = "0123456789abcdef";
        text += digits[static_cast<unsigned char>(c) >> 4];
        text += digits[static_cast<unsigned char>(c) & 15];
    }
    return text;
}

TEST(RemoteWriteEncoder, TheWireFormatOf2IsThatOfTheProtocol) {
    // By hand from the field numbers: the counter {a="b"} of 1.0 at 5 ms, since 2 ms.
    const LabelSet labels = {{"a", "b"}};
    const Family family = {"f", FamilyType::kCounter, "h", ""};
    std::vector<WireSample> samples = {{&labels, &family, 5, 1.0, 2}};
    EXPECT_EQ(hex(encode_write_request_2(samples)),
              "2200"  // symbols = 4: ""
              "220161"
              "220162"
              "220168"    // "a", "b", "h"
              "2a19"      // timeseries = 5
              "0a020102"  //   labels_refs = 1, packed
              "120d09000000000000f03f1005"
              "1802"            //   samples = 2: value = 1, timestamp = 2, start_timestamp = 3
              "2a0408011803");  //   metadata = 5: type = 1, help_ref = 3; an empty unit is symbol 0
}

TEST(RemoteWriteEncoder, TheWireFormatOfAHistogramIsThatOfTheProtocol) {
    // Buckets 2 and 3 hold 1 and 3 observations, bucket 7 holds 2; one observation is 0.
    const LabelSet labels = {{"a", "b"}};
    const Family family = {"f", FamilyType::kHistogram, "", "", true};
    const NativeHistogram histogram = {3, 0.5, 1, 7, 1.0, 2, {1, 3, 0, 0, 0, 2}};
    std::vector<WireSample> samples = {{&labels, &family, 5, 0, 2, &histogram}};
    const std::string both =
        "0807"                // count_int = 1
        "19000000000000f03f"  // sum = 3
        "2006"                // schema = 4, zigzag
        "29000000000000e03f"  // zero_threshold = 5
        "3001"                // zero_count_int = 6
        "5a0408041002"        // positive_spans = 11: offset 2 (zigzag 4), length 2
        "5a0408061001"        // 3 after it (zigzag 6), length 1
        "6203020401"          // positive_deltas = 12: 1, 2, -1 in zigzag
        "7805";               // timestamp = 15
    const std::string one = hex(encode_write_request(samples)), two = hex(encode_write_request_2(samples));
    EXPECT_NE(one.find("222b" + both), std::string::npos) << one;             // histograms = 4
    EXPECT_NE(two.find("1a2e" + both + "880102"), std::string::npos) << two;  // histograms = 3, start_timestamp = 17
}

TEST(RemoteWriteEncoder, SaysWhenACounterBeganOnlyBeforeItsSample) {
    std::vector<WireSample> samples = {{&kExits, &kExitsFamily, 1000, 0, 1000},
                                       {&kExits, &kExitsFamily, 2000, 7, 1000}};
    const auto message = decoded<io::prometheus::write::v2::Request>(encode_write_request_2(samples));
    ASSERT_EQ(message.timeseries_size(), 1);
    EXPECT_EQ(message.timeseries(0).samples(0).start_timestamp(), 0);
    EXPECT_EQ(message.timeseries(0).samples(1).start_timestamp(), 1000);
}

TEST(RemoteWriteEncoder, ATextStandsOnceAmongTheSymbols) {
    const LabelSet odd = {{"__name__", "exits_total"}, {"job", "exits_total"}, {"vm_id", "Exits."}};
    std::vector<WireSample> samples = {
        {&kExits, &kExitsFamily, 1, 1}, {&kDepth, &kDepthFamily, 1, 1}, {&odd, &kExitsFamily, 1, 1}};
    const auto message = decoded<io::prometheus::write::v2::Request>(encode_write_request_2(samples));
    const std::set<std::string> once(message.symbols().begin(), message.symbols().end());
    EXPECT_EQ(once.size(), static_cast<std::size_t>(message.symbols_size()));
    EXPECT_EQ(message.symbols(0), "");
    EXPECT_EQ(message.symbols(static_cast<int>(message.timeseries(2).labels_refs(3))), "exits_total");
}

// The buckets that spans and deltas of a histogram stand for, by number.
template <typename Wire>
std::map<std::int32_t, std::int64_t> buckets_of(const Wire& histogram) {
    std::map<std::int32_t, std::int64_t> buckets;
    std::int32_t number = 0;
    std::int64_t count = 0;
    int delta = 0;
    for (const auto& span : histogram.positive_spans()) {
        number += span.offset();
        for (std::uint32_t i = 0; i < span.length(); ++i) {
            count += histogram.positive_deltas(delta++);
            if (count != 0) buckets[number] = count;
            ++number;
        }
    }
    EXPECT_EQ(delta, histogram.positive_deltas_size());
    return buckets;
}

TEST(RemoteWriteEncoder, SpansAndDeltasStandForTheSameBuckets) {
    const LabelSet labels = {{"__name__", "f"}};
    const Family family = {"f", FamilyType::kHistogram, "", "", true};
    std::minstd_rand random(11);
    for (int round = 0; round < 300; ++round) {
        NativeHistogram histogram;
        histogram.first_bucket = static_cast<std::int32_t>(random() % 200) - 100;
        histogram.buckets.resize(random() % 40);
        for (std::uint64_t& count : histogram.buckets) count = random() % 3 == 0 ? random() % 1000 : 0;
        std::map<std::int32_t, std::int64_t> expected;
        for (std::size_t i = 0; i < histogram.buckets.size(); ++i) {
            if (histogram.buckets[i] == 0) continue;
            expected[histogram.first_bucket + static_cast<std::int32_t>(i)] =
                static_cast<std::int64_t>(histogram.buckets[i]);
        }
        std::vector<WireSample> samples = {{&labels, &family, 5, 0, 2, &histogram}};
        EXPECT_EQ(buckets_of(decoded(encode_write_request(samples)).timeseries(0).histograms(0)), expected);
        const auto two = decoded<io::prometheus::write::v2::Request>(encode_write_request_2(samples));
        EXPECT_EQ(buckets_of(two.timeseries(0).histograms(0)), expected);
    }
}

TEST(RemoteWriteEncoder, TheStaleMarkerOfAHistogramIsItsSum) {
    const LabelSet labels = {{"__name__", "f"}};
    const Family family = {"f", FamilyType::kHistogram, "", "", true};
    std::vector<WireSample> samples = {{&labels, &family, 5, stale_marker()}};
    const double one = decoded(encode_write_request(samples)).timeseries(0).histograms(0).sum();
    EXPECT_EQ(std::bit_cast<std::uint64_t>(one), kStaleBits);
    // A sum that is not known must not be taken for it.
    NativeHistogram histogram;
    histogram.sum = stale_marker();
    samples = {{&labels, &family, 5, 0, 0, &histogram}};
    const double unknown = decoded(encode_write_request(samples)).timeseries(0).histograms(0).sum();
    EXPECT_EQ(std::bit_cast<std::uint64_t>(unknown), kQuietNanBits);
}

TEST(RemoteWriteEncoder, TheSameSamplesGiveTheSameBytes) {
    std::vector<WireSample> samples = {{&kExits, &kExitsFamily, 1, 10}, {&kDepth, &kDepthFamily, 2, 3}};
    const LabelSet copy = kExits;
    const Family family_copy = kExitsFamily;
    std::vector<WireSample> again = {{&copy, &family_copy, 1, 10}, {&kDepth, &kDepthFamily, 2, 3}};
    EXPECT_EQ(encode_write_request(samples), encode_write_request(again));
    EXPECT_EQ(encode_write_request_2(samples), encode_write_request_2(again));
}

// What a VM counts is its own affair, also what no sum can hold.
TEST(RemoteWriteEncoder, DeltasOfAnyCountsAddUpToThemAgain) {
    const Family family = {"wait_seconds", FamilyType::kHistogram, "", "", true};
    const NativeHistogram histogram = {0, 1, 0, 0, 0, 1, {1, UINT64_MAX, std::uint64_t{1} << 63, 1, INT64_MAX}};
    const WireSample sample = {&kDepth, &family, 1, 0, 0, &histogram};
    const std::string body = encode_write_request({&sample, 1});
    std::string plain;
    ASSERT_TRUE(snappy::Uncompress(body.data(), body.size(), &plain));
    prometheus::WriteRequest request;
    ASSERT_TRUE(request.ParseFromString(plain));
    std::vector<std::uint64_t> counts;
    for (std::int64_t delta : request.timeseries(0).histograms(0).positive_deltas()) {
        counts.push_back((counts.empty() ? 0 : counts.back()) + static_cast<std::uint64_t>(delta));
    }
    EXPECT_EQ(counts, histogram.buckets);
}

TEST(RemoteWriteEncoder, NeverNeedsMoreBytesThanItSays) {
    std::minstd_rand random(7);
    auto text = [&](std::size_t most) { return std::string(random() % (most + 1), 'x'); };
    for (int round = 0; round < 200; ++round) {
        std::vector<LabelSet> labels(1 + random() % 20);
        std::vector<Family> families(labels.size());
        std::vector<NativeHistogram> histograms(labels.size());
        std::vector<WireSample> samples;
        std::size_t promised = 0;
        for (std::size_t i = 0; i < labels.size(); ++i) {
            for (std::size_t l = random() % 17; l > 0; --l) labels[i].push_back({text(128), text(255)});
            families[i] = {text(140), FamilyType::kHistogram, text(600), text(32)};
            samples.push_back({&labels[i], &families[i], i % 2 == 0 ? INT64_MAX : INT64_MIN, 1});
            if (families[i].native = random() % 2 == 0; families[i].native) {
                histograms[i] = {
                    -4, 0.1, UINT64_MAX, UINT64_MAX, 0.1, INT32_MIN, std::vector<std::uint64_t>(random() % 100)};
                for (std::uint64_t& count : histograms[i].buckets) count = random() % 4 == 0 ? UINT64_MAX : 0;
                samples.back().histogram = &histograms[i];
                samples.back().start_ms = INT64_MIN;
            }
            promised += wire_bytes(samples.back()) + wire_bytes(families[i]);
        }
        for (const std::string& body : {encode_write_request(samples), encode_write_request_2(samples)}) {
            std::string plain;
            ASSERT_TRUE(snappy::Uncompress(body.data(), body.size(), &plain));
            EXPECT_LE(plain.size(), promised);
        }
    }
}

}  // namespace
}  // namespace ringside::agent
