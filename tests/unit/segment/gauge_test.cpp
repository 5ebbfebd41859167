// Reading sampled gauges: windows without a record have no data; open windows of coarser tiers are merged on the fly.
#include <bit>
#include <cmath>
#include <limits>

#include "tests/unit/segment/segment_fixture.h"

namespace ringside::agent::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class GaugeReading : public SegmentReading {
  protected:
    GaugeReading() { series = builder.add("latency_seconds", {"q"}); }
    std::uint32_t series;
};

TEST_F(GaugeReading, GivesAllColumnsOfTheWindowsWithRecords) {
    builder.gauge_slot(series, 0, 1000, {3, 6.5, 1, 4, 2});
    builder.gauge_slot(series, 0, 1004, {1, 9, 9, 9, 9});
    builder.set_open(series, 1006 * kSecond);
    builder.set_gauge(series, {2, 5, 2, 3, 3});
    set_time(1008 * kSecond);
    SeriesData data = read(series);
    EXPECT_THAT(ends(data), ElementsAre(1001, 1005, 1007));
    EXPECT_THAT(data.count, ElementsAre(3, 1, 2));
    EXPECT_THAT(data.sum, ElementsAre(6.5, 9, 5));
    EXPECT_THAT(data.min, ElementsAre(1, 9, 2));
    EXPECT_THAT(data.max, ElementsAre(4, 9, 3));
    EXPECT_THAT(data.last, ElementsAre(2, 9, 3));
    EXPECT_THAT(flags(data), ElementsAre("-", "-", "-"));
    EXPECT_THAT(data.value, IsEmpty());
}

TEST_F(GaugeReading, MergesTheOpenWindowOfACoarserTier) {
    builder.set_open(series, 1003 * kSecond);
    builder.set_gauge(series, {2, 5, 0.5, 4.5, 4.5});
    builder.set_accumulator(series, 1, 0, {3, 6, 1, 3, 2});
    builder.set_accumulator(series, 1, 1, {99, 99, 99, 99, 99});
    set_time(1003 * kSecond);
    SeriesData data = read(series, 1);
    EXPECT_THAT(ends(data), ElementsAre(1005));
    EXPECT_THAT(data.count, ElementsAre(5));
    EXPECT_THAT(data.sum, ElementsAre(11));
    EXPECT_THAT(data.min, ElementsAre(0.5));
    EXPECT_THAT(data.max, ElementsAre(4.5));
    EXPECT_THAT(data.last, ElementsAre(4.5));
    EXPECT_THAT(flags(data), ElementsAre("o"));
}

TEST_F(GaugeReading, TakesTheBankThatTheOpenWordNames) {
    builder.set_open(series, 1003 * kSecond, kBank);
    builder.set_accumulator(series, 1, 0, {99, 99, 99, 99, 99});
    builder.set_accumulator(series, 1, 1, {3, 6, 1, 3, 2});
    set_time(1003 * kSecond);
    EXPECT_THAT(read(series, 1).count, ElementsAre(3));  // the hot cell is empty
}

TEST_F(GaugeReading, HasNoOpenWindowBeforeItsFirstRecord) {
    builder.set_open(series, 1003 * kSecond);
    double infinity = std::numeric_limits<double>::infinity();
    builder.set_gauge(series, {0, 0, infinity, -infinity, 0});
    set_time(1003 * kSecond);
    EXPECT_EQ(read(series, 0).size(), 0u);
    EXPECT_EQ(read(series, 1).size(), 0u);
}

TEST_F(GaugeReading, TakesTheRecordThatIsNotYetInMinAndMax) {
    builder.set_open(series, 1001 * kSecond);
    builder.set_gauge(series, {3, 12, 2, 3, 7});
    set_time(1001 * kSecond);
    SeriesData data = read(series);
    EXPECT_THAT(data.max, ElementsAre(7));
    EXPECT_THAT(data.min, ElementsAre(2));
    builder.set_gauge(series, {3, 6, 2, 3, 1});
    EXPECT_THAT(read(series).min, ElementsAre(1));
    double infinity = std::numeric_limits<double>::infinity();
    builder.set_gauge(series, {1, 5, infinity, -infinity, 5});
    data = read(series);
    EXPECT_THAT(data.min, ElementsAre(5));
    EXPECT_THAT(data.max, ElementsAre(5));
}

TEST_F(GaugeReading, SaysNothingOfTheRecordInHand) {
    builder.set_open(series, 1001 * kSecond);
    builder.set_gauge(series, {2, 5, 2, 3, 3});
    std::uint64_t other = ~builder.peek<std::uint64_t>(builder.cell_at(series)) & 1;
    builder.poke(builder.cell_at(series) + 16 + other * 8, 1234.0);
    builder.poke(builder.cell_at(series) + 32 + other * 8, 1234.0);
    set_time(1001 * kSecond);
    SeriesData data = read(series);
    EXPECT_THAT(data.sum, ElementsAre(5));
    EXPECT_THAT(data.max, ElementsAre(3));
    EXPECT_THAT(data.last, ElementsAre(3));
}

TEST_F(GaugeReading, ReadsAroundATurnThatWasInterrupted) {
    builder.gauge_slot(series, 0, 1000, {3, 6, 1, 4, 2});
    builder.set_open(series, 1001 * kSecond, kTurning);
    builder.set_gauge(series, {2, 5, 2, 3, 3});
    set_time(1001 * kSecond);
    SeriesData data = read(series);
    EXPECT_THAT(data.count, ElementsAre(3, 2));
}

TEST_F(GaugeReading, GivesOnlyWhatTheTierKeeps) {
    builder.tiers[0].columns = kColumnMax | kColumnLast;
    builder.lay_out();
    series = builder.add("latency_seconds", {"q"});
    builder.gauge_slot(series, 0, 1000, {3, 6.5, 1, 4, 2});
    builder.set_open(series, 1001 * kSecond);
    builder.set_gauge(series, {2, 5, 2, 3, 2.5});
    set_time(1001 * kSecond);
    SeriesData data = read(series);
    EXPECT_THAT(data.max, ElementsAre(4, 3));
    EXPECT_THAT(data.last, ElementsAre(2, 2.5));
    EXPECT_THAT(data.count, IsEmpty());
    EXPECT_THAT(data.sum, IsEmpty());
    EXPECT_THAT(data.min, IsEmpty());
}

TEST_F(GaugeReading, LetsNoStaleMarkerThrough) {
    double marker = std::bit_cast<double>(std::uint64_t{0x7ff0000000000002});
    builder.gauge_slot(series, 0, 1000, {1, marker, marker, marker, marker});
    builder.set_open(series, 1001 * kSecond);
    set_time(1001 * kSecond);
    SeriesData data = read(series);
    ASSERT_EQ(data.size(), 1u);
    for (double value : {data.sum[0], data.min[0], data.max[0], data.last[0]}) {
        EXPECT_TRUE(std::isnan(value));
        EXPECT_NE(std::bit_cast<std::uint64_t>(value), 0x7ff0000000000002u);
    }
}

TEST_F(GaugeReading, KeepsWithinTheRange) {
    for (std::uint64_t w = 1000; w < 1009; ++w) builder.gauge_slot(series, 0, w, {1, 1, 1, 1, 1});
    builder.set_open(series, 1009 * kSecond);
    set_time(1009 * kSecond);
    ReadRequest request;
    request.begin_ns = 1002 * kSecond;
    request.end_ns = 1005 * kSecond;
    EXPECT_THAT(ends(read(series, 0, request)), ElementsAre(1003, 1004, 1005));
}

}  // namespace
}  // namespace ringside::agent::test
