// How large a request can get at most, whatever the protocol, so that a batch can be cut before it is encoded.
#pragma once

#include <cstddef>

#include "agent/upstream/wire_sample.h"

namespace ringside::agent {

// An upper bound of what the sample adds to a request before compression, without its family.
std::size_t wire_bytes(const WireSample& sample);
// What its family adds once.
std::size_t wire_bytes(const Family& family);

}  // namespace ringside::agent
