// What `ringsidectl schema size` says of a schema, against a segment that the writer library laid out from it. The fixed
// part is what is left of the segment: whatever else were told wrong would show up in it, and the sum would still hold.
#include <gtest/gtest.h>

#include <cstring>

#include "libwriter/toml/schema_toml.h"
#include "libwriter/toml/standard_schemas.h"
#include "tests/unit/libwriter/writer.h"
#include "tools/ringsidectl/schema_cost.h"

namespace ringside::ctl {
namespace {

// The bytes of a segment that waits for its writer.
std::vector<std::uint8_t> laid_out(const rside_schema& schema) {
    agent::TemporaryFolder folder{"/dev/shm"};
    const rside_options options = plain_options(folder.path(), &schema);
    char path[300];
    rside_error error = {};
    if (rside_segment_provision(&options, path, sizeof path, &error) != 0) {
        ADD_FAILURE() << error.text;
        return {};
    }
    return plain::read_bytes(path);
}

void expect_cost_as_laid_out(const rside_schema& schema) {
    SCOPED_TRACE(schema.name);
    const std::vector<std::uint8_t> bytes = laid_out(schema);
    ASSERT_GT(bytes.size(), sizeof(rside_header));
    rside_schema_block block;
    std::memcpy(&block, bytes.data() + sizeof(rside_header), sizeof block);
    std::vector<rside_tier_record> tiers(block.tier_count);
    std::vector<rside_metric_record> metrics(block.metric_count);
    const std::uint8_t* at = bytes.data() + sizeof(rside_header) + sizeof block;
    std::memcpy(tiers.data(), at, tiers.size() * sizeof tiers[0]);
    std::memcpy(metrics.data(), at + tiers.size() * sizeof tiers[0], metrics.size() * sizeof metrics[0]);
    rside_geometry whole;
    std::vector<rside_metric_geometry> places(block.metric_count);
    ASSERT_EQ(rside_geometry_compute(&block, tiers.data(), metrics.data(), &whole, places.data()), 0);
    ASSERT_EQ(whole.segment_bytes, bytes.size());

    const SchemaCost cost = cost_of(schema);
    EXPECT_EQ(cost.segment_bytes, whole.segment_bytes);
    EXPECT_EQ(cost.series_capacity, whole.series_capacity);
    EXPECT_EQ(cost.label_arena_bytes, block.label_arena_bytes);
    EXPECT_EQ(cost.hot_bytes, whole.arena_offset - whole.directory_offset + whole.rings_offset - whole.cells_offset);
    std::uint64_t rings_end = whole.rings_offset;
    ASSERT_EQ(cost.tiers.size(), block.tier_count);
    for (std::size_t t = 0; t < tiers.size(); ++t) {
        std::uint64_t rings = 0;
        for (std::size_t m = 0; m < metrics.size(); ++m) rings += places[m].ring_step[t] * metrics[m].max_series;
        EXPECT_EQ(cost.tiers[t].bytes, rings) << "tier " << t;
        rings_end += rings;
    }
    const std::uint64_t schema_end = sizeof(rside_header) + rside_schema_block_bytes(&block);
    const std::uint64_t padding = (whole.directory_offset - schema_end) +
                                  (whole.cells_offset - whole.arena_offset - block.label_arena_bytes) +
                                  (whole.segment_bytes - rings_end);
    EXPECT_EQ(cost.fixed_bytes, schema_end + padding);
}

TEST(SchemaCost, IsThatOfTheSegmentForEachStandardSchema) {
    for (const schemas::Standard& standard : schemas::all()) {
        const SchemaResult schema = schema_by_name_or_path(std::string(standard.name));
        ASSERT_TRUE(schema.ok()) << schema.error();
        expect_cost_as_laid_out(*schema.value());
    }
}

TEST(SchemaCost, IsThatOfTheSegmentForEveryKindInAnyNumberOfTiers) {
    SchemaSpec spec("kinds");
    for (auto [name, kind] :
         {std::pair{"counter_total", RSIDE_COUNTER}, std::pair{"seconds_total", RSIDE_COUNTER_F64},
          std::pair{"gauge", RSIDE_GAUGE}, std::pair{"level", RSIDE_LEVEL}, std::pair{"image_info", RSIDE_INFO}}) {
        spec.metric(name, kind, 7, {"n"}).describe("", "A help text.");
    }
    spec.metric("alone_total", RSIDE_COUNTER);  // no label: no room in the arena
    for (int scale : {-4, 0, 3}) spec.histogram("delay_" + std::to_string(scale + 4), scale, 1e-6, 70, 3, {"n"});
    for (std::uint32_t t = 0; t < RSIDE_MAX_TIERS; ++t) {
        spec.tier(1u << t, 7, t % 3 == 2 ? RSIDE_COLUMN_VALUE | RSIDE_COLUMN_MAX : t % 3 == 1 ? 0 : RSIDE_COLUMNS_ALL);
        expect_cost_as_laid_out(*spec.get());
    }
}

// Its end is no multiple of a cache line.
TEST(SchemaCost, IsThatOfTheSegmentForAnArenaOfAGivenSize) {
    expect_cost_as_laid_out(*SchemaSpec("arena").tier(1, 60).metric("gauge", RSIDE_GAUGE, 2, {"n"}).arena(1001).get());
}

}  // namespace
}  // namespace ringside::ctl
