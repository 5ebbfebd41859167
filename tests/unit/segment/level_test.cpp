// Reading level gauges: weighted by time, carried while the VM lives.
#include <limits>

#include "tests/unit/segment/segment_fixture.h"

namespace ringside::agent::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t kMs = 1'000'000;

// A window in which the level was `value` all the time.
Window whole(double value, std::uint64_t seconds = 1) {
    return {seconds * kSecond, value * static_cast<double>(seconds), value, value, value};
}

class LevelReading : public SegmentReading {
  protected:
    LevelReading() { series = builder.add("memory_bytes", {"heap"}); }
    std::uint32_t series;
};

TEST_F(LevelReading, HoldsTheValueUpToNow) {
    builder.set_open(series, 1000 * kSecond);
    builder.set_level(series, {100 * kMs, 0.5, 5, 8, 8}, 1000 * kSecond + 300 * kMs);
    set_time(1000 * kSecond + 800 * kMs);
    SeriesData data = read(series);
    EXPECT_THAT(ends(data), ElementsAre(1001));
    EXPECT_THAT(data.count, ElementsAre(600 * kMs));  // 100 ms accounted, 500 ms since
    EXPECT_THAT(data.sum, ElementsAre(0.5 + 8 * 0.5));
    EXPECT_THAT(data.min, ElementsAre(5));
    EXPECT_THAT(data.max, ElementsAre(8));
    EXPECT_THAT(data.last, ElementsAre(8));
    EXPECT_THAT(flags(data), ElementsAre("o"));
}

TEST_F(LevelReading, CarriesOnAfterTheOpenWindow) {
    builder.set_open(series, 1000 * kSecond);
    builder.set_level(series, {500 * kMs, 1, 2, 4, 4}, 1000 * kSecond + 500 * kMs);
    set_time(1002 * kSecond + 250 * kMs);
    SeriesData data = read(series);
    EXPECT_THAT(ends(data), ElementsAre(1001, 1002, 1003));
    EXPECT_THAT(data.count, ElementsAre(kSecond, kSecond, 250 * kMs));
    EXPECT_THAT(data.sum, ElementsAre(3, 4, 1));
    EXPECT_THAT(data.min, ElementsAre(2, 4, 4));
    EXPECT_THAT(flags(data), ElementsAre("-", "c", "oc"));
}

TEST_F(LevelReading, CarriesTheIdleSlotIntoTheRunThatItEnds) {
    builder.gauge_slot(series, 0, 1000, {900 * kMs, 2, 1, 3, 3});
    builder.gauge_slot(series, 0, 1003, whole(3));
    builder.set_open(series, 1004 * kSecond);
    builder.set_level(series, {0, 0, 3, 5, 5}, 1004 * kSecond);
    set_time(1004 * kSecond);
    SeriesData data = read(series);
    EXPECT_THAT(ends(data), ElementsAre(1001, 1002, 1003, 1004, 1005));
    EXPECT_THAT(data.count, ElementsAre(900 * kMs, kSecond, kSecond, kSecond, 0));
    EXPECT_THAT(data.last, ElementsAre(3, 3, 3, 3, 5));
    EXPECT_THAT(flags(data), ElementsAre("-", "c", "c", "-", "o"));
}

TEST_F(LevelReading, LeavesOutAHotCellThatStaysBusy) {
    builder.gauge_slot(series, 0, 1000, whole(3));
    builder.set_open(series, 1001 * kSecond);
    builder.set_level(series, {0, 0, 3, 3, 3}, 1001 * kSecond);
    builder.set_seq(series, 7);
    set_time(1001 * kSecond);
    std::shared_ptr<LiveSegment> segment = open();
    Result<SeriesData> data = segment->read(series, {});
    ASSERT_TRUE(data);
    EXPECT_THAT(ends(*data), ElementsAre(1001));
    EXPECT_EQ(segment->stats().open_left_out, 1u);
    EXPECT_EQ(segment->stats().retries, 15u);
}

TEST_F(LevelReading, TakesTheSumThatIsValid) {
    builder.set_open(series, 1001 * kSecond);
    builder.set_level(series, {kSecond / 2, 99, 3, 3, 3}, 1001 * kSecond + kSecond / 2);
    std::uint64_t cell = builder.cell_at(series);
    builder.poke(cell + 16, (1001 * kSecond + kSecond / 2) | 1);
    builder.poke(builder.origin_at(series) + 8, 1001 * kSecond + kSecond / 4);
    builder.poke(cell + 32, 0.75 * 1e9);
    set_time(1003 * kSecond);
    SeriesData data = read(series);
    EXPECT_THAT(ends(data), ElementsAre(1002, 1003));
    EXPECT_EQ(data.count[0], 3 * kSecond / 4);
    EXPECT_EQ(data.sum[0], 0.75 + 1.5);
}

TEST_F(LevelReading, CountsNoTimeBeforeItsOrigin) {
    builder.set_open(series, 1001 * kSecond);
    builder.set_level(series, {0, 0, 3, 3, 3}, 1001 * kSecond);
    builder.poke(builder.origin_at(series), 2000 * kSecond);  // nobody writes that, and it must not wrap
    set_time(1002 * kSecond);
    EXPECT_EQ(read(series).count[0], kSecond);
}

TEST_F(LevelReading, HasNoDataBeforeTheFirstValue) {
    // Registered in window 1000, set at the very begin of window 1003.
    builder.gauge_slot(series, 0, 1003, whole(7));
    builder.set_open(series, 1004 * kSecond);
    builder.set_level(series, {0, 0, 7, 7, 7}, 1004 * kSecond);
    set_time(1004 * kSecond);
    EXPECT_THAT(ends(read(series)), ElementsAre(1004, 1005));
}

TEST_F(LevelReading, CarriesToTheLeftWhereTheClockWasSetBack) {
    // The same slots, but earlier ones may have gone when their time came again.
    builder.gauge_slot(series, 0, 1003, whole(7));
    builder.set_open(series, 1004 * kSecond);
    builder.set_level(series, {0, 0, 7, 7, 7}, 1004 * kSecond);
    builder.set_rebases(1);
    set_time(1004 * kSecond);
    const SeriesData data = read(series);
    EXPECT_THAT(ends(data), ElementsAre(1001, 1002, 1003, 1004, 1005));
    EXPECT_THAT(data.last, ElementsAre(7, 7, 7, 7, 7));
    EXPECT_EQ(ends(read_settled(series)).front(), 1001);
}

TEST_F(LevelReading, CarriesToTheLeftOnceTheRingHasLapped) {
    // Set once long ago, and again now: only the slot that ends the run is left.
    builder.gauge_slot(series, 0, 1049, whole(7));
    builder.set_open(series, 1050 * kSecond);
    builder.set_level(series, {0, 0, 7, 7, 7}, 1050 * kSecond);
    set_time(1050 * kSecond);
    SeriesData data = read(series);
    EXPECT_EQ(data.size(), 10u);
    EXPECT_THAT(data.last, testing::Each(7));
    EXPECT_THAT(data.count,
                ElementsAre(kSecond, kSecond, kSecond, kSecond, kSecond, kSecond, kSecond, kSecond, kSecond, 0));
}

TEST_F(LevelReading, CarriesToTheLeftWhenAnEarlierLapIsStillThere) {
    builder.gauge_slot(series, 0, 1000, whole(7));  // a lap before window 1010
    builder.gauge_slot(series, 0, 1008, whole(7));
    builder.set_open(series, 1011 * kSecond);
    builder.set_level(series, {0, 0, 7, 7, 7}, 1011 * kSecond);
    builder.gauge_slot(series, 0, 1009, whole(8));
    builder.gauge_slot(series, 0, 1010, whole(8));
    builder.set_stamp(series, 0, 1005, 995);
    set_time(1011 * kSecond);
    SeriesData data = read(series);
    EXPECT_THAT(ends(data), ElementsAre(1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012));
    EXPECT_THAT(data.last, ElementsAre(7, 7, 7, 7, 7, 7, 7, 8, 8, 7));
}

TEST_F(LevelReading, HoldsOnWhereNoIdleSlotFollows) {
    builder.gauge_slot(series, 0, 1000, whole(3));
    builder.gauge_slot(series, 0, 1002, {400 * kMs, 2, 4, 6, 6});  // not the end of a run: part of it was rebased away
    builder.set_open(series, 1003 * kSecond);
    builder.set_level(series, {0, 0, 6, 6, 6}, 1003 * kSecond);
    set_time(1003 * kSecond);
    SeriesData data = read(series);
    EXPECT_THAT(ends(data), ElementsAre(1001, 1002, 1003, 1004));
    EXPECT_THAT(data.last, ElementsAre(3, 3, 6, 6));
    EXPECT_THAT(data.count, ElementsAre(kSecond, kSecond, 400 * kMs, 0));
}

TEST_F(LevelReading, AddsTimeToTheOpenWindowOfACoarserTier) {
    builder.set_open(series, 1002 * kSecond);
    builder.set_level(series, {100 * kMs, 0.2, 2, 6, 6}, 1002 * kSecond + 100 * kMs);
    builder.set_accumulator(series, 1, 0, {2 * kSecond, 4, 1, 3, 2});
    set_time(1004 * kSecond + 500 * kMs);
    SeriesData data = read(series, 1);
    EXPECT_THAT(ends(data), ElementsAre(1005));
    EXPECT_THAT(data.count, ElementsAre(4 * kSecond + 500 * kMs));
    EXPECT_THAT(data.sum, ElementsAre(4 + (0.2 + 6 * 0.9) + 6 * 1.5));
    EXPECT_THAT(data.min, ElementsAre(1));
    EXPECT_THAT(data.max, ElementsAre(6));
    EXPECT_THAT(data.last, ElementsAre(6));
    EXPECT_THAT(flags(data), ElementsAre("o"));
}

TEST_F(LevelReading, ClosesACoarserWindowWhoseTimeHasPassed) {
    builder.set_open(series, 1002 * kSecond);
    builder.set_level(series, {0, 0, 6, 6, 6}, 1002 * kSecond);
    builder.set_accumulator(series, 1, 0, {2 * kSecond, 4, 1, 3, 2});
    set_time(1010 * kSecond);
    SeriesData data = read(series, 1);
    EXPECT_THAT(ends(data), ElementsAre(1005, 1010));
    EXPECT_THAT(data.count, ElementsAre(5 * kSecond, 5 * kSecond));
    EXPECT_THAT(data.sum, ElementsAre(22, 30));
    EXPECT_THAT(flags(data), ElementsAre("-", "c"));
}

TEST_F(LevelReading, ShowsAValueThatWasSetThisMoment) {
    builder.set_open(series, 1000 * kSecond);
    builder.set_level(series, {0, 0, 4, 4, 4}, 1000 * kSecond + 500 * kMs);
    builder.set_accumulator(series, 1, 0, {kSecond, 9, 9, 9, 9});
    set_time(1000 * kSecond + 500 * kMs);
    EXPECT_THAT(read(series).last, ElementsAre(4));
    EXPECT_THAT(read(series).count, ElementsAre(0));
    SeriesData coarse = read(series, 1);
    EXPECT_THAT(coarse.last, ElementsAre(4));
    EXPECT_THAT(coarse.min, ElementsAre(4));
    EXPECT_THAT(coarse.count, ElementsAre(kSecond));
}

TEST_F(LevelReading, HasNoDataWhenItsWindowOpenedAndNothingWasSet) {
    builder.set_open(series, 1000 * kSecond);
    double infinity = std::numeric_limits<double>::infinity();
    builder.set_level(series, {0, 0, infinity, -infinity, 0}, 1000 * kSecond);
    set_time(1003 * kSecond);
    EXPECT_THAT(ends(read(series)), IsEmpty());
}

TEST_F(LevelReading, IsNotConfusedByATimeBeforeItsOpenWindow) {
    builder.gauge_slot(series, 0, 1000, whole(1));
    builder.set_open(series, 1002 * kSecond);
    builder.set_level(series, {0, 0, 6, 6, 6}, 1002 * kSecond + 500 * kMs);
    set_time(999 * kSecond);
    SeriesData data = read(series);
    EXPECT_THAT(ends(data), ElementsAre(1001, 1002, 1003));
    EXPECT_THAT(data.count, ElementsAre(kSecond, kSecond, 0));
}

TEST_F(SegmentReading, GivesNoWindowsOfAnInfoSeries) {
    std::uint32_t series = builder.add("build_info", {"1.0"});
    EXPECT_THAT(ends(read(series)), IsEmpty());
    EXPECT_THAT(ends(read_settled(series, 1)), IsEmpty());
}

}  // namespace
}  // namespace ringside::agent::test
