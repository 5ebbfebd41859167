// What start timestamps tell about counters.
#pragma once

#include <cstdint>

namespace ringside::agent::promql {

// A sample's time and since when its counter counts, 0 where unknown.
struct SampleTimes {
    std::int64_t start_ms = 0;
    std::int64_t time_ms = 0;
};

// Whether the counter started again between two samples.
inline bool started_again(const SampleTimes& before, const SampleTimes& now) {
    if (now.start_ms == 0 || now.start_ms >= now.time_ms) return false;  // unknown, or not to be believed
    if (now.start_ms != before.time_ms) return now.start_ms > before.time_ms;
    // A start right at the sample before: one delta after the other, or a counter that never knew its start and was
    // given this one. Only with deltas did the sample before know, too.
    return before.start_ms != 0 && before.start_ms < before.time_ms;
}

// Whether two samples claim to count the same time, which neither deltas nor counters do.
inline bool starts_overlap(const SampleTimes& before, const SampleTimes& now) {
    return now.start_ms != 0 && now.start_ms < before.time_ms && now.start_ms != before.start_ms;
}

}  // namespace ringside::agent::promql
