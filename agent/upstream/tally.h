// A count and a digest of samples, whatever their order: two sides that hold the same samples have the same tally.
//
// The digest is the sum, modulo 2^64, of one XXH3 hash (xxhash.com) a sample, over its labels, its time and the bits of
// its value. It finds mistakes, not forgeries.
#pragma once

#include <cstdint>

#include "agent/upstream/wire_sample.h"

namespace ringside::agent {

struct Tally {
    std::uint64_t samples = 0;
    std::uint64_t digest = 0;

    void add(const WireSample& sample);
    void add(const Tally& other);
    void remove(const Tally& part);  // that was added before
    bool operator==(const Tally&) const = default;
};

}  // namespace ringside::agent
