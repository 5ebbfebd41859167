#include "bench/writer/samples.h"

#include <cmath>
#include <random>

namespace ringside::bench {

const std::array<double, kSamples>& samples() {
    static const auto table = [] {
        std::array<double, kSamples> made{};
        std::mt19937_64 random(1);
        std::lognormal_distribution<double> latency(std::log(200e-6), 1.0);
        for (double& value : made) value = latency(random);
        return made;
    }();
    return table;
}

}  // namespace ringside::bench
