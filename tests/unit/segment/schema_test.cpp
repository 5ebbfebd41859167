// Every rule of a schema, and of the header around it, broken once.
#include <functional>

#include "agent/segment/layout.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/segment/segment_fixture.h"

namespace ringside::agent::test {
namespace {

struct Breach {
    std::string name;
    QuarantineReason reason;
    std::string detail;  // part of the message
    std::function<void(SegmentBuilder&)> breach;
    bool seal = true;
};

void PrintTo(const Breach& breach, std::ostream* out) { *out << breach.name; }

class SegmentRefuses : public testing::TestWithParam<Breach> {};

TEST_P(SegmentRefuses, ABrokenRule) {
    SegmentBuilder builder = SegmentBuilder::example();
    GetParam().breach(builder);
    if (GetParam().seal) builder.seal();
    std::shared_ptr<LayoutCache> layouts = make_layout_cache();
    Opened opened = open_segment_image(builder.bytes, nullptr, *layouts, {});
    EXPECT_EQ(opened.verdict, OpenVerdict::kRefused);
    EXPECT_STREQ(reason_name(opened.refusal.reason), reason_name(GetParam().reason)) << opened.refusal.message();
    EXPECT_THAT(opened.refusal.message(), testing::HasSubstr(GetParam().detail));
}

// Lays the example out again after `change`.
std::function<void(SegmentBuilder&)> with(const std::function<void(SegmentBuilder&)>& change) {
    return [change](SegmentBuilder& builder) {
        change(builder);
        builder.lay_out();
    };
}

template <typename T>
std::function<void(SegmentBuilder&)> header(std::uint64_t offset, T value) {
    return [=](SegmentBuilder& builder) { builder.poke<T>(offset, value); };
}
template <typename T>
std::function<void(SegmentBuilder&)> block(std::uint64_t offset, T value) {
    return [=](SegmentBuilder& builder) { builder.poke<T>(builder.at.schema + offset, value); };
}
template <typename T>
std::function<void(SegmentBuilder&)> tier(std::uint32_t index, std::uint64_t offset, T value) {
    return [=](SegmentBuilder& builder) { builder.poke<T>(builder.at.tiers + index * 16 + offset, value); };
}
template <typename T>
std::function<void(SegmentBuilder&)> metric(std::uint32_t index, std::uint64_t offset, T value) {
    return [=](SegmentBuilder& builder) { builder.poke<T>(builder.at.metrics + index * 48 + offset, value); };
}

using enum QuarantineReason;

const Breach kBreaches[] = {
    {"magic", kBadMagic, "does not begin", header<std::uint64_t>(512, 0x1234)},
    {"version_0", kOtherVersion, "version 0", header<std::uint32_t>(520, 0)},
    {"version_2", kOtherVersion, "version 2", header<std::uint32_t>(520, 2)},
    {"header_bytes", kBadHeader, "length", header<std::uint32_t>(524, 8192)},
    {"segment_bytes", kWrongSize, "its header says 8192", header<std::uint64_t>(528, 8192)},
    {"schema_offset", kBadHeader, "length", header<std::uint64_t>(688, 8192)},
    {"schema_bytes_small", kBadHeader, "its schema takes 159", header<std::uint64_t>(696, 159)},
    {"schema_bytes_huge", kBadHeader, "its schema takes", header<std::uint64_t>(696, UINT64_MAX)},
    {"checksum", kBadChecksum, "checksum", header<std::uint8_t>(580, 1), false},
    {"checksum_of_the_schema", kBadChecksum, "checksum", block<std::uint8_t>(130, 1), false},
    {"hash", kBadHeader, "hash", [](SegmentBuilder& b) {
         std::uint64_t before = b.peek<std::uint64_t>(536);
         b.schema_version = 77;
         b.lay_out();
         b.keep_hash = before;
     }},
    {"directory_offset", kBadHeader, "directory_offset", header<std::uint64_t>(704, 64)},
    {"arena_offset", kBadHeader, "arena_offset", header<std::uint64_t>(712, 64)},
    {"cells_offset", kBadHeader, "cells_offset", header<std::uint64_t>(720, 64)},
    {"accumulators_offset", kBadHeader, "accumulators_offset", header<std::uint64_t>(728, 64)},
    {"hot_buckets_offset", kBadHeader, "hot_buckets_offset", header<std::uint64_t>(736, 64)},
    {"rings_offset", kBadHeader, "rings_offset", header<std::uint64_t>(744, UINT64_MAX)},
    {"series_capacity", kBadHeader, "series_capacity", header<std::uint32_t>(752, 1)},
    {"vm_id_empty", kBadHeader, "vm_id", header<std::uint8_t>(592, 0)},
    {"vm_id_bytes", kBadHeader, "vm_id is \"v?-1\"", header<std::uint8_t>(593, 0x1b)},
    {"vm_id_unended", kBadHeader, "vm_id", with([](SegmentBuilder& b) { b.vm_id = std::string(64, 'v'); })},
    {"component_bytes", kBadHeader, "component is \"UP\"", with([](SegmentBuilder& b) { b.component = "UP"; })},
    {"component_unended", kBadHeader, "component", with([](SegmentBuilder& b) { b.component = std::string(32, 'c'); })},

    {"schema_name_empty", kBadSchema, "its name", block<std::uint8_t>(0, 0)},
    {"schema_name_bytes", kBadSchema, "its name is \"-est\"", block<std::uint8_t>(0, '-')},
    {"schema_name_unended", kBadSchema, "its name", with([](SegmentBuilder& b) { b.schema_name = std::string(128, 's'); })},
    {"no_tiers", kBadSchema, "0 tiers", block<std::uint32_t>(132, 0)},
    {"nine_tiers", kBadSchema, "9 tiers", block<std::uint32_t>(132, 9)},
    {"no_metrics", kBadSchema, "0 metrics", block<std::uint32_t>(136, 0)},
    {"too_many_metrics", kBadSchema, "4097 metrics", block<std::uint32_t>(136, 4097)},
    {"one_metric_more", kBadSchema, "do not add up", block<std::uint32_t>(136, 7)},
    {"arena_huge", kBadSchema, "label arena", block<std::uint32_t>(140, 16777217)},
    {"strings_huge", kBadSchema, "strings take", block<std::uint32_t>(144, 4194312)},
    {"strings_odd", kBadSchema, "strings take", block<std::uint32_t>(144, 7)},

    {"resolution_0", kBadSchema, "tier 0 has a resolution of 0", tier<std::uint32_t>(0, 0, 0)},
    {"resolution_huge", kBadSchema, "tier 1 has a resolution of 604801", tier<std::uint32_t>(1, 0, 604801)},
    {"one_slot", kBadSchema, "tier 0 has 1 slots", tier<std::uint32_t>(0, 4, 1)},
    {"slots_huge", kBadSchema, "slots", tier<std::uint32_t>(0, 4, 1048577)},
    {"no_columns", kBadSchema, "the columns 0", tier<std::uint32_t>(0, 8, 0)},
    {"unknown_columns", kBadSchema, "the columns 128", tier<std::uint32_t>(0, 8, 128)},
    {"tiers_do_not_divide", kBadSchema, "multiple", with([](SegmentBuilder& b) {
         b.tiers = {{2, 10, 127}, {5, 10, 127}};
     })},
    {"tiers_equal", kBadSchema, "multiple", with([](SegmentBuilder& b) { b.tiers = {{5, 10, 127}, {5, 10, 127}}; })},
    {"tiers_fall", kBadSchema, "multiple", with([](SegmentBuilder& b) { b.tiers = {{10, 10, 127}, {5, 10, 127}}; })},

    {"name_offset", kBadSchema, "metric 1 has no valid name", metric<std::uint32_t>(1, 0, UINT32_MAX)},
    {"name_bytes", kBadSchema, "no valid name", with([](SegmentBuilder& b) { b.metrics[0].name = "a-b"; })},
    {"name_long", kBadSchema, "no valid name", with([](SegmentBuilder& b) { b.metrics[0].name = std::string(128, 'a'); })},
    {"name_unended", kBadSchema, "no valid name", [](SegmentBuilder& b) {
         for (std::uint64_t i = 0; i < b.at.strings_bytes; ++i) b.poke<std::uint8_t>(b.at.strings + i, 'a');
     }},
    {"name_twice", kBadSchema, "twice", with([](SegmentBuilder& b) { b.metrics[1].name = b.metrics[0].name; })},
    {"unit_offset", kBadSchema, "unit or help", metric<std::uint32_t>(0, 4, 4096)},
    {"unit_long", kBadSchema, "unit or help", with([](SegmentBuilder& b) { b.metrics[0].unit = std::string(33, 'u'); })},
    {"help_offset", kBadSchema, "unit or help", metric<std::uint32_t>(0, 8, 1u << 31)},
    // The first metric's name for the unit and help of all others.
    {"strings_shared", kBadSchema, "share", [](SegmentBuilder& b) {
         for (std::uint64_t m = 1; m < b.metrics.size(); ++m) {
             b.poke<std::uint32_t>(b.at.metrics + m * 48 + 4, 0);
             b.poke<std::uint32_t>(b.at.metrics + m * 48 + 8, 0);
         }
     }},
    {"help_long", kBadSchema, "unit or help", with([](SegmentBuilder& b) { b.metrics[0].help = std::string(513, 'h'); })},
    {"help_bytes", kBadSchema, "unit or help", with([](SegmentBuilder& b) { b.metrics[0].help = "\xff"; })},
    {"kind_0", kBadSchema, "kind 0", metric<std::uint8_t>(0, 24, 0)},
    {"kind_7", kBadSchema, "kind 7", metric<std::uint8_t>(0, 24, 7)},
    {"flags_unknown", kBadSchema, "flags 2", metric<std::uint8_t>(0, 25, 2)},
    {"shared_gauge", kBadSchema, "flags 1", metric<std::uint8_t>(2, 25, 1)},
    {"no_series", kBadSchema, "room for 0 series", metric<std::uint32_t>(0, 20, 0)},
    {"too_many_series", kBadSchema, "room for 65537 series", metric<std::uint32_t>(0, 20, 65537)},
    {"too_many_series_in_all", kBadSchema, "more than 65536 series", [](SegmentBuilder& b) {
         b.poke<std::uint32_t>(b.at.metrics + 20, 65536);
     }},
    {"too_many_bytes", kBadSchema, "bytes", [](SegmentBuilder& b) {
         b.poke<std::uint32_t>(b.at.metrics + 20, 65000);
         b.poke<std::uint32_t>(b.at.tiers + 4, 1048576);
     }},
    {"label_count", kBadSchema, "17 labels", metric<std::uint32_t>(0, 16, 17)},
    {"label_offset", kBadSchema, "label 0", metric<std::uint32_t>(0, 12, UINT32_MAX)},
    {"label_past_the_end", kBadSchema, "label", metric<std::uint32_t>(5, 16, 16)},
    {"label_bytes", kBadSchema, "label 0", with([](SegmentBuilder& b) { b.metrics[0].labels = {"a.b"}; })},
    {"label_twice", kBadSchema, "label a twice", with([](SegmentBuilder& b) { b.metrics[0].labels = {"a", "b", "a"}; })},
    {"label_vm_id", kBadSchema, "reserved label vm_id", with([](SegmentBuilder& b) { b.metrics[0].labels = {"vm_id"}; })},
    {"label_name", kBadSchema, "reserved label __name__",
     with([](SegmentBuilder& b) { b.metrics[0].labels = {"__name__"}; })},
    {"scale_low", kBadSchema, "scale -5", metric<std::int8_t>(4, 26, -5)},
    {"scale_high", kBadSchema, "scale 9", metric<std::int8_t>(4, 26, 9)},
    {"no_buckets", kBadSchema, "0 buckets", metric<std::uint32_t>(4, 32, 0)},
    {"too_many_buckets", kBadSchema, "2049 buckets", metric<std::uint32_t>(4, 32, 2049)},
    {"buckets_too_low", kBadSchema, "no number", metric<std::int32_t>(4, 28, -1075)},
    {"buckets_too_high", kBadSchema, "no number", metric<std::int32_t>(4, 28, 1022)},
    {"buckets_least", kBadSchema, "no number", metric<std::int32_t>(4, 28, INT32_MIN)},
    {"buckets_greatest", kBadSchema, "no number", metric<std::int32_t>(4, 28, INT32_MAX)},
    {"schema_grown", kBadHeader, "cells_offset", [](SegmentBuilder& b) {
         b.poke<std::uint32_t>(b.at.schema + 140, 4096);
     }},
    {"ring_grown", kWrongSize, "its schema makes it", tier<std::uint32_t>(1, 4, 5000)},
};

INSTANTIATE_TEST_SUITE_P(All, SegmentRefuses, testing::ValuesIn(kBreaches),
                         [](const auto& breach) { return breach.param.name; });

TEST(SegmentAccepts, TheLimitsOfASchema) {
    SegmentBuilder builder;
    builder.tiers = {{1, 2, 32}, {604800, 2, 127}};
    builder.metrics = {{std::string(127, 'a'), kCounter, 1, {}, 1, std::string(32, 'u'), std::string(512, 'h')},
                       {"low", kHistogram, 1, {}, 0, "", "", 8, -1074 * 256, 2048},
                       {"high", kHistogram, 1, {}, 0, "", "", -4, -68, 133},
                       {"labels", kGauge, 1, {}, 0, "", ""}};
    for (int i = 0; i < 16; ++i) builder.metrics[3].labels.push_back("l" + std::to_string(i));
    builder.arena_bytes = 16777216;
    builder.lay_out();
    std::shared_ptr<LayoutCache> layouts = make_layout_cache();
    Opened opened = open_segment_image(builder.bytes, nullptr, *layouts, {});
    EXPECT_TRUE(opened.segment) << opened.refusal.message();
}

// What the directory of series must obey.
class SegmentDirectoryRefuses : public SegmentReading {
  protected:
    void expect_bad(const std::string& detail) {
        std::shared_ptr<LiveSegment> segment = open();
        Result<std::vector<SeriesInfo>> series = segment->series();
        ASSERT_FALSE(series);
        EXPECT_EQ(series.error().code, Code::kCorrupt);
        EXPECT_THAT(series.error().message(), testing::HasSubstr(detail));
        ASSERT_TRUE(segment->condition());
        EXPECT_EQ(segment->condition()->reason, QuarantineReason::kBadDirectory);
        EXPECT_EQ(segment->read(index, {}).error().code, Code::kCorrupt);
        EXPECT_EQ(segment->settle().error().code, Code::kCorrupt);
    }
    std::uint64_t record() const { return builder.record_at(index); }

    std::uint32_t index = builder.add("requests_total", {"/a"});
};

TEST_F(SegmentDirectoryRefuses, AnotherMetric) {
    builder.poke<std::uint32_t>(record() + 4, 2);
    expect_bad("says it is of metric 2");
}

TEST_F(SegmentDirectoryRefuses, LabelsOutsideOfTheArena) {
    for (std::uint32_t offset : {builder.arena_bytes, builder.arena_bytes - 1, UINT32_MAX, std::uint32_t{1} << 31}) {
        builder.poke<std::uint32_t>(record() + 16, offset);
        expect_bad("outside of the arena");
    }
    builder.poke<std::uint32_t>(record() + 16, 0);
    for (std::uint32_t size : {builder.arena_bytes + 1, UINT32_MAX}) {
        builder.poke<std::uint32_t>(record() + 20, size);
        expect_bad("outside of the arena");
    }
}

TEST_F(SegmentDirectoryRefuses, FewerAndMoreLabels) {
    builder.poke<std::uint32_t>(record() + 20, 2);
    expect_bad("fewer labels");
    builder.poke<std::uint32_t>(record() + 20, 4);
    expect_bad("more labels");
}

TEST_F(SegmentDirectoryRefuses, LabelsThatAreNotUtf8) {
    builder.poke<std::uint8_t>(builder.at.arena, 0xff);
    expect_bad("not UTF-8");
}

TEST_F(SegmentDirectoryRefuses, LabelsThatAreTooLong) {
    for (std::uint64_t i = 0; i < 256; ++i) builder.poke<std::uint8_t>(builder.at.arena + i, 'a');
    builder.poke<std::uint32_t>(record() + 20, 256);
    expect_bad("fewer labels");  // 256 bytes without an end
    builder.poke<std::uint32_t>(record() + 20, 257);
    expect_bad("outside of the arena");
}

TEST_F(SegmentDirectoryRefuses, TheSameLabelsTwice) {
    builder.add("requests_total", {"/a"});
    expect_bad("same labels");
}

TEST_F(SegmentDirectoryRefuses, TheSameLabelsAsASeriesSeenBefore) {
    Opened opened = open_segment_image(builder.bytes, nullptr, *layouts, options);
    TemporaryFolder folder("/dev/shm");
    std::string path = builder.write(folder.path());
    std::shared_ptr<LiveSegment> segment = open_segment_path(path, *layouts, options).segment;
    ASSERT_EQ(segment->series()->size(), 1u);
    builder.add("requests_total", {"/a"});
    builder.write(folder.path());
    EXPECT_FALSE(segment->series());
    EXPECT_EQ(segment->condition()->reason, QuarantineReason::kBadDirectory);
}

TEST_F(SegmentDirectoryRefuses, MoreLabelsThanTheArenaHolds) {
    // Every series points at the same bytes, shifted by one: 2 x 200 of 300 bytes.
    builder.arena_bytes = 300;
    builder.lay_out();
    for (std::uint64_t i = 0; i < 299; ++i) builder.poke<std::uint8_t>(builder.at.arena + i, 'a');
    for (std::uint32_t series : {0u, 1u}) {
        index = builder.add("requests_total", {});
        builder.poke<std::uint32_t>(record() + 16, 99 + series);
        builder.poke<std::uint32_t>(record() + 20, 201 - series);
    }
    expect_bad("more label bytes");
}

TEST(LayoutCache, ForgetsSchemasThatNoSegmentHasAnyMore) {
    std::shared_ptr<LayoutCache> layouts = make_layout_cache();
    SegmentBuilder builder = SegmentBuilder::example();
    const Opened kept = open_segment_image(builder.bytes, nullptr, *layouts, {});
    for (std::uint32_t version = 100; version < 150; ++version) {
        builder.schema_version = version;
        builder.lay_out();
        builder.seal();
        ASSERT_EQ(open_segment_image(builder.bytes, nullptr, *layouts, {}).verdict, OpenVerdict::kAccepted);
    }
    EXPECT_LE(layouts->size(), 2u);
}

}  // namespace
}  // namespace ringside::agent::test
