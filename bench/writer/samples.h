// What every case records: the same numbers for us and for the peers.
#pragma once

#include <array>
#include <cstddef>

namespace ringside::bench {

inline constexpr std::size_t kSamples = 1024;  // 8 KiB: stays in the first-level cache

// Latencies in seconds, log-normal around 200 us: most lie between 30 us and 1.5 ms. The same in every run.
const std::array<double, kSamples>& samples();

}  // namespace ringside::bench
