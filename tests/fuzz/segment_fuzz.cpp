// Fuzz entry for segments in memory. The suite drives it with seeded mutations (segment_fuzz_test.cpp); for a guided run,
// from the root of the project:
//
//     clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -I. -Ilibwriter/include -o segment_fuzz
//         tests/fuzz/segment_fuzz.cpp tests/support/segment_exercise.cpp agent/segment/*.cpp agent/base/*.cpp
//     ./segment_fuzz -max_len=65536 corpus/
//
// Input: the bytes of a file, then one byte. When that is odd, hash and checksum are made right first: otherwise hardly
// any input would get past them.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "agent/base/crc32c.h"
#include "tests/support/segment_exercise.h"

namespace {

constexpr std::size_t kHeaderBytes = 4096;
constexpr std::uint64_t kNowNs = 1'020'000'000'000;

void seal(std::vector<std::byte>& bytes) {
    if (bytes.size() < kHeaderBytes) return;
    auto put = [&](std::size_t offset, auto value) { std::memcpy(bytes.data() + offset, &value, sizeof value); };
    std::uint64_t size;
    std::memcpy(&size, bytes.data() + 696, sizeof size);
    if (size > bytes.size() - kHeaderBytes) return;
    std::uint64_t hash = 0xcbf29ce484222325;
    for (std::size_t i = 0; i < size; ++i) {
        hash = (hash ^ static_cast<std::uint64_t>(bytes[kHeaderBytes + i])) * 0x100000001b3;
    }
    put(528, static_cast<std::uint64_t>(bytes.size()));
    put(536, hash);
    std::uint32_t checksum = ringside::agent::crc32c(0, bytes.data(), 1020);
    put(1020, ringside::agent::crc32c(checksum, bytes.data() + kHeaderBytes, size));
}

}  // namespace

// Whether the input was taken for a segment. Ends the process when something does not hold.
bool segment_fuzz_one(const std::uint8_t* data, std::size_t size);

bool segment_fuzz_one(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return false;
    const auto* begin = reinterpret_cast<const std::byte*>(data);
    std::vector<std::byte> bytes(begin, begin + size - 1);
    if ((data[size - 1] & 1) != 0) seal(bytes);
    ringside::agent::test::Exercised result = ringside::agent::test::exercise(std::move(bytes), kNowNs);
    for (const std::string& broken : result.broken) std::fprintf(stderr, "does not hold: %s\n", broken.c_str());
    if (!result.broken.empty()) std::abort();
    return result.accepted;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    segment_fuzz_one(data, size);
    return 0;
}
