// Which processor and which cores a run uses.
#pragma once

#include <string>

namespace ringside::bench {

// Keeps the calling thread on the last core that the caller of the program allows, since interrupts tend to go to the first
// one, and returns it. Another one: `taskset -c N`. Once, in main.
int stay_on_measured_core();

// A core other than that, or -1 where only one is allowed.
int second_core();

// As /proc/cpuinfo names it.
std::string cpu_model();

// Keeps the calling thread on `core`.
void stay_on(int core);

}  // namespace ringside::bench
