#include "bench/writer/core.h"

#include <sched.h>

#include <fstream>
#include <string>

#include "bench/writer/scratch.h"

namespace ringside::bench {
namespace {

int second = -1;  // written once, by stay_on_measured_core

int last_of(const cpu_set_t& cores) {
    int core = CPU_SETSIZE - 1;
    while (core >= 0 && !CPU_ISSET(core, &cores)) --core;
    return core;
}

}  // namespace

std::string cpu_model() {
    std::ifstream cpus("/proc/cpuinfo");
    for (std::string line; std::getline(cpus, line);) {
        const auto colon = line.find(": ");
        if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
    }
    return "unknown CPU";
}

void stay_on(int core) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) fail("cannot stay on core " + std::to_string(core));
}

int stay_on_measured_core() {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) fail("sched_getaffinity failed");
    const int core = last_of(allowed);
    CPU_CLR(core, &allowed);
    second = last_of(allowed);
    stay_on(core);
    return core;
}

int second_core() { return second; }

}  // namespace ringside::bench
