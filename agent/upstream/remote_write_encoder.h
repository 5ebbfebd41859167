// Samples to the body of a remote write 1.0 request. Pure; the one file that knows its protobuf.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "agent/upstream/wire_sample.h"

namespace ringside::agent {

// An upper bound of what the sample adds to a request before compression, without its family.
std::size_t wire_bytes(const WireSample& sample);
std::size_t wire_bytes(const Family& family);

// The snappy block of a WriteRequest: neighbours with the same label set (the same object) become one
// time series, in the order given; then the metadata of each family that occurs, once, in the order of
// first use. The same input gives the same bytes.
std::string encode_write_request(std::span<const WireSample> samples);

}  // namespace ringside::agent
