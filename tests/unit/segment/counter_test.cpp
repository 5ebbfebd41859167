// Reading counters: cumulative slots, missing windows, the open one, and time.
#include <bit>
#include <cmath>

#include "tests/unit/segment/segment_fixture.h"

namespace ringside::agent::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Created at 1000 s; tier 0 has 10 windows of 1 s, tier 1 has 6 of 5 s.
class CounterReading : public SegmentReading {
  protected:
    CounterReading() { series = builder.add("requests_total", {"/"}); }
    std::uint32_t series;
};

TEST_F(CounterReading, StartsAtZeroInTheWindowOfItsCreation) {
    builder.set_open(series, 1000 * kSecond);
    set_time(1000 * kSecond + 500'000'000);
    SeriesData data = read(series);
    EXPECT_THAT(ends(data), ElementsAre(1001));
    EXPECT_THAT(data.value, ElementsAre(0));
    EXPECT_THAT(flags(data), ElementsAre("o"));
}

TEST_F(CounterReading, GivesClosedWindowsAndTheOpenOne) {
    builder.counter_slot(series, 0, 1000, 5);
    builder.counter_slot(series, 0, 1001, 7);
    builder.set_open(series, 1002 * kSecond);
    builder.set_counter(series, 9);
    set_time(1002 * kSecond + 1);
    SeriesData data = read(series);
    EXPECT_THAT(ends(data), ElementsAre(1001, 1002, 1003));
    EXPECT_THAT(data.value, ElementsAre(5, 7, 9));
    EXPECT_THAT(flags(data), ElementsAre("-", "-", "o"));
    EXPECT_THAT(data.count, IsEmpty());
}

TEST_F(CounterReading, CarriesTheNextSlotIntoMissingWindows) {
    builder.counter_slot(series, 0, 1000, 5);
    builder.counter_slot(series, 0, 1004, 5);  // ends the run of idle windows
    builder.set_open(series, 1005 * kSecond);
    builder.set_counter(series, 6);
    set_time(1005 * kSecond);
    SeriesData data = read(series);
    EXPECT_THAT(ends(data), ElementsAre(1001, 1002, 1003, 1004, 1005, 1006));
    EXPECT_THAT(data.value, ElementsAre(5, 5, 5, 5, 5, 6));
    EXPECT_THAT(flags(data), ElementsAre("-", "c", "c", "c", "-", "o"));
}

TEST_F(CounterReading, CountsAnIdleWindowAsClosedWhenItsTimeHasPassed) {
    builder.set_open(series, 1000 * kSecond);
    builder.set_counter(series, 3);
    set_time(1002 * kSecond + 1);
    SeriesData data = read(series);
    EXPECT_THAT(ends(data), ElementsAre(1001, 1002, 1003));
    EXPECT_THAT(data.value, ElementsAre(3, 3, 3));
    EXPECT_THAT(flags(data), ElementsAre("-", "c", "oc"));
}

TEST_F(CounterReading, WaitsOutTheLagOfTheCoarseClock) {
    builder.set_open(series, 1000 * kSecond);
    now_ns = 1001 * kSecond + kClosingGraceNs - 1;
    EXPECT_THAT(flags(read(series)), ElementsAre("o"));
    now_ns = 1001 * kSecond + kClosingGraceNs;
    EXPECT_THAT(flags(read(series)), ElementsAre("-"));
}

TEST_F(CounterReading, BelievesTheTickInTickMode) {
    builder.set_open(series, 1000 * kSecond);
    builder.set_tick(1000 * kSecond + 900'000'000);
    now_ns = 1500 * kSecond;
    EXPECT_THAT(flags(read(series)), ElementsAre("o"));
    builder.set_tick(1001 * kSecond);
    EXPECT_THAT(flags(read(series)), ElementsAre("-"));
}

TEST_F(CounterReading, LeavesOutTheOpenWindowWhenAsked) {
    builder.counter_slot(series, 0, 1000, 5);
    builder.set_open(series, 1001 * kSecond);
    set_time(1001 * kSecond + 1);
    ReadRequest request;
    request.open_window = false;
    EXPECT_THAT(ends(read(series, 0, request)), ElementsAre(1001));
}

TEST_F(CounterReading, ReadsCoarserTiers) {
    builder.counter_slot(series, 1, 200, 11);
    builder.counter_slot(series, 1, 202, 12);
    builder.set_open(series, 1016 * kSecond);
    builder.set_counter(series, 15);
    set_time(1016 * kSecond);
    SeriesData data = read(series, 1);
    EXPECT_THAT(ends(data), ElementsAre(1005, 1010, 1015, 1020));
    EXPECT_THAT(data.value, ElementsAre(11, 12, 12, 15));
    EXPECT_THAT(flags(data), ElementsAre("-", "c", "-", "o"));
}

TEST_F(CounterReading, KeepsWithinTheRange) {
    for (std::uint64_t w = 1000; w < 1006; ++w) builder.counter_slot(series, 0, w, w - 999);
    builder.set_open(series, 1006 * kSecond);
    builder.set_counter(series, 7);
    set_time(1008 * kSecond + 1);
    ReadRequest request;
    request.begin_ns = 1002 * kSecond;
    request.end_ns = 1004 * kSecond;
    EXPECT_THAT(ends(read(series, 0, request)), ElementsAre(1003, 1004));
    request.begin_ns = 1002 * kSecond - 1;
    request.end_ns = 1004 * kSecond - 1;
    EXPECT_THAT(ends(read(series, 0, request)), ElementsAre(1002, 1003));
    request.begin_ns = 1006 * kSecond;
    request.end_ns = UINT64_MAX;
    EXPECT_THAT(ends(read(series, 0, request)), ElementsAre(1007, 1008, 1009));
    request.begin_ns = UINT64_MAX;
    EXPECT_THAT(ends(read(series, 0, request)), IsEmpty());
    request.begin_ns = 0;
    request.end_ns = 0;
    EXPECT_THAT(ends(read(series, 0, request)), IsEmpty());
}

TEST_F(CounterReading, GivesAsManyWindowsAsTheRingHasSlots) {
    for (std::uint64_t w = 1000; w < 1025; ++w) builder.counter_slot(series, 0, w, w);
    builder.set_open(series, 1025 * kSecond);
    builder.set_counter(series, 1025);
    set_time(1025 * kSecond);
    EXPECT_THAT(ends(read(series)), ElementsAre(1017, 1018, 1019, 1020, 1021, 1022, 1023, 1024, 1025, 1026));
}

TEST_F(CounterReading, BoundsTheWindowsOfALongSilence) {
    builder.counter_slot(series, 0, 1000, 1);
    builder.set_open(series, 1001 * kSecond);
    set_time(1'000'000 * kSecond);
    SeriesData data = read(series);
    EXPECT_EQ(data.size(), 12u);  // the slot, the open window, and a ring's worth up to now
    EXPECT_EQ(data.end_ns.front(), 1001 * kSecond);
    EXPECT_EQ(data.end_ns[1], 1002 * kSecond);
    EXPECT_EQ(data.end_ns[2], 999'991 * kSecond);
    EXPECT_EQ(data.end_ns.back(), 1'000'000 * kSecond);
}

TEST_F(CounterReading, IgnoresStampsThatAreNotTheirWindows) {
    builder.counter_slot(series, 0, 1000, 1);
    builder.counter_slot(series, 0, 1001, 99);
    builder.set_stamp(series, 0, 1001, 1011);  // a time that is still to come (again)
    builder.counter_slot(series, 0, 1002, 3);
    builder.set_open(series, 1003 * kSecond);
    builder.set_counter(series, 4);
    set_time(1003 * kSecond);
    SeriesData data = read(series);
    EXPECT_THAT(ends(data), ElementsAre(1001, 1003, 1004));  // nothing is known of 1001
    EXPECT_THAT(data.value, ElementsAre(1, 3, 4));
}

TEST_F(CounterReading, CarriesPastSlotsOfAnEarlierLap) {
    builder.created_ns = 0;
    series = builder.add("requests_total", {"/old"}, 900 * kSecond);
    builder.counter_slot(series, 0, 1001, 1);
    builder.set_stamp(series, 0, 1001, 991);
    builder.counter_slot(series, 0, 1002, 3);
    builder.set_open(series, 1003 * kSecond);
    builder.set_counter(series, 4);
    set_time(1003 * kSecond);
    SeriesData data = read(series);
    EXPECT_THAT(data.value, ElementsAre(3, 3, 3, 3, 3, 3, 3, 3, 3, 4));
    EXPECT_THAT(flags(data), ElementsAre("c", "c", "c", "c", "c", "c", "c", "c", "-", "o"));
}

TEST_F(CounterReading, HasNoDataWithoutAnOpenWindow) {
    SeriesData data = read(series);
    EXPECT_EQ(data.size(), 0u);
}

TEST_F(CounterReading, MarksTheWindowOfItsCreationAsPartial) {
    series = builder.add("requests_total", {"/late"}, 1000 * kSecond + 1);
    builder.counter_slot(series, 0, 1000, 1);
    builder.set_open(series, 1001 * kSecond);
    set_time(1001 * kSecond);
    EXPECT_THAT(flags(read(series)), ElementsAre("p", "o"));
    EXPECT_THAT(flags(read(series, 1)), ElementsAre("op"));
}

TEST_F(CounterReading, LeavesOutWindowsOfTheFuture) {
    builder.counter_slot(series, 0, 4'000'000'000, 1);
    builder.set_open(series, 4'000'000'001 * kSecond);
    set_time(2000 * kSecond);
    std::shared_ptr<LiveSegment> segment = open();
    Result<SeriesData> data = segment->read(series, {});
    ASSERT_TRUE(data);
    EXPECT_EQ(data->size(), 0u);
    EXPECT_GT(segment->stats().future_windows, 0u);
}

TEST_F(CounterReading, ToleratesASmallStepBackOfTheClock) {
    builder.counter_slot(series, 0, 1000, 1);
    builder.set_open(series, 1003 * kSecond);  // the clock has gone back by 2 s since
    set_time(1001 * kSecond);
    EXPECT_THAT(ends(read(series)), ElementsAre(1001, 1002, 1003, 1004));
}

TEST_F(CounterReading, RefusesAWindowThatCannotBe) {
    for (std::uint64_t open : {std::uint64_t{1} << 9, 1000 * kSecond + 512, UINT64_MAX & ~std::uint64_t{7}}) {
        builder.set_open(series, open);
        std::shared_ptr<LiveSegment> segment = open_segment_image(builder.bytes, nullptr, *layouts, options).segment;
        Result<SeriesData> data = segment->read(series, {});
        ASSERT_FALSE(data) << open;
        EXPECT_EQ(data.error().code, Code::kCorrupt);
        EXPECT_FALSE(segment->condition());  // the other series are still good
    }
}

TEST_F(CounterReading, RefusesTiersAndSeriesThatDoNotExist) {
    ReadRequest request;
    request.tier = 2;
    EXPECT_EQ(open()->read(series, request).error().code, Code::kInvalid);
    EXPECT_EQ(open()->read(series + 1, {}).error().code, Code::kInvalid);
    EXPECT_EQ(open()->read(UINT32_MAX, {}).error().code, Code::kInvalid);
}

TEST_F(CounterReading, HasNothingInATierThatKeepsNoCounters) {
    builder.tiers[1].columns = kColumnLast;
    builder.lay_out();
    series = builder.add("requests_total", {"/"});
    builder.set_open(series, 1000 * kSecond);
    set_time(1000 * kSecond);
    EXPECT_EQ(read(series, 0).size(), 1u);
    EXPECT_EQ(read(series, 1).size(), 0u);
}

TEST_F(CounterReading, GivesOnlyTheColumnsAskedFor) {
    builder.set_open(series, 1000 * kSecond);
    set_time(1000 * kSecond);
    ReadRequest request;
    request.columns = kColumnCount;
    SeriesData data = read(series, 0, request);
    EXPECT_EQ(data.size(), 1u);
    EXPECT_THAT(data.value, IsEmpty());
}

TEST_F(CounterReading, KeepsDoublesBitByBit) {
    series = builder.add("energy_joules_total");
    builder.counter_slot(series, 0, 1000, std::bit_cast<std::uint64_t>(0.1));
    builder.set_open(series, 1001 * kSecond);
    builder.set_counter(series, std::bit_cast<std::uint64_t>(0.1 + 0.2));
    set_time(1001 * kSecond);
    EXPECT_THAT(read(series).value,
                ElementsAre(std::bit_cast<std::uint64_t>(0.1), std::bit_cast<std::uint64_t>(0.1 + 0.2)));
}

TEST_F(CounterReading, LetsNoStaleMarkerThrough) {
    series = builder.add("energy_joules_total");
    builder.counter_slot(series, 0, 1000, 0x7ff0000000000002);  // what Prometheus takes for the end of a series
    builder.set_open(series, 1001 * kSecond);
    builder.set_counter(series, 0x7ff0000000000002);
    set_time(1001 * kSecond);
    for (std::uint64_t value : read(series).value) {
        EXPECT_TRUE(std::isnan(std::bit_cast<double>(value)));
        EXPECT_NE(value, 0x7ff0000000000002u);
    }
}

}  // namespace
}  // namespace ringside::agent::test
