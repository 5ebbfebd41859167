#include "agent/upstream/tally.h"

#include <xxhash.h>

#include "agent/base/bytes.h"

namespace ringside::agent {
namespace {

void put_histogram(ByteWriter& out, const NativeHistogram& histogram) {
    out.i32(histogram.schema);
    out.f64(histogram.zero_threshold);
    out.u64(histogram.zero_count);
    out.u64(histogram.count);
    out.f64(histogram.sum);
    out.i32(histogram.first_bucket);
    out.u64s(histogram.buckets);
}

}  // namespace

void Tally::add(const WireSample& sample) {
    ByteWriter out;
    for (const Label& label : *sample.labels) {
        out.text(label.name);
        out.text(label.value);
    }
    out.u64(static_cast<std::uint64_t>(sample.timestamp_ms));
    if (sample.histogram != nullptr) {
        put_histogram(out, *sample.histogram);
    } else {
        out.f64(sample.value);
    }
    ++samples;
    digest += XXH3_64bits(out.bytes().data(), out.bytes().size());
}

void Tally::add(const Tally& other) {
    samples += other.samples;
    digest += other.digest;
}

void Tally::remove(const Tally& part) {
    samples -= part.samples;
    digest -= part.digest;
}

}  // namespace ringside::agent
