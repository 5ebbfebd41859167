#include "agent/prometheus/chunks.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>
#include <span>
#include <utility>
#include <vector>

namespace ringside::agent {
namespace {

using promql::BucketCount;
using promql::BucketCounts;
using promql::FloatHistogram;
using promql::FloatSamples;
using promql::HistogramSamples;

// The highest bit first.
class Bits {
  public:
    void put(std::uint64_t value, int count) {
        for (int bit = count - 1; bit >= 0; --bit) {
            if (free_ == 0) {
                bytes_ += '\0';
                free_ = 8;
            }
            --free_;
            if (value >> bit & 1) bytes_.back() = static_cast<char>(bytes_.back() | 1 << free_);
        }
    }
    void put(double value) { put(std::bit_cast<std::uint64_t>(value), 64); }
    // Seven bits a byte, the lowest first.
    void put_varint(std::uint64_t value) {
        for (; value >= 0x80; value >>= 7) put(value | 0x80, 8);
        put(value, 8);
    }
    // A prefix says which of the `widths` follows: 0 for none of them, n ones for the n-th, the last of which is 64.
    template <std::size_t N>
    void put_bucketed(std::uint64_t value, const int (&widths)[N], bool (*fits)(std::uint64_t, int)) {
        if (value == 0) return put(0, 1);
        int ones = 1;
        for (const int width : widths) {
            const bool is_last = ones == static_cast<int>(N);
            if (!is_last && !fits(value, width)) {
                ++ones;
                continue;
            }
            put(~std::uint64_t{0}, ones);
            if (!is_last) put(0, 1);
            return put(value, width);
        }
    }
    std::string take() { return std::move(bytes_); }

  private:
    std::string bytes_;
    int free_ = 0;  // bits of the last byte
};

// Of two's complement, where the range is one larger on the positive side.
bool fits_signed(std::uint64_t value, int width) {
    const auto number = static_cast<std::int64_t>(value);
    const std::int64_t half = std::int64_t{1} << (width - 1);
    return number > -half && number <= half;
}
bool fits_unsigned(std::uint64_t value, int width) { return std::countl_zero(value) >= 64 - width; }

constexpr int kXorTimeWidths[] = {14, 17, 20, 64};
constexpr int kVarbitWidths[] = {3, 6, 9, 12, 18, 25, 56, 64};

void put_signed(Bits& bits, std::int64_t value) {
    bits.put_bucketed(static_cast<std::uint64_t>(value), kVarbitWidths, fits_signed);
}
void put_unsigned(Bits& bits, std::uint64_t value) { bits.put_bucketed(value, kVarbitWidths, fits_unsigned); }

// A value as what differs from the one before it; the differing bits' place is not repeated while it holds.
class XorValue {
  public:
    void put_first(Bits& bits, double value) {
        bits.put(value);
        before_ = std::bit_cast<std::uint64_t>(value);
    }
    void put_next(Bits& bits, double value) {
        const auto now = std::bit_cast<std::uint64_t>(value);
        const std::uint64_t difference = now ^ before_;
        before_ = now;
        if (difference == 0) return bits.put(0, 1);
        bits.put(1, 1);
        const int leading = std::min(std::countl_zero(difference), 31);  // in five bits
        const int trailing = std::countr_zero(difference);
        if (has_place_ && leading >= leading_ && trailing >= trailing_) {
            bits.put(0, 1);
        } else {
            has_place_ = true;
            leading_ = leading;
            trailing_ = trailing;
            bits.put(1, 1);
            bits.put(static_cast<std::uint64_t>(leading), 5);
            bits.put(static_cast<std::uint64_t>(64 - leading - trailing), 6);  // 64 comes out as 0
        }
        bits.put(difference >> trailing_, 64 - leading_ - trailing_);
    }

  private:
    std::uint64_t before_ = 0;
    bool has_place_ = false;
    int leading_ = 0, trailing_ = 0;
};

Chunk xor_chunk(const FloatSamples& samples) {
    Bits bits;
    bits.put(samples.count, 16);
    XorValue value;
    std::int64_t delta = 0;
    for (std::size_t i = 0; i < samples.count; ++i) {
        const std::int64_t time = samples.times_ms[i];
        const std::int64_t before = delta;
        if (i > 0) delta = time - samples.times_ms[i - 1];
        if (i == 0) {
            bits.put_varint(static_cast<std::uint64_t>(time) << 1 ^ static_cast<std::uint64_t>(time >> 63));
            value.put_first(bits, samples.values[0]);
            continue;
        }
        if (i == 1) {
            bits.put_varint(static_cast<std::uint64_t>(delta));
        } else {
            bits.put_bucketed(static_cast<std::uint64_t>(delta - before), kXorTimeWidths, fits_signed);
        }
        value.put_next(bits, samples.values[i]);
    }
    return {samples.times_ms[0], samples.times_ms[samples.count - 1], Chunk::Encoding::kXor, bits.take()};
}

// One byte for a power of two of usual size.
void put_zero_threshold(Bits& bits, double threshold) {
    if (threshold == 0) return bits.put(0, 8);
    int exponent = 0;
    if (std::frexp(threshold, &exponent) == 0.5 && exponent >= -242 && exponent <= 11) {
        return bits.put(static_cast<std::uint64_t>(exponent + 243), 8);
    }
    bits.put(255, 8);
    bits.put(threshold);
}

void put_custom_bounds(Bits& bits, const std::vector<double>& bounds) {
    put_unsigned(bits, bounds.size());
    for (const double bound : bounds) {
        // Whole thousandths, as most bounds are, take a few bits.
        const double thousandths = std::round(bound * 1000);
        const bool is_whole = thousandths >= 0 && thousandths <= 33554430 && thousandths / 1000 == bound;
        if (is_whole) {
            put_unsigned(bits, static_cast<std::uint64_t>(thousandths) + 1);
        } else {
            bits.put(0, 1);
            bits.put(bound);
        }
    }
}

using Side = BucketCounts FloatHistogram::*;

// The buckets that any of the histograms has.
BucketCounts layout_of(std::span<const promql::HistogramPtr> histograms, Side side) {
    std::set<std::int32_t> indices;
    for (const auto& histogram : histograms) {
        for (const BucketCount& bucket : (*histogram).*side) indices.insert(bucket.index);
    }
    BucketCounts layout;
    for (const std::int32_t index : indices) layout.push_back({index, 0});
    return layout;
}

void put_spans(Bits& bits, const BucketCounts& layout) {
    const auto spans = promql::bucket_spans(layout);
    put_unsigned(bits, spans.size());
    for (const promql::BucketSpan& span : spans) {
        put_unsigned(bits, span.length);
        put_signed(bits, span.offset);
    }
}

// The counts of one side in the order of the layout.
template <typename Put>
void each_count(const BucketCounts& layout, const BucketCounts& buckets, Put put) {
    auto bucket = buckets.begin();
    for (std::size_t i = 0; i < layout.size(); ++i) {
        while (bucket != buckets.end() && bucket->index < layout[i].index) ++bucket;
        const bool has = bucket != buckets.end() && bucket->index == layout[i].index;
        put(i, has ? bucket->count : 0.0);
    }
}

constexpr std::uint64_t header_of(promql::ResetHint hint, bool after_reset) {
    if (hint == promql::ResetHint::kGauge) return 0b11;
    if (hint == promql::ResetHint::kReset || after_reset) return 0b10;
    return 0b00;  // Nothing is known of what came before.
}

Chunk histogram_chunk(const HistogramSamples& samples, bool after_reset) {
    const FloatHistogram& first = *samples.values[0];
    const std::span histograms(samples.values, samples.count);
    const bool is_stale = promql::is_stale(first.sum);
    const BucketCounts positive = is_stale ? BucketCounts() : layout_of(histograms, &FloatHistogram::positive);
    const BucketCounts negative = is_stale ? BucketCounts() : layout_of(histograms, &FloatHistogram::negative);
    Bits bits;
    bits.put(samples.count, 16);
    bits.put(header_of(first.reset_hint, after_reset), 2);
    bits.put(0, 6);
    put_zero_threshold(bits, is_stale ? 0 : first.zero_threshold);
    put_signed(bits, is_stale ? 0 : first.schema);
    put_spans(bits, positive);
    put_spans(bits, negative);
    if (!is_stale && first.uses_custom_bounds()) put_custom_bounds(bits, first.custom_bounds);

    XorValue count, zero_count, sum;
    std::vector<XorValue> positives(positive.size()), negatives(negative.size());
    std::int64_t delta = 0;
    for (std::size_t i = 0; i < samples.count; ++i) {
        const FloatHistogram& one = *samples.values[i];
        const auto put = [&](XorValue& value, double number) {
            i == 0 ? value.put_first(bits, number) : value.put_next(bits, number);
        };
        if (i == 0) {
            put_signed(bits, samples.times_ms[0]);
        } else {
            const std::int64_t now = samples.times_ms[i] - samples.times_ms[i - 1];
            put_signed(bits, now - std::exchange(delta, now));
        }
        put(count, one.count);
        put(zero_count, one.zero_count);
        put(sum, one.sum);
        each_count(positive, one.positive, [&](std::size_t at, double number) { put(positives[at], number); });
        each_count(negative, one.negative, [&](std::size_t at, double number) { put(negatives[at], number); });
    }
    return {samples.times_ms[0], samples.times_ms[samples.count - 1], Chunk::Encoding::kFloatHistogram, bits.take()};
}

bool is_gauge(const FloatHistogram& histogram) { return histogram.reset_hint == promql::ResetHint::kGauge; }

// Whether `next` may stand in a chunk behind `before`; *is_reset: not, because it counts anew.
bool goes_on(const FloatHistogram& before, const FloatHistogram& next, bool* is_reset) {
    *is_reset = false;
    if (promql::is_stale(before.sum) || promql::is_stale(next.sum)) return false;
    if (is_gauge(before) != is_gauge(next)) return false;
    if (!is_gauge(next)) *is_reset = next.is_reset_after(before);
    return !*is_reset && next.schema == before.schema && next.zero_threshold == before.zero_threshold &&
           next.custom_bounds == before.custom_bounds;
}

// How many samples from `begin` on, before `until_ms`, belong together.
std::size_t floats_together(const FloatSamples& samples, std::size_t begin, std::int64_t until_ms) {
    std::size_t end = begin;
    while (end < samples.count && end - begin < kChunkSamplesMax && samples.times_ms[end] < until_ms) ++end;
    return end;
}

}  // namespace

void each_chunk(const promql::SampleSpan& samples, const std::function<void(const Chunk& chunk)>& take) {
    const auto& [floats, histograms] = samples;
    std::size_t at = 0, histogram_at = 0;
    bool after_reset = false;
    while (at < floats.count || histogram_at < histograms.count) {
        const std::int64_t float_ms = at < floats.count ? floats.times_ms[at] : INT64_MAX;
        const std::int64_t histogram_ms =
            histogram_at < histograms.count ? histograms.times_ms[histogram_at] : INT64_MAX;
        if (float_ms <= histogram_ms) {
            const std::size_t end = std::max(at + 1, floats_together(floats, at, histogram_ms));
            take(xor_chunk(floats.slice(at, end)));
            at = end;
            continue;
        }
        const std::size_t begin = histogram_at++;
        bool is_reset = false;
        while (histogram_at < histograms.count && histogram_at - begin < kChunkSamplesMax &&
               histograms.times_ms[histogram_at] < float_ms &&
               goes_on(*histograms.values[histogram_at - 1], *histograms.values[histogram_at], &is_reset)) {
            ++histogram_at;
        }
        take(histogram_chunk(histograms.slice(begin, histogram_at), after_reset));
        after_reset = is_reset;
    }
}

}  // namespace ringside::agent
