// Uses everything that agent/segment offers on an image that may be anything, and checks what must hold whatever it is.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "agent/segment/open.h"

namespace ringside::agent::test {

struct Exercised {
    bool accepted = false;
    Refusal refusal;  // when not accepted
    std::size_t series = 0;
    std::size_t points = 0;
    // What does not hold, one line each; empty is good.
    std::vector<std::string> broken;
};

// Opens `bytes` as an image, reads all of it as a live and as a dead VM.
Exercised exercise(std::vector<std::byte> bytes, std::uint64_t now_ns);

// The same for a segment that is open already.
void exercise(LiveSegment& segment, std::uint64_t now_ns, Exercised* result);

}  // namespace ringside::agent::test
