// Scans of histograms whose slots no writer makes: what they cannot vouch for they leave to the general reader.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "agent/segment/bus_guard.h"
#include "agent/segment/live_segment.h"
#include "tests/support/open_segment.h"
#include "tests/support/segment_builder.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent::test {
namespace {

constexpr std::uint64_t k32 = std::uint64_t{1} << 32;

class HostileScan : public testing::Test {
  protected:
    static void SetUpTestSuite() { install_bus_guard(); }
    HostileScan() {
        series_ = builder_.add("io_seconds", {"vda"});
        slot(1001, 1, {1, 0, 0, 0, 0});
        slot(1002, 3, {1, 1, 1, 0, 0});
        slot(1003, 5, {1, 1, 2, 0, 0});  // one is above the buckets
        builder_.set_open(series_, 1004 * kSecond);
        builder_.set_histogram(series_, 6, 6, {1, 1, 3, 0, 0});
    }
    void slot(std::uint64_t window, std::uint64_t count, const std::vector<std::uint32_t>& buckets) {
        builder_.histogram_slot(series_, 0, window, count, static_cast<double>(count), buckets);
    }
    // What was gained from the window that ends at 1002 s to the one that ends at `end_s`.
    bool gains(std::uint64_t end_s = 1004, std::uint32_t tier = 0) {
        builder_.write(folder_.path());
        OpenOptions options;
        options.now = [] { return 1006 * kSecond; };
        const auto segment = open_only_segment(folder_.path(), *layouts_, options);
        EXPECT_TRUE(segment->series().ok());
        const TimeRange range{1001 * kSecond, end_s * kSecond};
        return segment->scan()->read_gains(series_, tier, {&range, 1}, &gains_);
    }

    SegmentBuilder builder_ = SegmentBuilder::example();
    std::uint32_t series_ = 0;
    TemporaryFolder folder_{"/dev/shm"};
    std::shared_ptr<LayoutCache> layouts_ = make_layout_cache();
    HistogramGains gains_;
};

TEST_F(HostileScan, TellsWhatASoundSeriesGained) {
    ASSERT_TRUE(gains());
    const HistogramGain& gain = gains_.ranges.front();
    EXPECT_EQ(gain.windows, 3u);
    EXPECT_EQ(gain.first_end_ns, 1002 * kSecond);
    EXPECT_EQ(gain.last_end_ns, 1004 * kSecond);
    EXPECT_EQ(gain.first_count, 1u);
    EXPECT_EQ(gain.count, 4u);
    EXPECT_EQ(gain.sum, 4);
    EXPECT_EQ(gains_.buckets, (std::vector<std::uint32_t>{0, 1, 2, 0, 0}));
}

TEST_F(HostileScan, BelievesNoCountThatFalls) {
    slot(1003, 0, {1, 1, 2, 0, 0});
    EXPECT_FALSE(gains());
}

TEST_F(HostileScan, CannotTellBucketsThatMayHaveGoneAround) {
    slot(1003, 1 + k32 - 1, {0, 0, 0, 0, 0});
    ASSERT_TRUE(gains()) << "all of them in the first one";
    EXPECT_EQ(gains_.buckets, (std::vector<std::uint32_t>{UINT32_MAX, 0, 0, 0, 0}));
    slot(1003, 1 + k32, {1, 1, 2, 0, 0});
    EXPECT_FALSE(gains()) << "one of them may have";
    slot(1003, 1 + k32 - 1, {1, 1, 2, 0, 0});
    EXPECT_TRUE(gains());
}

TEST_F(HostileScan, BelievesNoBucketsBeyondTheCount) {
    slot(1003, 5, {1, 9, 2, 0, 0});
    EXPECT_FALSE(gains());
}

TEST_F(HostileScan, TakesNoSlotOfALaterLap) {
    builder_.set_stamp(series_, 0, 1003, 1013);
    EXPECT_FALSE(gains());
}

TEST_F(HostileScan, TakesAMissingSlotFromTheNextOne) {
    builder_.set_stamp(series_, 0, 1001, 0);
    ASSERT_TRUE(gains());
    EXPECT_EQ(gains_.ranges.front().first_count, 3u);
    EXPECT_EQ(gains_.buckets, (std::vector<std::uint32_t>{0, 0, 1, 0, 0}));
}

TEST_F(HostileScan, TakesNothingOfARecordInHand) {
    ASSERT_TRUE(gains(1005)) << "its time has passed";
    EXPECT_EQ(gains_.ranges.front().count, 5u);
    builder_.set_seq(series_, 13);
    EXPECT_FALSE(gains(1005));
    EXPECT_TRUE(gains(1004)) << "closed windows do not depend on it";
}

TEST_F(HostileScan, MakesNoPlainNumberOfASumThatIsNone) {
    builder_.histogram_slot(series_, 0, 1003, 5, std::numeric_limits<double>::quiet_NaN(), {1, 1, 2, 0, 0});
    ASSERT_TRUE(gains());
    EXPECT_TRUE(std::isnan(gains_.ranges.front().sum));
}

TEST_F(HostileScan, LeavesASeriesWhoseClockWasSetBackToTheGeneralReader) {
    builder_.set_rebases(1);
    EXPECT_FALSE(gains());
}

TEST_F(HostileScan, AsksNoTierThatKeepsNoBuckets) {
    for (const bool kept : {true, false}) {
        SegmentBuilder other = SegmentBuilder::example();
        other.created_ns = 900 * kSecond;
        if (!kept) other.tiers[1].columns &= ~std::uint32_t{kColumnBuckets};
        builder_ = other.lay_out();
        series_ = builder_.add("io_seconds", {"vda"}, 900 * kSecond);
        builder_.set_open(series_, 1004 * kSecond);
        EXPECT_EQ(gains(1005, 1), kept);
    }
}

}  // namespace
}  // namespace ringside::agent::test
