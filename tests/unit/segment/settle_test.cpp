// The end of a VM: when it was, why, and what stands in the last windows.
#include <limits>

#include "tests/unit/segment/segment_fixture.h"

namespace ringside::agent::test {
namespace {

using testing::ElementsAre;

constexpr std::uint64_t kMs = 1'000'000;

class Settling : public SegmentReading {
  protected:
    VmInfo settled() {
        std::shared_ptr<LiveSegment> segment = open();
        EXPECT_TRUE(segment->settle());
        return segment->vm();
    }
};

TEST_F(Settling, TakesTheTimeThatTheWriterGave) {
    builder.close(1500 * kSecond + 1, 3, "planned");
    VmInfo vm = settled();
    EXPECT_EQ(vm.state, VmState::kExited);
    EXPECT_EQ(vm.exit_cause, ExitCause::kClosed);
    EXPECT_EQ(vm.close_code, 3);
    EXPECT_EQ(vm.close_text, "planned");
    EXPECT_EQ(vm.ended_ns, 1500 * kSecond + 1);
}

TEST_F(Settling, EndsAKilledVmWithTheWindowOfItsLastRecord) {
    builder.set_open(builder.add("requests_total", {"/"}), 1500 * kSecond);
    builder.set_open(builder.add("requests_total", {"/a"}), 1400 * kSecond);
    VmInfo vm = settled();
    EXPECT_EQ(vm.exit_cause, ExitCause::kKilled);
    EXPECT_EQ(vm.ended_ns, 1501 * kSecond);
}

// The state is taken in one step, before the time of it is written.
TEST_F(Settling, KnowsThatAWriterWasKilledWhileItAttached) {
    builder.poke<std::uint64_t>(1032, 0);  // attached_ns
    EXPECT_EQ(settled().exit_cause, ExitCause::kKilled);
}

// Time, code and text are written before the state that declares them.
TEST_F(Settling, KnowsThatAWriterWasKilledWhileItClosed) {
    builder.close(1500 * kSecond, 3, "planned");
    builder.set_state(1);
    EXPECT_EQ(settled().exit_cause, ExitCause::kKilled);
}

TEST_F(Settling, EndsAKilledVmNotLaterThanNow) {
    builder.set_open(builder.add("requests_total", {"/"}), 1500 * kSecond);
    now_ns = 1500 * kSecond + 200 * kMs;
    EXPECT_EQ(settled().ended_ns, 1500 * kSecond + 200 * kMs);
}

TEST_F(Settling, TakesALevelsLastChangeForASignOfLife) {
    std::uint32_t level = builder.add("memory_bytes", {"heap"});
    builder.set_open(level, 1500 * kSecond);
    builder.set_level(level, {0, 0, 1, 1, 1}, 1500 * kSecond + 700 * kMs);
    now_ns = 1500 * kSecond + 100 * kMs;  // the agent's clock is behind
    EXPECT_EQ(settled().ended_ns, 1500 * kSecond + 701 * kMs);
}

TEST_F(Settling, EndsAKilledTickingVmAtItsLastTick) {
    builder.set_open(builder.add("requests_total", {"/"}), 1500 * kSecond);
    builder.set_tick(1600 * kSecond + 5);
    EXPECT_EQ(settled().ended_ns, 1600 * kSecond + 5);
}

TEST_F(Settling, GivesTheLastWindowALength) {
    std::uint32_t series = builder.add("requests_total", {"/"});
    builder.set_open(series, 1500 * kSecond);
    builder.set_tick(1500 * kSecond);
    EXPECT_EQ(settled().ended_ns, 1500 * kSecond + kMs);
    builder.close(1500 * kSecond, 0, "");
    EXPECT_EQ(settled().ended_ns, 1500 * kSecond + kMs);
    EXPECT_THAT(read_settled(series).end_ns, testing::Contains(1500 * kSecond + kMs));
}

TEST_F(Settling, DoesNotBelieveInAnEndInTheFuture) {
    builder.set_open(builder.add("requests_total", {"/"}), 1500 * kSecond);
    builder.close(UINT64_MAX, 0, "");
    EXPECT_EQ(settled().ended_ns, 1501 * kSecond);
    EXPECT_EQ(settled().exit_cause, ExitCause::kClosed);
}

// Nothing was recorded since the clock was set back: without the memory of the reader all windows would lie after the end.
TEST_F(Settling, EndsAVmThatDiedAfterTheClockWasSetBackWithItsLastRecord) {
    builder.set_open(builder.add("requests_total", {"/"}), 1900 * kSecond);
    std::shared_ptr<LiveSegment> segment = open();
    now_ns = 1300 * kSecond;
    ASSERT_TRUE(segment->settle());
    EXPECT_EQ(segment->vm().ended_ns, 1900 * kSecond + kMs);
}

// One that has recorded since leaves windows of the time before open in the series that were idle.
TEST_F(Settling, EndsAVmThatWentOnAfterTheClockWasSetBackWhereItWentTo) {
    builder.set_open(builder.add("requests_total", {"/"}), 90000 * kSecond);
    builder.set_open(builder.add("requests_total", {"/a"}), 1300 * kSecond);
    builder.poke<std::uint64_t>(1288, 1);  // rebases
    builder.seal();
    now_ns = 90001 * kSecond;
    std::shared_ptr<LiveSegment> segment = open();
    now_ns = 1301 * kSecond + kMs;
    ASSERT_TRUE(segment->settle());
    EXPECT_EQ(segment->vm().ended_ns, 1301 * kSecond);
}

TEST_F(Settling, EndsAVmOfAFutureThatNobodySawNow) {
    builder.set_open(builder.add("requests_total", {"/"}), 1900 * kSecond);
    builder.set_open(builder.add("requests_total", {"/a"}), 1200 * kSecond);
    now_ns = 1300 * kSecond;
    EXPECT_EQ(settled().ended_ns, 1300 * kSecond + kMs);
}

TEST_F(Settling, TellsASegmentOfAnEarlierBoot) {
    builder.poke<std::uint64_t>(560, 0x1234567812345678);
    builder.seal();
    EXPECT_EQ(settled().exit_cause, ExitCause::kHostRebooted);
    builder.close(1500 * kSecond, 0, "");
    EXPECT_EQ(settled().exit_cause, ExitCause::kClosed);
}

TEST_F(Settling, DoesNotKnowTheCauseOfAStateThatIsNone) {
    builder.set_state(77);
    EXPECT_EQ(settled().exit_cause, ExitCause::kUnknown);
}

TEST_F(Settling, RefusesAVmThatNeverRan) {
    builder.set_state(0);
    Result<void> done = open()->settle();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Code::kInvalid);
}

TEST_F(Settling, HappensOnce) {
    builder.set_open(builder.add("requests_total", {"/"}), 1500 * kSecond);
    now_ns = 1500 * kSecond + 100 * kMs;
    std::shared_ptr<LiveSegment> segment = open();
    ASSERT_TRUE(segment->settle());
    std::uint64_t ended_ns = segment->vm().ended_ns;
    now_ns += 10 * kSecond;
    ASSERT_TRUE(segment->settle());
    EXPECT_EQ(segment->vm().ended_ns, ended_ns);
}

TEST_F(Settling, ClosesOpenWindowsAtTheTrueEnd) {
    std::uint32_t counter = builder.add("requests_total", {"/"});
    builder.counter_slot(counter, 0, 1001, 4);
    builder.set_open(counter, 1002 * kSecond);
    builder.set_counter(counter, 5);
    std::uint32_t level = builder.add("memory_bytes", {"heap"});
    builder.set_open(level, 1002 * kSecond);
    builder.set_level(level, {200 * kMs, 0.2, 1, 2, 2}, 1002 * kSecond + 200 * kMs);
    builder.close(1003 * kSecond + 500 * kMs, 0, "");

    SeriesData data = read_settled(counter);
    EXPECT_THAT(ends(data), ElementsAre(1001, 1002, 1003, 1003.5));
    EXPECT_THAT(data.value, ElementsAre(4, 4, 5, 5));
    EXPECT_THAT(flags(data), ElementsAre("c", "-", "-", "cp"));
    data = read_settled(counter, 1);
    EXPECT_THAT(ends(data), ElementsAre(1003.5));
    EXPECT_THAT(flags(data), ElementsAre("p"));

    data = read_settled(level);
    EXPECT_THAT(ends(data), ElementsAre(1003, 1003.5));
    EXPECT_THAT(data.count, ElementsAre(kSecond, 500 * kMs));
    EXPECT_THAT(data.sum, ElementsAre(0.2 + 2 * 0.8, 1));
    data = read_settled(level, 1);
    EXPECT_THAT(ends(data), ElementsAre(1003.5));
    EXPECT_THAT(data.count, ElementsAre(kSecond + 500 * kMs));
}

TEST_F(Settling, GivesOpenWindowsToThoseWhoWantOnlyClosedOnes) {
    std::uint32_t counter = builder.add("requests_total", {"/"});
    builder.set_open(counter, 1000 * kSecond);
    builder.close(1000 * kSecond + 500 * kMs, 0, "");
    ReadRequest request;
    request.open_window = false;
    EXPECT_THAT(ends(read_settled(counter, 0, request)), ElementsAre(1000.5));
}

TEST_F(Settling, KeepsTheRangeByTheTrueEnd) {
    std::uint32_t counter = builder.add("requests_total", {"/"});
    builder.set_open(counter, 1000 * kSecond);
    builder.close(1000 * kSecond + 500 * kMs, 0, "");
    ReadRequest request;
    request.end_ns = 1000 * kSecond + 500 * kMs;
    EXPECT_THAT(ends(read_settled(counter, 0, request)), ElementsAre(1000.5));
    request.end_ns -= 1;
    EXPECT_THAT(ends(read_settled(counter, 0, request)), ElementsAre());
    request.begin_ns = 1000 * kSecond + 500 * kMs;
    request.end_ns = UINT64_MAX;
    EXPECT_THAT(ends(read_settled(counter, 0, request)), ElementsAre());
}

TEST_F(Settling, TakesTheStateBeforeATurnThatWasNotFinished) {
    std::uint32_t gauge = builder.add("latency_seconds", {"q"});
    builder.gauge_slot(gauge, 0, 1000, {1, 1, 1, 1, 1});
    builder.gauge_slot(gauge, 0, 1001, {2, 2, 1, 1, 1});  // of the open window already, as is what follows
    builder.set_accumulator(gauge, 1, 0, {1, 1, 1, 1, 1});
    builder.set_accumulator(gauge, 1, 1, {3, 3, 1, 1, 1});
    builder.set_open(gauge, 1001 * kSecond, kTurning);
    builder.set_gauge(gauge, {2, 2, 1, 1, 1});
    builder.close(1004 * kSecond, 0, "");
    EXPECT_THAT(read_settled(gauge, 0).count, ElementsAre(1, 2));
    EXPECT_THAT(read_settled(gauge, 1).count, ElementsAre(3));
    EXPECT_THAT(flags(read_settled(gauge, 1)), ElementsAre("p"));
}

TEST_F(Settling, LeavesOutASlotThatATurnHadBegunToWrite) {
    std::uint32_t level = builder.add("memory_bytes", {"heap"});
    for (std::uint64_t w = 1000; w < 1005; ++w) builder.gauge_slot(level, 0, w, {kSecond, 2, 2, 2, 2});
    builder.set_stamp(level, 0, 1002, 0);
    builder.set_open(level, 1005 * kSecond, kTurning);
    builder.set_level(level, {0, 0, 2, 2, 2}, 1005 * kSecond);
    builder.close(1006 * kSecond, 0, "");
    EXPECT_THAT(ends(read_settled(level)), ElementsAre(1001, 1002, 1004, 1005, 1006));
}

TEST_F(Settling, CountsStaleHotFieldsAsEmpty) {
    std::uint32_t gauge = builder.add("latency_seconds", {"q"});
    builder.gauge_slot(gauge, 0, 1000, {2, 2, 1, 1, 1});
    builder.set_accumulator(gauge, 1, 1, {2, 2, 1, 1, 1});
    builder.set_open(gauge, 1001 * kSecond, kBank | kStale);
    builder.set_gauge(gauge, {2, 2, 1, 1, 1});
    std::uint32_t level = builder.add("memory_bytes", {"heap"});
    builder.gauge_slot(level, 0, 1000, {kSecond, 7, 7, 7, 7});
    builder.set_open(level, 1001 * kSecond, kStale);
    builder.set_level(level, {kSecond, 7, 7, 7, 7}, 1000 * kSecond);
    builder.set_seq(level, 5);
    builder.close(1002 * kSecond, 0, "");

    EXPECT_THAT(read_settled(gauge, 0).count, ElementsAre(2));
    SeriesData coarse = read_settled(gauge, 1);
    EXPECT_THAT(coarse.count, ElementsAre(2));
    EXPECT_THAT(flags(coarse), ElementsAre("p"));
    SeriesData held = read_settled(level, 0);
    EXPECT_THAT(held.count, ElementsAre(kSecond, kSecond));
}

TEST_F(Settling, UndoesAHistogramRecordThatWasCutShort) {
    std::uint32_t histogram = builder.add("io_seconds", {"vda"});
    builder.set_open(histogram, 1000 * kSecond);
    builder.set_histogram(histogram, 2, 2, {1, 1, 1, 0, 0});  // counted in its bucket, not yet in all
    builder.set_seq(histogram, 5);
    constexpr std::uint64_t kThird = std::uint64_t{1} << 63;  // the third record
    constexpr std::uint64_t kBucket2 = std::uint64_t{2} << 32;
    builder.poke(builder.cell_at(histogram) + 16, kThird | kBucket2 | 0);
    builder.close(1001 * kSecond, 0, "");
    SeriesData data = read_settled(histogram);
    EXPECT_THAT(data.count, ElementsAre(2));
    EXPECT_THAT(data.sum, ElementsAre(2));
    EXPECT_THAT(data.buckets, ElementsAre(1, 1, 0, 0, 0));

    // Cut short before its bucket: nothing to undo.
    builder.set_histogram(histogram, 2, 2, {1, 1, 0, 0, 0});
    builder.set_seq(histogram, 5);
    EXPECT_THAT(read_settled(histogram).buckets, ElementsAre(1, 1, 0, 0, 0));
    // Before it could say which bucket: what stands there is of the record before.
    builder.poke(builder.cell_at(histogram) + 16, std::uint64_t{1} << 32 | 0);
    EXPECT_THAT(read_settled(histogram).buckets, ElementsAre(1, 1, 0, 0, 0));
    // Beyond the last bucket.
    builder.poke(builder.cell_at(histogram) + 16, kThird | std::uint64_t{0x7fffffff} << 32);
    EXPECT_THAT(read_settled(histogram).buckets, ElementsAre(1, 1, 0, 0, 0));
}

TEST_F(Settling, ForgetsAFirstRecordThatWasCutShort) {
    std::uint32_t gauge = builder.add("latency_seconds", {"q"});
    builder.gauge_slot(gauge, 0, 1000, {2, 2, 1, 1, 1});
    builder.set_accumulator(gauge, 1, 0, {2, 2, 1, 1, 1});
    builder.set_open(gauge, 1001 * kSecond);
    double infinity = std::numeric_limits<double>::infinity();
    builder.set_gauge(gauge, {0, 0, infinity, -infinity, 7});
    builder.close(1002 * kSecond, 0, "");
    EXPECT_THAT(read_settled(gauge, 0).count, ElementsAre(2));
    EXPECT_THAT(read_settled(gauge, 1).count, ElementsAre(2));
    EXPECT_THAT(read_settled(gauge, 1).min, ElementsAre(1));
    EXPECT_THAT(read_settled(gauge, 1).max, ElementsAre(1));
}

TEST_F(Settling, EndsALevelWhoseSetWasCutShort) {
    // Accounted up to the set, the new value not yet there: as if the old one had been set again.
    std::uint32_t level = builder.add("memory_bytes", {"heap"});
    builder.set_open(level, 1000 * kSecond);
    builder.set_level(level, {kSecond / 2, 1, 2, 2, 2}, 1000 * kSecond + kSecond / 2);
    builder.set_seq(level, 5);
    builder.close(1001 * kSecond, 0, "");
    SeriesData data = read_settled(level);
    EXPECT_THAT(data.count, ElementsAre(kSecond));
    EXPECT_THAT(data.sum, ElementsAre(2));
}

TEST_F(Settling, CarriesALiveVmNotBeyondItsClose) {
    std::uint32_t counter = builder.add("requests_total", {"/"});
    builder.set_open(counter, 1000 * kSecond);
    builder.close(1002 * kSecond, 0, "");
    now_ns = 1900 * kSecond;
    EXPECT_THAT(ends(read(counter)), ElementsAre(1001, 1002));
}

}  // namespace
}  // namespace ringside::agent::test
