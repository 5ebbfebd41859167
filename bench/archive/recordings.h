// What archive_bench packs: the windows of real segments.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/base/model.h"

namespace ringside::bench {

struct Recording {
    std::string name;  // "host", "demo_vmm": that of the schema
    std::shared_ptr<const agent::SeriesSource> source;
};

// The segments that RINGSIDE_BENCH_SEGMENTS names, separated by colons, as they are at this moment. Without it, those that
// the host collector and the demo VMM record meanwhile, for RINGSIDE_BENCH_SECONDS (30). Ends the program with a message
// when there are none.
std::vector<Recording> recordings();

}  // namespace ringside::bench
