// Lists of 64-bit words as columns have them, and as they never should be: for tests of what packs them.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace ringside::agent {

inline constexpr int kValueSeriesKinds = 14;

// `kind` below kValueSeriesKinds. The same state of `random` gives the same list on every machine.
inline std::vector<std::uint64_t> value_series(int kind, std::size_t count, std::mt19937_64& random) {
    const std::uint64_t nasty[] = {0,
                                   1,
                                   UINT64_MAX,
                                   std::uint64_t{1} << 63,
                                   INT64_MAX,
                                   std::bit_cast<std::uint64_t>(-0.0),
                                   std::bit_cast<std::uint64_t>(std::numeric_limits<double>::infinity()),
                                   std::bit_cast<std::uint64_t>(-std::numeric_limits<double>::infinity()),
                                   std::bit_cast<std::uint64_t>(std::numeric_limits<double>::denorm_min()),
                                   std::bit_cast<std::uint64_t>(std::numeric_limits<double>::max()),
                                   UINT64_C(0x7ff8000000000000),
                                   UINT64_C(0x7ff0000000000002),   // a signalling NaN
                                   UINT64_C(0xffffffffffffffff)};  // a NaN with every bit set
    std::vector<std::uint64_t> values;
    std::uint64_t counter = random() >> (random() % 64);
    double sum = static_cast<double>(random() % 1'000'000) / 1000;
    const std::uint64_t scale = std::uint64_t{1} << random() % 40;
    const std::uint64_t constant = nasty[random() % std::size(nasty)];
    for (std::size_t i = 0; i < count; ++i) {
        auto bits = [](double value) { return std::bit_cast<std::uint64_t>(value); };
        switch (kind) {
            case 0: values.push_back(constant); break;
            case 1: values.push_back(counter += random() % 100); break;
            case 2: values.push_back(counter += 1000 * scale); break;
            case 3: values.push_back(counter += scale * (random() % 10 == 0 ? random() % 1000 : 0)); break;
            case 4: values.push_back(counter = random() % 50 == 0 ? 0 : counter + random() % 7); break;  // resets
            case 5: values.push_back(random()); break;
            case 6: values.push_back(nasty[random() % std::size(nasty)]); break;
            case 7: values.push_back(random() >> random() % 64); break;
            case 8: values.push_back(bits(static_cast<double>(random() % 10'000) / 100)); break;
            case 9: values.push_back(bits(sum += static_cast<double>(random() % 1000) / 1e6)); break;
            case 10: values.push_back(bits(-sum + static_cast<double>(random() % 100) / 7)); break;
            case 11:  // decimals with holes
                values.push_back(random() % 8 == 0 ? nasty[random() % std::size(nasty)]
                                                   : bits(static_cast<double>(random() % 100) / 10));
                break;
            case 12: values.push_back(bits(static_cast<double>(4096 * (random() % 1'000'000)))); break;
            default: values.push_back(UINT64_MAX - random() % 3); break;
        }
    }
    return values;
}

// Sizes around the ends of groups, and small ones.
inline std::size_t value_count(std::mt19937_64& random) {
    constexpr std::size_t kCounts[] = {1, 2, 3, 31, 32, 33, 34, 63, 64, 65, 66, 300, 1000};
    return kCounts[random() % std::size(kCounts)];
}

}  // namespace ringside::agent
