// Seeded bytes for the evaluator's fuzz entry. RINGSIDE_SEED=n repeats a run; RINGSIDE_SOAK=1 makes it long.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/support/run_length.h"

bool promql_engine_fuzz_one(const std::uint8_t* data, std::size_t size);

namespace {

TEST(PromqlEngineFuzz, RandomQueriesNeitherCrashNorDifferStepByStep) {
    std::uint64_t seed = ringside::number_from("RINGSIDE_SEED", 1);
    std::uint64_t runs = ringside::longer_in_soak(10'000);
    std::uint64_t answered = 0;
    std::vector<std::uint8_t> bytes(200);
    for (std::uint64_t run = 0; run < runs; ++run) {
        std::mt19937_64 random(seed + run);
        for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
        if (promql_engine_fuzz_one(bytes.data(), bytes.size())) ++answered;
    }
    // Otherwise it would be the refusals that are tested.
    EXPECT_GT(answered * 3, runs);
}

}  // namespace
