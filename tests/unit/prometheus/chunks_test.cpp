#include "agent/prometheus/chunks.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <stdexcept>
#include <vector>

namespace ringside::agent {
namespace {

using promql::FloatHistogram;
using promql::HistogramPtr;
using promql::ResetHint;

// Reads chunks as the format says, and knows nothing of how they are written.
class Reader {
  public:
    explicit Reader(const std::string& bytes) : bytes_(bytes) {}

    std::uint64_t bits(int count) {
        std::uint64_t value = 0;
        for (int i = 0; i < count; ++i, ++at_) {
            if (at_ / 8 >= bytes_.size()) throw std::runtime_error("the chunk ends too early");
            value = value << 1 | (static_cast<unsigned char>(bytes_[at_ / 8]) >> (7 - at_ % 8) & 1);
        }
        return value;
    }
    double number() { return std::bit_cast<double>(bits(64)); }
    std::uint64_t varint() {
        std::uint64_t value = 0;
        for (int shift = 0;; shift += 7) {
            const std::uint64_t byte = bits(8);
            value |= (byte & 0x7f) << shift;
            if (byte < 0x80) return value;
        }
    }
    std::uint64_t bucketed(const std::vector<int>& widths, bool is_signed) {
        std::size_t ones = 0;
        while (ones < widths.size() && bits(1) == 1) ++ones;
        if (ones == 0) return 0;
        const int width = widths[ones - 1];
        std::uint64_t value = bits(width);
        if (is_signed && width < 64 && value > std::uint64_t{1} << (width - 1)) value -= std::uint64_t{1} << width;
        return value;
    }
    std::int64_t integer() { return static_cast<std::int64_t>(bucketed({3, 6, 9, 12, 18, 25, 56, 64}, true)); }
    std::uint64_t natural() { return bucketed({3, 6, 9, 12, 18, 25, 56, 64}, false); }
    bool is_at_end() const { return (at_ + 7) / 8 == bytes_.size(); }

  private:
    const std::string bytes_;
    std::size_t at_ = 0;
};

struct XorReader {
    std::uint64_t value = 0;
    int leading = 0, trailing = 0;

    double next(Reader& in) {
        if (in.bits(1) == 0) return std::bit_cast<double>(value);
        if (in.bits(1) == 1) {
            leading = static_cast<int>(in.bits(5));
            const int width = static_cast<int>(in.bits(6));
            trailing = 64 - leading - (width == 0 ? 64 : width);
        }
        value ^= in.bits(64 - leading - trailing) << trailing;
        return std::bit_cast<double>(value);
    }
};

struct Floats {
    std::vector<std::int64_t> times;
    std::vector<double> values;
    void add(std::int64_t time, double value) {
        times.push_back(time);
        values.push_back(value);
    }
    promql::SampleSpan span() const {
        promql::SampleSpan span;
        span.floats = {.count = times.size(), .times_ms = times.data(), .values = values.data()};
        return span;
    }
};

std::vector<Chunk> chunks_of(const promql::SampleSpan& span) {
    std::vector<Chunk> chunks;
    each_chunk(span, [&](const Chunk& chunk) { chunks.push_back(chunk); });
    return chunks;
}

Floats read_xor(const Chunk& chunk) {
    EXPECT_EQ(chunk.encoding, Chunk::Encoding::kXor);
    Reader in(chunk.bytes);
    Floats read;
    const std::uint64_t count = in.bits(16);
    XorReader value;
    std::int64_t time = 0, delta = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        if (i == 0) {
            const std::uint64_t zigzag = in.varint();
            time = static_cast<std::int64_t>(zigzag >> 1 ^ (~(zigzag & 1) + 1));
            value.value = in.bits(64);
            read.add(time, std::bit_cast<double>(value.value));
            continue;
        }
        delta = i == 1 ? static_cast<std::int64_t>(in.varint())
                       : delta + static_cast<std::int64_t>(in.bucketed({14, 17, 20, 64}, true));
        time += delta;
        read.add(time, value.next(in));
    }
    EXPECT_TRUE(in.is_at_end());
    return read;
}

void expect_same(const Floats& read, const Floats& written, std::size_t from = 0) {
    for (std::size_t i = 0; i < read.times.size(); ++i) {
        EXPECT_EQ(read.times[i], written.times[from + i]);
        EXPECT_EQ(std::bit_cast<std::uint64_t>(read.values[i]), std::bit_cast<std::uint64_t>(written.values[from + i]));
    }
}

// Of Prometheus 2.42, asked for the same three samples: 1 at 1000 s, 2 at 1001 s, 2 at 1003 s.
TEST(Chunks, AreThoseOfPrometheusByteForByte) {
    Floats floats;
    floats.add(1'000'000, 1);
    floats.add(1'001'000, 2);
    floats.add(1'003'000, 2);
    const auto chunks = chunks_of(floats.span());
    ASSERT_EQ(chunks.size(), 1u);
    const unsigned char expected[] = {0x00, 0x03, 0x80, 0x89, 0x7a, 0x3f, 0xf0, 0,    0,    0,   0,
                                      0,    0,    0xe8, 0x07, 0xc2, 0x5f, 0xff, 0x83, 0xe8, 0x00};
    EXPECT_EQ(chunks[0].bytes, std::string(reinterpret_cast<const char*>(expected), sizeof expected));
    expect_same(read_xor(chunks[0]), floats);
}

TEST(Chunks, HoldAHundredAndTwentySamplesAndTheNextOneTheRest) {
    Floats floats;
    for (int i = 0; i < 250; ++i) floats.add(1000 * i, i);
    const auto chunks = chunks_of(floats.span());
    ASSERT_EQ(chunks.size(), 3u);
    std::size_t from = 0;
    for (const Chunk& chunk : chunks) {
        const Floats read = read_xor(chunk);
        EXPECT_EQ(chunk.begin_ms, read.times.front());
        EXPECT_EQ(chunk.end_ms, read.times.back());
        expect_same(read, floats, from);
        from += read.times.size();
    }
    EXPECT_EQ(from, 250u);
}

TEST(Chunks, KeepEveryValueAndEveryTime) {
    Floats floats;
    std::mt19937_64 random(1);
    std::int64_t time = -5'000'000'000;
    for (int i = 0; i < 2000; ++i) {
        time += 1 + static_cast<std::int64_t>(random() >> (random() % 50 + 14));
        const double values[] = {0,
                                 -0.0,
                                 NAN,
                                 INFINITY,
                                 -INFINITY,
                                 1e-310,
                                 promql::stale_value(),
                                 5e300,
                                 static_cast<double>(i),
                                 std::bit_cast<double>(random())};
        floats.add(time, values[random() % std::size(values)]);
    }
    std::size_t from = 0;
    for (const Chunk& chunk : chunks_of(floats.span())) {
        const Floats read = read_xor(chunk);
        expect_same(read, floats, from);
        from += read.times.size();
    }
    EXPECT_EQ(from, 2000u);
}

// --- histograms -------------------------------------------------------------------------------------------------------

struct Histograms {
    std::vector<std::int64_t> times;
    std::vector<HistogramPtr> values;
    void add(std::int64_t time, FloatHistogram histogram) {
        times.push_back(time);
        values.push_back(std::make_shared<const FloatHistogram>(std::move(histogram)));
    }
    promql::SampleSpan span() const {
        promql::SampleSpan span;
        span.histograms = {.count = times.size(), .times_ms = times.data(), .values = values.data()};
        return span;
    }
};

FloatHistogram histogram_of(double count, promql::BucketCounts positive, promql::BucketCounts negative = {}) {
    FloatHistogram histogram;
    histogram.schema = 3;
    histogram.zero_threshold = std::ldexp(1, -128);
    histogram.zero_count = 1;
    histogram.count = count;
    histogram.sum = count * 1.5;
    histogram.positive = std::move(positive);
    histogram.negative = std::move(negative);
    return histogram;
}

std::vector<std::int32_t> read_spans(Reader& in) {
    std::vector<std::int32_t> indices;
    std::int64_t index = 0;
    for (std::uint64_t spans = in.natural(); spans > 0; --spans) {
        const std::uint64_t length = in.natural();
        index += in.integer();
        for (std::uint64_t i = 0; i < length; ++i) indices.push_back(static_cast<std::int32_t>(index++));
    }
    return indices;
}

struct ReadChunk {
    std::uint64_t header = 0;
    Histograms histograms;
};

ReadChunk read_histograms(const Chunk& chunk) {
    EXPECT_EQ(chunk.encoding, Chunk::Encoding::kFloatHistogram);
    Reader in(chunk.bytes);
    ReadChunk read;
    const std::uint64_t count = in.bits(16);
    read.header = in.bits(8) >> 6;
    FloatHistogram layout;
    const std::uint64_t threshold = in.bits(8);
    if (threshold != 0)
        layout.zero_threshold = threshold == 255 ? in.number() : std::ldexp(0.5, static_cast<int>(threshold) - 243);
    layout.schema = static_cast<std::int32_t>(in.integer());
    const auto positive = read_spans(in), negative = read_spans(in);
    if (layout.uses_custom_bounds()) {
        for (std::uint64_t bounds = in.natural(); bounds > 0; --bounds) {
            const std::uint64_t thousandths = in.natural();
            layout.custom_bounds.push_back(thousandths == 0 ? in.number()
                                                            : static_cast<double>(thousandths - 1) / 1000);
        }
    }
    std::vector<XorReader> values(3 + positive.size() + negative.size());
    std::int64_t time = 0, delta = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        if (i == 0) {
            time = in.integer();
        } else {
            delta += in.integer();
            time += delta;
        }
        const auto next = [&](XorReader& value) {
            if (i > 0) return value.next(in);
            value.value = in.bits(64);
            return std::bit_cast<double>(value.value);
        };
        FloatHistogram one = layout;
        one.count = next(values[0]);
        one.zero_count = next(values[1]);
        one.sum = next(values[2]);
        std::size_t at = 3;
        for (const std::int32_t index : positive) one.positive.push_back({index, next(values[at++])});
        for (const std::int32_t index : negative) one.negative.push_back({index, next(values[at++])});
        read.histograms.add(time, std::move(one));
    }
    EXPECT_TRUE(in.is_at_end());
    return read;
}

TEST(Chunks, KeepHistogramsWhoseBucketsComeOneByOne) {
    Histograms histograms;
    histograms.add(1000, histogram_of(3, {{-5, 2}}));
    histograms.add(2000, histogram_of(4, {{-5, 2}, {7, 1}}));
    histograms.add(3500, histogram_of(9, {{-5, 2}, {-4, 1}, {7, 4}}, {{2, 1}}));
    const auto chunks = chunks_of(histograms.span());
    ASSERT_EQ(chunks.size(), 1u);
    const ReadChunk read = read_histograms(chunks[0]);
    EXPECT_EQ(read.header, 0b00u);
    ASSERT_EQ(read.histograms.times, histograms.times);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_TRUE(read.histograms.values[i]->same_as(*histograms.values[i])) << read.histograms.values[i]->text();
    }
}

TEST(Chunks, EndWhereAHistogramCountsAnew) {
    Histograms histograms;
    histograms.add(1000, histogram_of(5, {{1, 4}}));
    histograms.add(2000, histogram_of(3, {{1, 2}}));
    histograms.add(3000, histogram_of(4, {{1, 3}}));
    const auto chunks = chunks_of(histograms.span());
    ASSERT_EQ(chunks.size(), 2u);
    EXPECT_EQ(read_histograms(chunks[0]).header, 0b00u);
    EXPECT_EQ(read_histograms(chunks[1]).header, 0b10u) << "reset";
    EXPECT_EQ(read_histograms(chunks[1]).histograms.times, (std::vector<std::int64_t>{2000, 3000}));
}

TEST(Chunks, KeepGaugesCustomBoundsAndStaleMarkersApart) {
    FloatHistogram gauge = histogram_of(5, {{1, 4}});
    gauge.reset_hint = ResetHint::kGauge;
    FloatHistogram custom;
    custom.schema = promql::kCustomSchema;
    custom.custom_bounds = {-1, 0.005, 1.0 / 3, 5e9};
    custom.count = 2;
    custom.positive = {{1, 2}};
    FloatHistogram stale = histogram_of(0, {});
    stale.sum = promql::stale_value();
    Histograms histograms;
    histograms.add(1000, gauge);
    histograms.add(2000, custom);
    histograms.add(3000, stale);
    const auto chunks = chunks_of(histograms.span());
    ASSERT_EQ(chunks.size(), 3u);
    EXPECT_EQ(read_histograms(chunks[0]).header, 0b11u);
    EXPECT_EQ(read_histograms(chunks[1]).histograms.values[0]->custom_bounds, custom.custom_bounds);
    EXPECT_TRUE(promql::is_stale(read_histograms(chunks[2]).histograms.values[0]->sum));
}

TEST(Chunks, ComeByTimeWhereASeriesHasBoth) {
    Floats floats;
    Histograms histograms;
    for (int i = 0; i < 3; ++i) floats.add(1000 + i, i);
    histograms.add(2000, histogram_of(3, {{1, 2}}));
    floats.add(3000, 1);
    promql::SampleSpan both = floats.span();
    both.histograms = histograms.span().histograms;
    std::vector<std::int64_t> begins;
    for (const Chunk& chunk : chunks_of(both)) begins.push_back(chunk.begin_ms);
    EXPECT_EQ(begins, (std::vector<std::int64_t>{1000, 2000, 3000}));
}

}  // namespace
}  // namespace ringside::agent
