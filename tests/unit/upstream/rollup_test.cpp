// What leaves the host, against values worked out by hand.
#include "agent/upstream/rollup.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <string>
#include <vector>

#include "tests/unit/upstream/rollup_fixture.h"

namespace ringside::agent {
namespace {

using Steps = std::vector<std::string>;

TEST(Rollup, ACounterStartsWithAZeroAndThenSaysItsTotal) {
    Vm vm;
    SeriesWindows& exits = vm.add("exits_total", Kind::kCounter);
    put_value(exits, window(1), 7);
    put_value(exits, window(2), 7, kPointCarried);
    put_value(exits, window(3), 12);
    vm.range.until_ns = window(3);
    EXPECT_EQ(text(vm.roll()), (Steps{"zeros exits_total=0@10000", "window exits_total=7@300000",
                                      "window exits_total=7@600000", "window exits_total=12@900000"}));
}

TEST(Rollup, TheZeroIsSentOnlyWithTheFirstWindow) {
    Vm vm;
    SeriesWindows& exits = vm.add("exits_total", Kind::kCounter);
    put_value(exits, window(2), 9);
    vm.range.after_ns = vm.range.zeros_after_ns = window(1);
    vm.range.until_ns = window(2);
    EXPECT_EQ(text(vm.roll()), Steps{"window exits_total=9@600000"});
}

TEST(Rollup, TheZeroIsNotRepeatedWhenOnlyItWasAcknowledged) {
    Vm vm;
    put_value(vm.add("exits_total", Kind::kCounter), window(1), 9);
    vm.range.zeros_after_ns = window(1);
    EXPECT_EQ(text(vm.roll()), Steps{"window exits_total=9@300000"});
}

TEST(Rollup, ASeriesRegisteredLaterHasItsOwnZeroInItsOwnWindow) {
    Vm vm;
    SeriesWindows& early = vm.add("early_total", Kind::kCounter);
    put_value(early, window(1), 1);
    put_value(early, window(2), 2);
    SeriesWindows& late = vm.add("late_total", Kind::kCounter);
    late.series.created_ns = window(1) + 5 * kSecond + 999'999;  // rounded down
    put_value(late, window(2), 3);
    vm.range.until_ns = window(2);
    EXPECT_EQ(text(vm.roll()), (Steps{"zeros early_total=0@10000", "window early_total=1@300000",
                                      "zeros late_total=0@305000", "window early_total=2@600000 late_total=3@600000"}));
}

TEST(Rollup, ASeriesRegisteredAtAWindowsVeryBeginKeepsItsZeroBeforeTheSample) {
    Vm vm;
    vm.info.created_ns = kBase;
    SeriesWindows& exits = vm.add("exits_total", Kind::kCounter);
    put_value(exits, window(1), 4);
    EXPECT_EQ(text(vm.roll()), (Steps{"zeros exits_total=0@0", "window exits_total=4@300000"}));
}

TEST(Rollup, AZeroNeverLeavesItsWindowWhateverTheSegmentSays) {
    Vm vm;
    vm.range.after_ns = window(3);
    vm.range.until_ns = window(4);
    SeriesWindows& lies = vm.add("lies_total", Kind::kCounter);
    lies.series.created_ns = 1;  // 1970: the VM's own start counts, and that is long over
    put_value(lies, window(4), 4);
    EXPECT_EQ(text(vm.roll()), Steps{"window lies_total=4@1200000"});
    lies.series.created_ns = UINT64_MAX;
    EXPECT_EQ(text(vm.roll()), Steps{"window lies_total=4@1200000"});
}

TEST(Rollup, AnOutageOfAFewWindowsLeavesTheZeroAtItsTime) {
    Vm vm;
    SeriesWindows& exits = vm.add("exits_total", Kind::kCounter);
    put_value(exits, window(4), 40);  // the ring had no more
    vm.range.until_ns = window(4);
    EXPECT_EQ(text(vm.roll()), (Steps{"zeros exits_total=0@10000", "window exits_total=40@1200000"}));
}

TEST(Rollup, CountersAreDoublesOnTheWire) {
    Vm vm;
    SeriesWindows& whole = vm.add("whole_total", Kind::kCounter);
    SeriesWindows& part = vm.add("part_total", Kind::kCounterF64);
    vm.range.zeros_after_ns = window(1);
    put_value(vm.series[0], window(1), (std::uint64_t{1} << 53) + 1);  // one more than a double tells apart
    put_value(part, window(1), std::bit_cast<std::uint64_t>(0.125));
    (void)whole;
    EXPECT_EQ(text(vm.roll()), Steps{"window whole_total=9007199254740992@300000 part_total=0.125@300000"});
}

TEST(Rollup, ASampledGaugeSendsItsFiveColumnsAndNothingForAMissingWindow) {
    Vm vm;
    SeriesWindows& depth = vm.add("depth", Kind::kGauge, {"disk"}, {"vda"});
    put_gauge(depth, window(1), {3, 10.5, 1.5, 6, 3});
    put_gauge(depth, window(3), {1, -2, -2, -2, -2});
    vm.range.until_ns = window(3);
    EXPECT_EQ(text(vm.roll()), (Steps{"window depth{disk=\"vda\"}=3@300000 depth:5m_min{disk=\"vda\"}=1.5@300000 "
                                      "depth:5m_max{disk=\"vda\"}=6@300000 depth:5m_sum{disk=\"vda\"}=10.5@300000 "
                                      "depth:5m_count{disk=\"vda\"}=3@300000",
                                      "window depth{disk=\"vda\"}=-2@900000 depth:5m_min{disk=\"vda\"}=-2@900000 "
                                      "depth:5m_max{disk=\"vda\"}=-2@900000 depth:5m_sum{disk=\"vda\"}=-2@900000 "
                                      "depth:5m_count{disk=\"vda\"}=1@900000"}));
}

TEST(Rollup, ASampledGaugeWithoutAnObservationIsNoSample) {
    Vm vm;
    put_gauge(vm.add("depth", Kind::kGauge), window(1), {0, 0, 0, 0, 0});
    EXPECT_TRUE(vm.roll().steps.empty());
}

TEST(Rollup, ALevelGaugeIsWeightedBySecondsAndSentWhileItIdles) {
    Vm vm;
    SeriesWindows& memory = vm.add("memory_bytes", Kind::kLevel);
    // Set to 100 at 60 s, to 40 at 180 s: 120 s x 100 + 120 s x 40.
    put_gauge(memory, window(1), {240 * kSecond, 16800, 40, 100, 40}, kPointPartial);
    put_gauge(memory, window(2), {300 * kSecond, 12000, 40, 40, 40}, kPointCarried);
    vm.range.until_ns = window(2);
    EXPECT_EQ(text(vm.roll()),
              (Steps{"window memory_bytes=40@300000 memory_bytes:5m_min=40@300000 memory_bytes:5m_max=100@300000 "
                     "memory_bytes:5m_sum=16800@300000 memory_bytes:5m_count=240@300000",
                     "window memory_bytes=40@600000 memory_bytes:5m_min=40@600000 memory_bytes:5m_max=40@600000 "
                     "memory_bytes:5m_sum=12000@600000 memory_bytes:5m_count=300@600000"}));
}

TEST(Rollup, SecondsKeepTheirNanoseconds) {
    Vm vm;
    put_gauge(vm.add("m", Kind::kLevel), window(1), {1'500'000'001, 1, 1, 1, 1});
    EXPECT_EQ(vm.roll().steps.at(0).points.at(4).value, 1.500000001);
}

TEST(Rollup, AHistogramAddsUpItsBucketsToBoundsThatDoNotChange) {
    Vm vm;
    SeriesWindows& wait = vm.add("wait_seconds", Kind::kHistogram);
    MetricInfo& metric = vm.schema->metrics[0];
    metric.histogram_scale = 1;  // buckets 1 .. 4 end at 1.41, 2, 2.83, 4; the zero bucket at 1
    metric.bucket_first = 1;
    metric.bucket_count = 4;
    wait.data.end_ns = {window(1), window(2)};
    wait.data.flags = {0, 0};
    wait.data.count = {0, 21};
    wait.data.sum = {0, 40.25};
    wait.data.buckets = {0, 0, 0, 0, 0, /* zero bucket: */ 1, 2, 3, 4, 5};  // and 6 above the range
    vm.range.until_ns = window(2);
    EXPECT_EQ(text(vm.roll()),
              (Steps{"zeros wait_seconds_bucket{le=\"1\"}=0@10000 wait_seconds_bucket{le=\"2\"}=0@10000 "
                     "wait_seconds_bucket{le=\"4\"}=0@10000 wait_seconds_bucket{le=\"+Inf\"}=0@10000 "
                     "wait_seconds_sum=0@10000 wait_seconds_count=0@10000",
                     "window wait_seconds_bucket{le=\"1\"}=0@300000 wait_seconds_bucket{le=\"2\"}=0@300000 "
                     "wait_seconds_bucket{le=\"4\"}=0@300000 wait_seconds_bucket{le=\"+Inf\"}=0@300000 "
                     "wait_seconds_sum=0@300000 wait_seconds_count=0@300000",
                     "window wait_seconds_bucket{le=\"1\"}=1@600000 wait_seconds_bucket{le=\"2\"}=6@600000 "
                     "wait_seconds_bucket{le=\"4\"}=15@600000 wait_seconds_bucket{le=\"+Inf\"}=21@600000 "
                     "wait_seconds_sum=40.25@600000 wait_seconds_count=21@600000"}));
}

TEST(Rollup, AnInfoSeriesIsOneInEveryWindowOfItsLife) {
    Vm vm;
    SeriesWindows& info = vm.add("vm_info", Kind::kInfo, {"image"}, {"debian-12"});
    info.series.created_ns = window(1) + 1;
    vm.range.until_ns = window(3);
    EXPECT_EQ(text(vm.roll()),
              (Steps{"window vm_info{image=\"debian-12\"}=1@600000", "window vm_info{image=\"debian-12\"}=1@900000"}));
}

TEST(Rollup, OnlyClosedWindowsOfTheRangeAreTaken) {
    Vm vm;
    SeriesWindows& exits = vm.add("exits_total", Kind::kCounter);
    vm.range.zeros_after_ns = window(9);
    put_value(exits, window(0), 1);
    put_value(exits, window(1), 2);
    put_value(exits, window(1) + kSecond, 3, kPointPartial);  // an end that is not yet final
    put_value(exits, window(2), 4, kPointOpen);
    EXPECT_EQ(text(vm.roll()), Steps{"window exits_total=2@300000"});
}

TEST(Rollup, AVmThatEndsSendsItsLastWindowAtItsTrueEndThenStaleMarkers) {
    Vm vm;
    SeriesWindows& exits = vm.add("exits_total", Kind::kCounter);
    put_value(exits, window(1), 5);
    put_value(exits, window(1) + 42 * kSecond + 1, 8, kPointPartial);  // rounded up to the next ms
    vm.add("vm_info", Kind::kInfo);
    vm.end(window(1) + 42 * kSecond + 1);
    EXPECT_EQ(text(vm.roll()), (Steps{"zeros exits_total=0@10000", "window exits_total=5@300000 vm_info=1@300000",
                                      "window exits_total=8@342001 vm_info=1@342001",
                                      "end exits_total=stale@342002 vm_info=stale@342002" + killed_at(342001)}));
}

TEST(Rollup, AnEndWithinTheFirstNanosecondsOfAWindowDoesNotMeetTheSampleBefore) {
    Vm vm;
    SeriesWindows& exits = vm.add("exits_total", Kind::kCounter);
    put_value(exits, window(1), 5);
    put_value(exits, window(1) + 1, 6, kPointPartial);
    vm.end(window(1) + 1);
    EXPECT_EQ(text(vm.roll()),
              (Steps{"zeros exits_total=0@10000", "window exits_total=5@300000", "window exits_total=6@300001",
                     "end exits_total=stale@300002" + killed_at(300001)}));
}

TEST(Rollup, AnEndOnTheEdgeOfAWindowHasNoPartialWindow) {
    Vm vm;
    put_value(vm.add("exits_total", Kind::kCounter), window(1), 5);
    vm.add("vm_info", Kind::kInfo);
    vm.end(window(1));
    EXPECT_EQ(text(vm.roll()), (Steps{"zeros exits_total=0@10000", "window exits_total=5@300000 vm_info=1@300000",
                                      "end exits_total=stale@300001 vm_info=stale@300001" + killed_at(300000)}));
}

TEST(Rollup, AVmOfAMillisecondStillHasAZeroASampleAndAnEnd) {
    Vm vm;
    vm.info.created_ns = kBase + 10 * kSecond;
    put_value(vm.add("exits_total", Kind::kCounter), kBase + 10 * kSecond, 3, kPointPartial);
    vm.end(kBase + 10 * kSecond);  // its clock did not move at all
    EXPECT_EQ(text(vm.roll()), (Steps{"window exits_total=3@10000", "end exits_total=stale@10001" + killed_at(10000)}));
    vm.info.ended_ns = vm.series[0].data.end_ns[0] = kBase + 10 * kSecond + 1;
    EXPECT_EQ(text(vm.roll()), (Steps{"zeros exits_total=0@10000", "window exits_total=3@10001",
                                      "end exits_total=stale@10002" + killed_at(10001)}));
}

TEST(Rollup, AllSeriesOfAnEndedVmGoStaleAlsoThoseThatWereSilentAtTheEnd) {
    Vm vm;
    vm.add("depth", Kind::kGauge);
    vm.range.after_ns = vm.range.zeros_after_ns = window(5);
    vm.range.last_ms = window_ms(5);
    vm.end(window(4) + kSecond);  // its idle windows were pushed past the end that was settled later
    EXPECT_EQ(text(vm.roll()), Steps{"end depth=stale@1500001 depth:5m_min=stale@1500001 "
                                     "depth:5m_max=stale@1500001 depth:5m_sum=stale@1500001 "
                                     "depth:5m_count=stale@1500001" +
                                     killed_at(1201000)});
}

TEST(Rollup, NothingIsSentForTimesOfAnEarlierLife) {
    Vm vm;
    SeriesWindows& exits = vm.add("exits_total", Kind::kCounter);
    put_value(exits, window(1), 5);
    put_value(exits, window(2), 6);
    vm.range.until_ns = window(2);
    vm.range.floor_ms = window_ms(1) + 17;
    VmRollup rollup = vm.roll();
    EXPECT_EQ(text(rollup), (Steps{"zeros exits_total=0@300018", "window exits_total=6@600000"}));
    EXPECT_EQ(rollup.overlapping, 1u);
}

TEST(Rollup, AZeroStaysBehindTheStaleMarkerOfTheEarlierLife) {
    Vm vm;
    put_value(vm.add("exits_total", Kind::kCounter), window(1), 5);
    vm.range.floor_ms = kBaseMs + 10'000;  // the very instant at which this life began
    EXPECT_EQ(text(vm.roll()), (Steps{"zeros exits_total=0@10001", "window exits_total=5@300000"}));
}

TEST(Rollup, LabelsAreSortedAndTheAgentsOwnWin) {
    Vm vm;
    vm.agent = {{"component", "net"}, {"instance", "host-1"}, {"job", "j"}, {"region", "eu"}, {"vm_id", "vm-1"}};
    vm.range.zeros_after_ns = window(1);
    SeriesWindows& bytes = vm.add("bytes_total", Kind::kCounter, {"zone", "job", "vm_id", "Dir", "empty"},
                                  {"b", "evil", "other-vm", "rx", ""});
    put_value(bytes, window(1), 1);
    VmRollup rollup = vm.roll();
    LabelSet expected = {
        {"Dir", "rx"},    {"__name__", "bytes_total"}, {"component", "net"}, {"instance", "host-1"}, {"job", "j"},
        {"region", "eu"}, {"vm_id", "vm-1"},           {"zone", "b"}};
    EXPECT_EQ(rollup.series.at(0).labels, expected);
}

TEST(Rollup, TheBucketLabelIsOursAndStandsInOrder) {
    Vm vm;
    vm.add("h", Kind::kHistogram, {"le", "zone"}, {"evil", "z"});
    vm.schema->metrics[0].bucket_count = 1;
    VmRollup rollup = vm.roll();
    LabelSet expected = {{"__name__", "h_bucket"}, {"instance", "host-1"}, {"job", "ringside"}, {"le", "0.5"},
                         {"vm_id", "vm-1"},        {"zone", "z"}};
    EXPECT_EQ(rollup.series.at(0).labels, expected);
}

TEST(Rollup, OfSeriesThatTheAgentsLabelsMakeEqualTheFirstStays) {
    Vm vm;
    SeriesWindows& a = vm.add("a_total", Kind::kCounter, {"vm_id"}, {"x"});
    put_value(a, window(1), 1);
    SeriesWindows b = a;
    b.series.index = 1;
    b.series.label_values = {"y"};
    b.data.value = {2};
    vm.series.push_back(b);
    VmRollup rollup = vm.roll();
    EXPECT_EQ(text(rollup), (Steps{"zeros a_total=0@10000", "window a_total=1@300000"}));
    EXPECT_EQ(rollup.duplicates, 1u);
}

TEST(Rollup, NoValueIsTakenForAStaleMarker) {
    Vm vm;
    const double marker = std::bit_cast<double>(kStaleBits);
    const double infinite = std::numeric_limits<double>::infinity();
    put_gauge(vm.add("g", Kind::kGauge), window(1), {2, marker, -infinite, infinite, marker});
    vm.range.zeros_after_ns = window(1);
    put_value(vm.add("c_total", Kind::kCounterF64), window(1), kStaleBits);
    std::vector<RollupPoint> points = vm.roll().steps.at(0).points;
    auto bits = [&](std::size_t i) { return std::bit_cast<std::uint64_t>(points.at(i).value); };
    EXPECT_EQ(bits(0), kQuietNanBits);
    EXPECT_EQ(points.at(1).value, -infinite);
    EXPECT_EQ(points.at(2).value, infinite);
    EXPECT_EQ(bits(3), kQuietNanBits);
    EXPECT_EQ(bits(5), kQuietNanBits);
}

TEST(Rollup, ARunInPiecesGivesTheSameSamplesAsOneRun) {
    Vm vm;
    SeriesWindows& exits = vm.add("exits_total", Kind::kCounter);
    SeriesWindows& late = vm.add("late_total", Kind::kCounter);
    late.series.created_ns = window(2) + kSecond;
    vm.add("vm_info", Kind::kInfo);
    for (std::uint64_t n = 1; n <= 5; ++n) {
        put_value(vm.series[0], window(n), n);
        if (n > 2) put_value(late, window(n), n);
    }
    (void)exits;
    vm.end(window(5));
    Steps whole = text(vm.roll());
    Steps pieces;
    for (std::uint64_t n = 0; n < 5; ++n) {
        vm.range.after_ns = vm.range.zeros_after_ns = window(n);
        vm.range.until_ns = window(n + 1);
        vm.range.final = n == 4;
        vm.range.last_ms = window_ms(static_cast<std::int64_t>(n));
        Steps piece = text(vm.roll());
        pieces.insert(pieces.end(), piece.begin(), piece.end());
    }
    EXPECT_EQ(pieces, whole);
    EXPECT_EQ(whole.size(), 8u);  // 5 windows, 2 times zeros, the end
}

TEST(Rollup, AfterARebaseWindowsLieBeforeTheTimeOfCreation) {
    Vm vm;
    vm.info.created_ns = window(1'000'000);  // the host booted years ahead
    vm.info.rebases = 1;
    SeriesWindows& exits = vm.add("exits_total", Kind::kCounter);
    put_value(exits, window(1), 5);
    vm.add("vm_info", Kind::kInfo);
    EXPECT_EQ(text(vm.roll()), Steps{"window exits_total=5@300000 vm_info=1@300000"});
}

TEST(Rollup, TimesThatMakeNoSenseDoNotMakeEndlessWindows) {
    Vm vm;
    vm.info.created_ns = 0;
    vm.range.after_ns = 0;
    vm.add("vm_info", Kind::kInfo);
    vm.end(UINT64_MAX - 1);
    EXPECT_LE(vm.roll().steps.size(), 288u + 3);
}

}  // namespace
}  // namespace ringside::agent
