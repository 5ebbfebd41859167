// A wall clock that stands, for set-up of segments that begin in the past: records take their time from the tick, but the
// library asks the clock when a VM is created, and windows before that are none of its.
#pragma once

#include <cstdint>

namespace ringside::bench {

// From now on CLOCK_REALTIME is `ns` for the library in this process; the program is linked with --wrap=clock_gettime.
void stand_at(std::uint64_t ns);

}  // namespace ringside::bench
