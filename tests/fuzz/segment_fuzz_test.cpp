// Seeded mutations of sound segments. RINGSIDE_SEED=n repeats a run; RINGSIDE_SOAK=1 makes it long.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <random>

#include "tests/support/segment_builder.h"

bool segment_fuzz_one(const std::uint8_t* data, std::size_t size);

namespace ringside::agent::test {
namespace {

std::uint64_t setting(const char* name, std::uint64_t usual) {
    const char* text = std::getenv(name);
    return text != nullptr ? std::strtoull(text, nullptr, 10) : usual;
}

SegmentBuilder small_segment() {
    SegmentBuilder builder = SegmentBuilder::example();
    std::uint32_t counter = builder.add("requests_total", {"/a"});
    for (std::uint64_t w = 1010; w < 1018; ++w) builder.counter_slot(counter, 0, w, w);
    builder.set_open(counter, 1018 * kSecond);
    std::uint32_t level = builder.add("memory_bytes", {"heap"});
    for (std::uint64_t w = 1010; w < 1018; ++w) builder.gauge_slot(level, 0, w, {kSecond, 2, 2, 2, 2});
    builder.set_open(level, 1018 * kSecond);
    builder.set_level(level, {0, 0, 2, 2, 2}, 1018 * kSecond);
    std::uint32_t histogram = builder.add("io_seconds", {"vda"});
    for (std::uint32_t w = 1010; w < 1018; ++w) builder.histogram_slot(histogram, 0, w, w, 1, {w - 1000, 1, 0, 0, 0});
    builder.set_open(histogram, 1018 * kSecond);
    builder.set_histogram(histogram, 2000, 9, {100, 1, 0, 0, 0});
    builder.add("build_info", {"1.0"});
    return builder;
}

// One tier, no labels, one metric: a schema that mutations can grow a long way without outgrowing the file.
SegmentBuilder tiny_segment() {
    SegmentBuilder builder;
    builder.tiers = {{1, 4, 127}};
    builder.metrics = {{"up", kInfo, 1}};
    builder.lay_out();
    builder.add("up");
    return builder;
}

class Mutator {
  public:
    explicit Mutator(std::uint64_t seed) : random_(seed) {}

    std::vector<std::uint8_t> mutate(const SegmentBuilder& builder) {
        const auto* begin = reinterpret_cast<const std::uint8_t*>(builder.bytes.data());
        std::vector<std::uint8_t> bytes(begin, begin + builder.bytes.size());
        std::uint64_t count = 1 + random_() % 6;
        for (std::uint64_t i = 0; i < count && !bytes.empty(); ++i) change(bytes, builder);
        bytes.push_back(static_cast<std::uint8_t>(random_() % 16 == 0 ? 0 : 1));
        return bytes;
    }

  private:
    // Most changes go where the structure is.
    std::uint64_t place(const std::vector<std::uint8_t>& bytes, const SegmentBuilder& builder) {
        std::uint64_t begin = 0, end = bytes.size();
        switch (random_() % 6) {
            case 0: begin = 512, end = 1400; break;
            case 1:
            case 2: begin = builder.at.schema, end = builder.at.schema + builder.at.schema_bytes; break;
            case 3: begin = builder.at.directory, end = builder.at.cells; break;
            case 4: begin = builder.at.cells, end = builder.at.rings; break;
            default: break;
        }
        end = std::min<std::uint64_t>(end, bytes.size());
        return begin < end ? begin + random_() % (end - begin) : random_() % bytes.size();
    }

    std::uint64_t value() {
        static constexpr std::uint64_t kEdges[] = {0,
                                                   1,
                                                   2,
                                                   0x7f,
                                                   0x80,
                                                   0xff,
                                                   0x7fff,
                                                   0xffff,
                                                   0x7fffffff,
                                                   0x80000000,
                                                   0xffffffff,
                                                   0x7fffffffffffffff,
                                                   0x8000000000000000,
                                                   0xffffffffffffffff};
        switch (random_() % 3) {
            case 0: return kEdges[random_() % std::size(kEdges)];
            case 1: return random_() % 64;
            default: return random_();
        }
    }

    void change(std::vector<std::uint8_t>& bytes, const SegmentBuilder& builder) {
        std::uint64_t at = place(bytes, builder);
        std::uint64_t width = std::uint64_t{1} << random_() % 4;
        switch (random_() % 8) {
            case 0: bytes[at] ^= static_cast<std::uint8_t>(1 << random_() % 8); break;
            case 1: bytes.resize(random_() % 8 == 0 ? at : bytes.size()); break;
            case 2: {
                std::uint64_t from = place(bytes, builder);
                std::uint64_t size = std::min<std::uint64_t>({random_() % 64, bytes.size() - at, bytes.size() - from});
                std::memmove(bytes.data() + at, bytes.data() + from, size);
                break;
            }
            default: {
                at = at / width * width;
                std::uint64_t word = value();
                if (at + width <= bytes.size()) std::memcpy(bytes.data() + at, &word, width);
            }
        }
    }

    std::mt19937_64 random_;
};

TEST(SegmentFuzz, HoldsUnderSeededMutations) {
    std::uint64_t seed = setting("RINGSIDE_SEED", 20261121);
    std::uint64_t runs = std::getenv("RINGSIDE_SOAK") != nullptr ? 1'000'000 : 20'000;
    if (std::getenv("RINGSIDE_SOAK") != nullptr && std::getenv("RINGSIDE_SEED") == nullptr)
        seed = std::random_device{}();
    RecordProperty("seed", std::to_string(seed));
    std::printf("RINGSIDE_SEED=%llu\n", static_cast<unsigned long long>(seed));
    SegmentBuilder bases[] = {small_segment(), tiny_segment()};
    Mutator mutator(seed);
    std::uint64_t accepted = 0;
    for (std::uint64_t i = 0; i < runs; ++i) {
        std::vector<std::uint8_t> input = mutator.mutate(bases[i % 4 == 0 ? 1 : 0]);
        if (segment_fuzz_one(input.data(), input.size())) ++accepted;
    }
    // Neither all at the gate nor all through it: both sides were under test.
    EXPECT_GT(accepted, runs / 20);
    EXPECT_LT(accepted, runs - runs / 20);
}

}  // namespace
}  // namespace ringside::agent::test
