// Reading histograms: cumulative, buckets kept modulo 2^32 in the rings.
#include "tests/unit/segment/segment_fixture.h"

namespace ringside::agent::test {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::IsEmpty;

constexpr std::uint64_t k32 = std::uint64_t{1} << 32;

class HistogramReading : public SegmentReading {
  protected:
    HistogramReading() { series = builder.add("io_seconds", {"vda"}); }
    std::uint32_t series;  // zero bucket and 4 buckets
};

TEST_F(HistogramReading, GivesCumulativeBuckets) {
    builder.histogram_slot(series, 0, 1000, 3, 1.5, {1, 0, 2, 0, 0});
    builder.set_open(series, 1001 * kSecond);
    builder.set_histogram(series, 5, 4.5, {1, 1, 2, 1, 0});
    set_time(1001 * kSecond);
    SeriesData data = read(series);
    EXPECT_THAT(ends(data), ElementsAre(1001, 1002));
    EXPECT_THAT(data.count, ElementsAre(3, 5));
    EXPECT_THAT(data.sum, ElementsAre(1.5, 4.5));
    EXPECT_THAT(data.buckets, ElementsAre(1, 0, 2, 0, 0, 1, 1, 2, 1, 0));
    EXPECT_THAT(flags(data), ElementsAre("-", "o"));
    EXPECT_THAT(data.last, IsEmpty());
}

TEST_F(HistogramReading, RecoversTheUpperHalvesOfTheBuckets) {
    builder.histogram_slot(series, 0, 1000, 2 * k32, 1, {0xfffffff0, 0, 0, 0, 0});  // 2^32 - 16
    builder.histogram_slot(series, 0, 1001, 3 * k32, 2, {0xfffffff5, 7, 0, 0, 0});  // + 5
    builder.histogram_slot(series, 0, 1002, 4 * k32, 3, {5, 7, 0, 0, 0});           // wraps: 2^32 + 5
    builder.set_open(series, 1003 * kSecond);
    builder.set_histogram(series, 5 * k32, 4, {k32 + 6, k32 + 7 - 1, 0, 0, 0});  // bucket 1: + 2^32 - 1
    set_time(1003 * kSecond);
    EXPECT_THAT(read(series).buckets, ElementsAre(k32 - 16, 0, 0, 0, 0,  //
                                                  k32 - 11, 7, 0, 0, 0,  //
                                                  k32 + 5, 7, 0, 0, 0,   //
                                                  k32 + 6, k32 + 6, 0, 0, 0));
}

TEST_F(HistogramReading, UnwrapsFromTheNewestSlotWhateverTheRange) {
    for (std::uint32_t w = 1000; w < 1008; ++w) {
        builder.histogram_slot(series, 0, w, 10 * k32, 0, {0, (w - 1000) << 30, 0, 0, 0});
    }
    builder.set_open(series, 1008 * kSecond);
    builder.set_histogram(series, 10 * k32, 0, {0, std::uint64_t{8} << 30, 0, 0, 0});
    set_time(1008 * kSecond);
    ReadRequest request;
    request.begin_ns = 1001 * kSecond;
    request.end_ns = 1003 * kSecond;
    EXPECT_THAT(read(series, 0, request).buckets,
                ElementsAre(0, std::uint64_t{1} << 30, 0, 0, 0, 0, std::uint64_t{2} << 30, 0, 0, 0));
}

TEST_F(HistogramReading, CarriesBuckets) {
    builder.histogram_slot(series, 0, 1000, 1, 1, {1, 0, 0, 0, 0});
    builder.histogram_slot(series, 0, 1002, 1, 1, {1, 0, 0, 0, 0});
    builder.set_open(series, 1003 * kSecond);
    builder.set_histogram(series, 2, 3, {1, 1, 0, 0, 0});
    set_time(1005 * kSecond);
    SeriesData data = read(series);
    EXPECT_THAT(data.count, ElementsAre(1, 1, 1, 2, 2));
    EXPECT_THAT(flags(data), ElementsAre("-", "c", "-", "-", "c"));
    EXPECT_THAT(data.buckets, ElementsAreArray({1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0,  //
                                                1, 1, 0, 0, 0, 1, 1, 0, 0, 0}));
}

TEST_F(HistogramReading, CountsOverflowInNoBucket) {
    builder.set_open(series, 1000 * kSecond);
    builder.set_histogram(series, 9, 4, {1, 1, 0, 0, 0});
    set_time(1000 * kSecond);
    EXPECT_THAT(read(series).count, ElementsAre(9));
}

TEST_F(HistogramReading, LeavesOutSlotsThatContradictThemselves) {
    builder.histogram_slot(series, 0, 1000, 3, 1, {1, 0, 2, 0, 0});
    builder.histogram_slot(series, 0, 1001, 3, 1, {2, 0, 2, 0, 0});       // more in buckets than in all
    builder.histogram_slot(series, 0, 1002, 9, 1, {3, 0, 2, 0, 0xffff});  // more than later
    builder.set_open(series, 1003 * kSecond);
    builder.set_histogram(series, 9, 1, {3, 0, 2, 0, 0});
    set_time(1003 * kSecond);
    std::shared_ptr<LiveSegment> segment = open();
    Result<SeriesData> data = segment->read(series, {});
    ASSERT_TRUE(data);
    EXPECT_THAT(ends(*data), ElementsAre(1001, 1004));
    EXPECT_EQ(segment->stats().inconsistent_windows, 2u);
}

TEST_F(HistogramReading, ReadsClosedWindowsUnderABusyCell) {
    builder.histogram_slot(series, 0, 1000, k32 + 3, 1, {3, 0, 0, 0, 0});
    builder.set_open(series, 1001 * kSecond);
    builder.set_histogram(series, k32 + 4, 2, {k32 + 4, 0, 0, 0, 0});
    builder.set_seq(series, 2 * (k32 + 4) + 1);
    set_time(1001 * kSecond);
    EXPECT_THAT(read(series).buckets, ElementsAre(k32 + 3, 0, 0, 0, 0));
}

TEST_F(HistogramReading, LeavesBucketsAloneWhenNotAsked) {
    builder.histogram_slot(series, 0, 1000, 3, 1.5, {1, 0, 2, 0, 0});
    builder.set_open(series, 1001 * kSecond);
    builder.set_histogram(series, 5, 4.5, {1, 1, 2, 1, 0});
    set_time(1001 * kSecond);
    ReadRequest request;
    request.columns = kColumnCount;
    SeriesData data = read(series, 0, request);
    EXPECT_THAT(data.count, ElementsAre(3, 5));
    EXPECT_THAT(data.buckets, IsEmpty());
    EXPECT_THAT(data.sum, IsEmpty());
}

TEST_F(HistogramReading, ReadsATierWithoutCount) {
    builder.tiers[1].columns = kColumnBuckets;
    builder.lay_out();
    series = builder.add("io_seconds", {"vda"});
    builder.histogram_slot(series, 1, 200, 3, 1.5, {1, 0, 2, 0, 0});
    builder.set_open(series, 1005 * kSecond);
    builder.set_histogram(series, 5, 4.5, {1, 1, 2, 1, 0});
    set_time(1005 * kSecond);
    SeriesData data = read(series, 1);
    EXPECT_THAT(data.buckets, ElementsAre(1, 0, 2, 0, 0, 1, 1, 2, 1, 0));
    EXPECT_THAT(data.count, IsEmpty());
}

}  // namespace
}  // namespace ringside::agent::test
