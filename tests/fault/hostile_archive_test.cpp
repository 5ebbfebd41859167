// What a VM can make the archive hold, at the worst: every slot used, every series silent for as long again, times that
// cannot be, and series that cost the VM nothing.
#include <gtest/gtest.h>

#include "agent/archive/archived_vm.h"
#include "agent/archive/store.h"
#include "agent/archive/writer.h"
#include "agent/segment/open.h"
#include "tests/support/results.h"
#include "tests/support/segment_builder.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent::test {
namespace {

constexpr std::uint64_t kOpen = 2'000'000;  // seconds

class HostileArchive : public testing::Test {
  protected:
    // The archive of `builder`, whose VM died 200,000 s after kOpen; checked.
    ArchiveWritten archive(const SegmentBuilder& builder) {
        OpenOptions options;
        options.now = [] { return (kOpen + 300'000) * kSecond; };
        std::shared_ptr<LayoutCache> layouts = make_layout_cache();
        std::shared_ptr<LiveSegment> segment = open_segment_image(builder.bytes, nullptr, *layouts, options).segment;
        EXPECT_TRUE(segment && segment->settle().ok());
        EXPECT_EQ(segment->vm().ended_ns, (kOpen + 200'000) * kSecond);
        auto written = write_archive(FileSystem::real(), folder_ / "a.rsa", *segment, segment->vm(), 1);
        EXPECT_TRUE(written.ok()) << message_of(written);
        auto vm = ArchivedVm::open(FileSystem::real(), folder_ / "a.rsa", pool_);
        EXPECT_TRUE(vm.ok() && (*vm)->verify().ok()) << message_of(vm);
        EXPECT_LE(written->bytes, archive_bytes_max(builder.bytes.size()));
        return *written;
    }

    // Series of "m" with every slot used, the newest window open since `open`.
    static void fill(SegmentBuilder& builder, std::uint32_t count, std::uint32_t slots, std::uint64_t open_s = kOpen) {
        for (std::uint32_t i = 0; i < count; ++i) {
            std::uint32_t series = builder.add("m", {std::to_string(i)});
            builder.poke<std::uint64_t>(builder.record_at(series) + 8, 0);
            builder.set_open(series, open_s * kSecond);
            for (std::uint32_t t = 0; t < builder.tiers.size(); ++t) {
                std::uint64_t open = open_s / builder.tiers[t].resolution_s;
                for (std::uint64_t w = open - slots + 1; w < open; ++w) {
                    builder.set_stamp(series, t, w, static_cast<std::uint32_t>(w));
                }
            }
            if (builder.metrics[0].kind == kLevel) builder.set_level(series, {1, 1, 1, 1, 1}, open_s * kSecond);
        }
    }

    static SegmentBuilder lay_out(std::vector<TierSpec> tiers, std::vector<MetricSpec> metrics) {
        SegmentBuilder builder;
        builder.tiers = std::move(tiers);
        builder.metrics = std::move(metrics);
        builder.arena_bytes = 1 << 20;
        builder.created_ns = 0;
        builder.lay_out();
        builder.set_tick((kOpen + 200'000) * kSecond);
        return builder;
    }

    TemporaryFolder folder_;
    SchemaPool pool_;
};

TEST_F(HostileArchive, OfFullRingsAndLongSilenceIsASmallMultipleOfTheSegment) {
    for (std::uint32_t slots : {2u, 3u, 100u, 2'000u}) {
        for (std::uint8_t kind : {kCounter, kCounterF64, kGauge, kLevel, kHistogram}) {
            SegmentBuilder builder = lay_out({{1, slots, 127}, {2, slots, 127}, {8, slots, 127}, {40, slots, 127}},
                                             {{"m", kind, 20, {"n"}, 0, "", "", 0, -1, 30}});
            fill(builder, 20, slots);
            ArchiveWritten written = archive(builder);
            EXPECT_EQ(written.unreadable_runs, 0u);
            std::uint64_t closed = std::uint64_t{20} * 4 * (slots - 1);
            // A silent gauge has its closed windows; the others also have the open one and a ring's length after it.
            EXPECT_EQ(written.points, kind == kGauge ? closed : closed + std::uint64_t{20} * 4 * (slots + 1)) << slots;
            EXPECT_LT(written.bytes, 5 * builder.bytes.size()) << slots << " slots of kind " << unsigned{kind};
        }
    }
}

// A part of the series was archived before, and the rings have lost all windows of then.
TEST_F(HostileArchive, MergedWithAnEarlierOneHasAllThatIsNew) {
    constexpr std::uint32_t kSeries = 60, kSlots = 100;
    OpenOptions options;
    options.now = [] { return (kOpen + 300'000) * kSecond; };
    std::shared_ptr<LayoutCache> layouts = make_layout_cache();
    auto open = [&](std::uint32_t count, std::uint64_t open_s) {
        SegmentBuilder builder = lay_out({{1, kSlots, 127}, {2, kSlots, 127}, {8, kSlots, 127}, {40, kSlots, 127}},
                                         {{"m", kHistogram, kSeries, {"n"}, 0, "", "", 0, -1, 100}});
        builder.set_tick((open_s + 200'000) * kSecond);
        fill(builder, count, kSlots, open_s);
        std::shared_ptr<LiveSegment> segment = open_segment_image(builder.bytes, nullptr, *layouts, options).segment;
        EXPECT_TRUE(segment && segment->settle().ok());
        return segment;
    };
    std::uint32_t taken_over = 0, left = 0;
    for (std::uint32_t count : {15u, 30u, 45u, 60u}) {
        TemporaryFolder folder;
        ArchiveStore store(FileSystem::real(), {folder / "archive", {}});
        std::shared_ptr<LiveSegment> before = open(count, kOpen / 2);
        std::shared_ptr<LiveSegment> after = open(kSeries, kOpen);
        ASSERT_TRUE(store.add(*before, before->vm(), 1).ok());
        auto merged = store.add(*after, after->vm(), 2);
        ASSERT_TRUE(merged.ok()) << message_of(merged);
        EXPECT_EQ(store.status().unreadable_runs, 0u) << count;
        EXPECT_LE((*merged)->file_bytes(), archive_bytes_max(after->vm().segment_bytes));
        const std::size_t fresh = after->read(0, {})->size();
        const std::size_t windows = (*merged)->read(0, {})->size();
        ASSERT_TRUE(windows == fresh || windows == 2 * fresh) << windows;
        ++(windows == fresh ? left : taken_over);
    }
    // Three quarters of what the segment makes for leave room, all of it does not.
    EXPECT_EQ(taken_over, 3u);
    EXPECT_EQ(left, 1u);
}

TEST_F(HostileArchive, OfInfoSeriesHoldsTheirLabelsOnly) {
    std::vector<TierSpec> tiers;
    for (std::uint32_t t = 0; t < 8; ++t) tiers.push_back({1u << t, 1 << 20, 127});
    SegmentBuilder builder = lay_out(tiers, {{"facts", kInfo, 5'000, {"n"}}});
    for (std::uint32_t i = 0; i < 5'000; ++i) {
        std::uint32_t series = builder.add("facts", {std::to_string(i)});
        builder.poke<std::uint64_t>(builder.record_at(series) + 8, i % 2 == 0 ? 0 : UINT64_MAX);
    }
    ArchiveWritten written = archive(builder);
    EXPECT_EQ(written.points, 0u);
    EXPECT_EQ(written.unreadable_runs, 0u);
    EXPECT_LT(written.bytes, 2 * builder.bytes.size());
}

}  // namespace
}  // namespace ringside::agent::test
