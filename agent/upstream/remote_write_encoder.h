// Samples to the body of a remote write request. Pure: the same input gives the same bytes. The files that know the
// protocol's protobuf are remote_write_encoder.cpp (1.0) and remote_write_2_encoder.cpp.
#pragma once

#include <span>
#include <string>

#include "agent/upstream/wire_sample.h"

namespace ringside::agent {

// Both give a snappy block. Neighbours with the same label set (the same object) become one time series, in the order
// given.

// 1.0: then the metadata of each family that occurs, once, in the order of first use. Start times have no place.
std::string encode_write_request(std::span<const WireSample> samples);

// 2.0: each text stands once in the table of symbols, in the order of first use; each series carries its metadata.
std::string encode_write_request_2(std::span<const WireSample> samples);

}  // namespace ringside::agent
