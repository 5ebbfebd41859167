// What goes to a receiver, whatever the protocol: samples, their labels and what is said of their
// families.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <string>

#include "agent/base/labels.h"

namespace ringside::agent {

enum class FamilyType { kCounter, kGauge, kHistogram };

// What is said once of all series of one name. A histogram's name is without _bucket, _sum, _count.
struct Family {
    std::string name;
    FamilyType type = FamilyType::kGauge;
    std::string help;
    std::string unit;
};

// One sample on its way. The labels (with __name__) and the family are owned by someone else.
struct WireSample {
    const LabelSet* labels = nullptr;
    const Family* family = nullptr;
    std::int64_t timestamp_ms = 0;
    double value = 0;
};

// A NaN with these bits says that the series has ended.
inline constexpr std::uint64_t kStaleBits = 0x7ff0000000000002;
// The NaN of all other cases.
inline constexpr std::uint64_t kQuietNanBits = 0x7ff8000000000001;

inline double stale_marker() { return std::bit_cast<double>(kStaleBits); }

// Any NaN becomes the ordinary one, so that none is taken for a stale marker; the rest is unchanged.
inline double ordinary(double value) { return std::isnan(value) ? std::bit_cast<double>(kQuietNanBits) : value; }

}  // namespace ringside::agent
