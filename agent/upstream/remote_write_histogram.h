// Native histograms as both versions of remote write have them: the same message under two names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "agent/upstream/wire_sample.h"

namespace ringside::agent {

// So many empty buckets between two others cost less as zeros than as a span of their own.
inline constexpr std::size_t kSpanGapMax = 2;

// Buckets as spans of neighbours; each count as the difference to the one before, modulo 2^64: a VM may count anything.
template <typename Wire>
void fill_buckets(const NativeHistogram& from, Wire& to) {
    std::uint64_t before = 0;
    std::size_t end_of_span = 0;  // index after the last bucket that a span holds
    for (std::size_t i = 0; i < from.buckets.size();) {
        std::size_t zeros = 0;
        while (i + zeros < from.buckets.size() && from.buckets[i + zeros] == 0) ++zeros;
        if (i + zeros == from.buckets.size()) break;
        const bool first = to.positive_spans_size() == 0;
        if (first || zeros > kSpanGapMax) {
            i += zeros;
            auto* span = to.add_positive_spans();
            // The first is numbered, the others are so far behind the one before.
            span->set_offset(first ? from.first_bucket + static_cast<std::int32_t>(i)
                                   : static_cast<std::int32_t>(i - end_of_span));
            zeros = 0;
        }
        auto& span = *to.mutable_positive_spans(to.positive_spans_size() - 1);
        for (const std::size_t end = i + zeros + 1; i < end; ++i) {
            to.add_positive_deltas(static_cast<std::int64_t>(from.buckets[i] - before));
            before = from.buckets[i];
            span.set_length(span.length() + 1);
        }
        end_of_span = i;
    }
}

// The sample's histogram, or the stale marker of one, without times.
template <typename Wire>
void fill_histogram(const WireSample& sample, Wire& to) {
    if (sample.histogram == nullptr) {
        to.set_count_int(0);
        to.set_sum(sample.value);
        to.set_zero_count_int(0);
        return;
    }
    const NativeHistogram& from = *sample.histogram;
    to.set_count_int(from.count);
    to.set_sum(ordinary(from.sum));
    to.set_schema(from.schema);
    to.set_zero_threshold(from.zero_threshold);
    to.set_zero_count_int(from.zero_count);
    fill_buckets(from, to);
}

}  // namespace ringside::agent
