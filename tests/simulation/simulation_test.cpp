// Days of a host in seconds, under one seed. A failing seed is printed; RINGSIDE_SEED repeats it.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tests/simulation/mutants.h"
#include "tests/simulation/world.h"
#include "tests/support/run_length.h"

namespace ringside::simulation {
namespace {

void print(const Findings& findings) {
    for (const auto& [what, count] : findings.tried)
        std::printf("  %s: %llu\n", what.c_str(), static_cast<unsigned long long>(count));
}

// What goes wrong on a bad day, all at once.
Plan bad_time(std::uint64_t seed, std::uint64_t duration_ns, std::size_t vms) {
    Plan plan;
    plan.seed = seed;
    plan.duration_ns = duration_ns;
    plan.vms = vms;
    plan.crash_every_ns = 40 * kMinute;
    plan.crash_in_drains = 10;
    plan.disk_trouble_every_ns = 4 * kHour;
    plan.receiver_trouble_every_ns = 2 * kHour;
    return plan;
}

void expect_no_fault(const Plan& plan) {
    std::printf("RINGSIDE_SEED=%llu repeats this run\n", static_cast<unsigned long long>(plan.seed));
    World world(plan);
    const Findings& findings = world.run();
    print(findings);
    EXPECT_EQ(findings.faults(), 0u) << "RINGSIDE_SEED=" << plan.seed << "\n" << findings.text();
}

TEST(Simulation, LosesNothingInAQuietTime) {
    Plan plan;
    plan.seed = chosen_seed();
    plan.duration_ns = 4 * kHour;
    expect_no_fault(plan);
}

TEST(Simulation, LosesNothingOnABadDay) { expect_no_fault(bad_time(chosen_seed(), kDay, 20)); }

// Steps of the clock among all the rest meet what docs/known-defects.md tells of with about one seed in a hundred, so that the
// suite has seeds of its own, each of which found something once. A soak draws one.
TEST(Simulation, LosesOnlyWhatItTellsOfWhenTheClockIsSet) {
    std::vector<std::uint64_t> seeds = {4, 5, 907'518'930};
    if (std::getenv("RINGSIDE_SOAK") || std::getenv("RINGSIDE_SEED")) seeds = {chosen_seed()};
    for (const std::uint64_t seed : seeds) {
        Plan plan = bad_time(seed, kDay / 2, 16);
        plan.clock_step_every_ns = kHour;
        expect_no_fault(plan);
    }
}

// A host of 200 VMs for 30 days; RINGSIDE_SIMULATED_DAYS and RINGSIDE_SIMULATED_VMS say otherwise.
TEST(Simulation, LosesNothingInABadMonth) {
    if (!std::getenv("RINGSIDE_SOAK")) GTEST_SKIP() << "./dev soak runs it, and RINGSIDE_SOAK=1";
    const std::uint64_t days = number_from("RINGSIDE_SIMULATED_DAYS", 30);
    Plan plan = bad_time(chosen_seed(), days * kDay, number_from("RINGSIDE_SIMULATED_VMS", 200));
    plan.sweep_every_ns = 30 * kSecond;  // most of the time of a month goes into looks at VMs that have nothing to say
    expect_no_fault(plan);
}

TEST(Simulation, IsTheSameRunForTheSameSeed) {
    auto hash = [](std::uint64_t seed) { return World(bad_time(seed, 3 * kHour, 6)).run().hash(); };
    const std::uint64_t seed = chosen_seed();
    const std::uint64_t once = hash(seed);
    EXPECT_EQ(hash(seed), once) << "RINGSIDE_SEED=" << seed;
    EXPECT_NE(hash(seed + 1), once);
}

// Deaths are many here, and it has to come to rest soon: some mutants never do.
Plan plan_of_mutants() {
    Plan plan = bad_time(chosen_seed(), 6 * kHour, 8);
    plan.crash_every_ns = 5 * kMinute;
    plan.settle_max_ns = 30 * kMinute;
    return plan;
}

TEST(Simulation, FindsNothingInThePlansOfMutantsWithoutThem) {
    Plan plan = plan_of_mutants();
    plan.receiver_trouble_every_ns = 10 * kMinute;
    plan.crash_in_drains = 2;
    expect_no_fault(plan);
}

class Mutants : public testing::TestWithParam<Mutant> {};

TEST_P(Mutants, AreCaught) {
    Plan plan = plan_of_mutants();
    GetParam().apply(plan);
    World world(plan);
    const Findings& findings = world.run();
    std::printf("%s", findings.text().c_str());
    EXPECT_GT(findings.faults(), 0u) << GetParam().name << " was not caught, RINGSIDE_SEED=" << plan.seed;
}

INSTANTIATE_TEST_SUITE_P(Simulation, Mutants, testing::ValuesIn(mutants()),
                         [](const auto& mutant) { return mutant.param.name; });

}  // namespace
}  // namespace ringside::simulation
