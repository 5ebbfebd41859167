// What every VM of the bench records, second by second: the same for the segments and for what the peers are sent.
#pragma once

#include <ringside/ringside.h>

#include <array>
#include <cstdint>
#include <string>

namespace ringside::bench {

inline constexpr std::uint32_t kCounters = 100;     // m{s="0".."99"}
inline constexpr std::uint64_t kDataSeconds = 335;  // five minutes, and what rate() looks back to before them
inline constexpr std::uint32_t kObservations = 4;   // of the histogram h, in a second
inline constexpr std::uint32_t kBucketsMax = 32;    // of h
inline constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

// The schema of a VM: the tier of seconds is longer than the data, so that they are still all there when the peers, which take
// a minute to be filled, are asked for them.
const rside_schema& schema();

// The buckets of h; bucket_bound(i) is the upper bound of bucket i.
std::uint32_t bucket_count();
double bucket_bound(std::uint32_t bucket);

std::string vm_name(std::uint32_t vm);

// What a VM adds to a counter in a second of its life, the first of which is 1.
inline std::uint64_t counter_delta(std::uint32_t vm, std::uint32_t counter, std::uint64_t second) {
    return 1 + vm + (counter * 7 + second * 31) % 97;
}
// The bucket of one of its observations, and the value, which lies in the middle of it.
std::uint32_t observed_bucket(std::uint32_t vm, std::uint64_t second, std::uint32_t observation);
double observed_value(std::uint32_t bucket);

// All that a VM has recorded so far.
struct VmTotals {
    std::array<std::uint64_t, kCounters> counters{};
    std::array<std::uint64_t, kBucketsMax> buckets{};  // not cumulative
    double sum = 0;
};

void add_second(std::uint32_t vm, std::uint64_t second, VmTotals& totals);

}  // namespace ringside::bench
