#include "libwriter/toml/schema_parsed.h"

namespace ringside {
namespace {

// Obeys every rule, and stands in where only the rest of a schema is in question.
constexpr rside_metric kHarmless = {"harmless", RSIDE_COUNTER, 0, nullptr, nullptr, nullptr, 0, 1, 0, 0.0, 0.0};

bool breaks(rside_schema part) { return rside_schema_size(&part, nullptr) == 0; }

}  // namespace

// A rule stays broken when more is added, so the shortest beginning of the schema that breaks one ends with the culprit.
Position culprit(const ParsedSchema& parsed, const rside_schema& schema) {
    rside_schema part = {schema.name, schema.version, rside_default_tiers, 3, &kHarmless, 1, 0};
    if (breaks(part)) return parsed.name_position;
    part.label_arena_bytes = schema.label_arena_bytes;
    if (breaks(part)) return parsed.arena_position;

    part.tiers = schema.tiers;
    for (part.tier_count = 1; part.tier_count <= parsed.tiers.size(); ++part.tier_count) {
        if (breaks(part)) return parsed.tiers[part.tier_count - 1].position;
    }

    part = schema;
    std::uint32_t sound = 0;
    std::uint32_t broken = schema.metric_count;
    while (broken - sound > 1) {
        part.metric_count = sound + (broken - sound) / 2;
        (breaks(part) ? broken : sound) = part.metric_count;
    }
    return parsed.metrics[broken - 1].position;
}

}  // namespace ringside
