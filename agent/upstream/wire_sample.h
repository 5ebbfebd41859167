// What goes to a receiver, whatever the protocol: samples, their labels and what is said of their
// families.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/labels.h"

namespace ringside::agent {

enum class FamilyType { kCounter, kGauge, kHistogram };

// What is said once of all series of one name. A classic histogram's name is without _bucket, _sum, _count.
struct Family {
    std::string name;
    FamilyType type = FamilyType::kGauge;
    std::string help;
    std::string unit;
    bool native = false;  // kHistogram alone: each sample is a whole NativeHistogram, not one bucket, sum or count
    bool operator==(const Family&) const = default;
};

// A base-2 exponential histogram, cumulative. Bucket i holds (base^(i-1), base^i] with base = 2^(2^-schema), as
// Prometheus numbers them; OTLP's index of the same bucket is i - 1.
struct NativeHistogram {
    std::int32_t schema = 0;
    double zero_threshold = 0;  // what lies at or below it is in zero_count
    std::uint64_t zero_count = 0;
    std::uint64_t count = 0;             // of everything: the zero bucket and all others add up to it
    double sum = 0;                      // NaN where the tier keeps none
    std::int32_t first_bucket = 0;       // the number of buckets[0]
    std::vector<std::uint64_t> buckets;  // observations in each; neither the first nor the last is 0
    bool operator==(const NativeHistogram&) const = default;
};

// One sample on its way. The labels (with __name__), the family and the histogram are owned by someone else.
struct WireSample {
    const LabelSet* labels = nullptr;
    const Family* family = nullptr;
    std::int64_t timestamp_ms = 0;
    double value = 0;  // stale_marker(): the series has ended, also that of a native histogram
    // Of a cumulative series: when it began to count; the zero that is sent for that time has it as its own time, all
    // others are later. 0: not cumulative, or not known.
    std::int64_t start_ms = 0;
    // Of a native family, unless the sample is a stale marker; else null.
    const NativeHistogram* histogram = nullptr;
};

// A NaN with these bits says that the series has ended.
inline constexpr std::uint64_t kStaleBits = 0x7ff0000000000002;
// The NaN of all other cases.
inline constexpr std::uint64_t kQuietNanBits = 0x7ff8000000000001;

inline double stale_marker() { return std::bit_cast<double>(kStaleBits); }
inline bool is_stale(const WireSample& sample) { return std::bit_cast<std::uint64_t>(sample.value) == kStaleBits; }

// Any NaN becomes the ordinary one, so that none is taken for a stale marker; the rest is unchanged.
inline double ordinary(double value) { return std::isnan(value) ? std::bit_cast<double>(kQuietNanBits) : value; }

}  // namespace ringside::agent
