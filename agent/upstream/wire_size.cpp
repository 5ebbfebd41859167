#include "agent/upstream/wire_size.h"

namespace ringside::agent {
namespace {

// A tag of up to 2 bytes and a length of up to 2^28 before each message or text: never more than this.
constexpr std::size_t kFieldBytes = 2 + 4;
// A tag and the longest varint.
constexpr std::size_t kVarintBytes = 2 + 10;

std::size_t wire_bytes(const NativeHistogram& histogram) {
    // Its numbers, a delta or a count for each bucket, and a span for every third at most.
    constexpr std::size_t kSpanBytes = kFieldBytes + 2 * kVarintBytes;
    return 10 * kVarintBytes + 3 * kFieldBytes + histogram.buckets.size() * (kVarintBytes + kSpanBytes / 3) +
           kSpanBytes;
}

}  // namespace

std::size_t wire_bytes(const WireSample& sample) {
    // OTLP is the longest: resource, scope, metric, its kind and the point, two times, a value, flags and more.
    std::size_t bytes = 10 * kFieldBytes + 8 * kVarintBytes;
    // A label there is a pair of a text and a value that holds one.
    for (const Label& label : *sample.labels) bytes += 4 * kFieldBytes + label.name.size() + label.value.size();
    // A stale marker of a native histogram has no buckets.
    if (sample.histogram != nullptr) bytes += wire_bytes(*sample.histogram);
    return bytes;
}

std::size_t wire_bytes(const Family& family) {
    return 4 * kFieldBytes + 2 + family.name.size() + family.help.size() + family.unit.size();
}

}  // namespace ringside::agent
