// Days of a host in seconds, under one seed. A failing seed is printed; RINGSIDE_SEED repeats it.
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/simulation/world.h"
#include "tests/support/run_length.h"

namespace ringside::simulation {
namespace {

void print(const Findings& findings) {
    for (const auto& [what, count] : findings.tried)
        std::printf("  %s: %llu\n", what.c_str(), static_cast<unsigned long long>(count));
}

TEST(Simulation, LosesNothingOnAQuietDay) {
    Plan plan;
    plan.seed = chosen_seed();
    SCOPED_TRACE("RINGSIDE_SEED=" + std::to_string(plan.seed));
    World world(plan);
    const Findings& findings = world.run();
    print(findings);
    EXPECT_EQ(findings.faults(), 0u) << findings.text();
    EXPECT_GT(findings.tried.at("samples"), 10'000u);
}

}  // namespace
}  // namespace ringside::simulation
