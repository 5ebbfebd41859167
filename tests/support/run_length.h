// How long and with what seed a random test runs: what the caller's environment says, or the suite's own choice.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>

namespace ringside {

inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* given = std::getenv(variable);
    return given ? std::strtoull(given, nullptr, 0) : otherwise;
}

inline std::uint64_t longer_in_soak(std::uint64_t usually) {
    return std::getenv("RINGSIDE_SOAK") ? usually * 20 : usually;
}

// RINGSIDE_SEED repeats a run.
inline std::uint64_t chosen_seed() { return number_from("RINGSIDE_SEED", std::random_device{}()); }

}  // namespace ringside
