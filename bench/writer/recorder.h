// Segments to record into, with the default tiers (1s x 300, 10s x 360, 5m x 288) and all columns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ringside/ringside.hpp>
#include <vector>

namespace ringside::bench {

// One series of each kind.
struct Recorder {
    Segment segment;
    Counter counter;
    SharedCounter shared;
    Gauge gauge;
    Level level;
    Histogram histogram;
};

// Gauges in a random order that is the same in every run: 16 bytes of handle each, read one after the other. Of few gauges
// several orders, so that a round has about as many records as one of many.
inline constexpr std::size_t kManyGauges = 10'000;
inline constexpr std::size_t kSomeGauges = 100;
inline constexpr std::size_t kSomeRounds = 10;
struct Gauges {
    Segment segment;
    std::vector<Gauge> in_random_order;
};

// Made at the first call for each clock and kept until the end. 421 MB of /dev/shm for each that is many.
const Recorder& recorder(rside_clock clock);
const Gauges& many_gauges(rside_clock clock);
const Gauges& some_gauges();     // in tick mode, as are the next
const Gauges& turning_gauges();  // as many, for a case that moves the time by itself

// What a VMM's loop hands to rside_tick.
std::uint64_t now_ns();

}  // namespace ringside::bench
