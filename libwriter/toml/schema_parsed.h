// What stands in a schema's text, with the places where it stands.
#pragma once

#include <ringside/schema.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ringside {

struct Position {
    std::uint32_t line = 1;
    std::uint32_t column = 1;
};

struct ParsedTier {
    rside_tier tier{};
    Position position;
};

struct ParsedMetric {
    std::string name, unit, help;
    std::vector<std::string> labels;
    std::vector<const char*> label_pointers;
    rside_metric metric{};
    Position position;
};

struct ParsedSchema {
    std::string name;
    std::uint32_t version = 1;
    std::uint32_t label_arena_bytes = 0;
    Position name_position, arena_position;
    std::vector<ParsedTier> tiers;
    std::vector<ParsedMetric> metrics;
};

// The place in the text that made `schema`, which was read from it, break a rule of the library.
Position culprit(const ParsedSchema& parsed, const rside_schema& schema);

}  // namespace ringside
