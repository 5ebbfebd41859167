// What a pusher cannot push, or not now: sources and disks that fail, rings that have moved on, clocks that were ahead.
#include <string>

#include "tests/unit/upstream/pusher_fixture.h"

namespace ringside::agent {
namespace {

TEST_F(PusherTest, TakesNoWindowOfAStandingWriterForLapped) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.live_until(at(20));
    vm.info.present_ns = at(26);
    agent->run(at(2000));  // The ring holds 1,000 s, and none of it has been lapped.
    EXPECT_EQ(agent->pushed, (Texts{"a@10x1", "a@20x1"}));
    EXPECT_TRUE(agent->stats.snapshot().windows_dropped.empty());
}

// What gauges observe in the second pass stays in the segment. It is told once, and counters lose nothing.
TEST_F(PusherTest, TellsThatTheClockWasSetBackIntoPushedWindows) {
    CountingVm& vm = sources.add("a", 1, at(3));
    CountingVm& counters_only = sources.add("b", 2, at(3));
    vm.layout->hash = 7;
    vm.layout->metrics.emplace_back().kind = Kind::kGauge;
    vm.layout->metrics.back().name = "g";
    for (CountingVm* one : {&vm, &counters_only}) one->live_until(at(41));
    const std::string a = vm_key(vm.info), b = vm_key(counters_only.info);
    agent->run(at(41));
    EXPECT_TRUE(agent->stats.snapshot().windows_dropped.empty());
    agent->run(at(35));
    agent->run(at(36));
    EXPECT_EQ(agent->stats.snapshot().windows_dropped.at("clock_step"), 1u);
    EXPECT_EQ(agent->store.ledger(a)->losses, (std::vector<Loss>{{"clock_step", kUnnamedSeries, at(30), at(40), 0}}));
    EXPECT_TRUE(agent->store.ledger(b)->losses.empty());
    // Known at once, and after a death.
    for (const std::string& key : {a, b}) EXPECT_EQ(agent->store.ledger(key)->cursor.tallied_ns, at(40));
    start();
    EXPECT_EQ(agent->store.ledger(a)->losses.size(), 1u);
    EXPECT_EQ(agent->store.ledger(b)->cursor.tallied_ns, at(40));
    EXPECT_EQ(agent->store.ledger(a)->cursor.acked_ns, at(40));
    for (CountingVm* one : {&vm, &counters_only}) one->live_until(at(51));
    agent->run(at(51));
    EXPECT_EQ(series("c0_total"), (Texts{"0@3", "7@10", "17@20", "27@30", "37@40", "47@50"}));
    EXPECT_EQ(agent->store.ledger(a)->cursor.tallied_ns, at(40)) << "what was answered before need not be what is held";
    start();
    EXPECT_EQ(agent->store.ledger(a)->losses.size(), 1u);
}

TEST_F(PusherTest, StartsOverFromWhatIsHeldWhenTheCursorsAreUnreadable) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.live_until(at(21));
    agent->run(at(21));
    disk.put(kCursors, "garbage");
    vm.live_until(at(31));
    start();
    EXPECT_NE(agent->store.put_aside(), "");
    agent->run(at(31));
    // Prometheus refuses what is older than its newest and takes the rest: at least once, and counted.
    EXPECT_EQ(series("c0_total"), (Texts{"0@3", "7@10", "17@20", "27@30"}));
    EXPECT_EQ(agent->stats.snapshot().samples_refused.at("http_400"), 2u);
}

TEST_F(PusherTest, ARefusedSeriesHoldsNobodyUp) {
    sources.add("a", 1, at(3), 8).live_until(at(21));
    receiver.decide([](std::size_t, const prometheus::WriteRequest& message) {
        for (const auto& one : message.timeseries()) {
            if (one.labels(0).value() == "c5_total") return MockReceiver::Answer{400, "no c5", {}};
        }
        return MockReceiver::Answer{0, "", {}};
    });
    agent->run(at(21));
    EXPECT_EQ(agent->pushed, (Texts{"a@10x7", "a@20x7"}));
    EXPECT_TRUE(series("c5_total").empty());
    EXPECT_EQ(series("c4_total").size(), 3u);
    EXPECT_EQ(agent->stats.snapshot().samples_refused.at("http_400"), 3u);
}

TEST_F(PusherTest, WindowsThatAreTooOldAreCountedAndNotSent) {
    sources.add("a", 1, at(3)).live_until(at(5001));
    options.backlog_max = std::chrono::seconds(500);
    start();
    agent->run(at(5001));
    Texts all = series("c0_total");
    EXPECT_EQ(all.size(), 50u);
    EXPECT_EQ(all.front(), "4507@4510");  // no zero: what was before is no increase of this window
    EXPECT_EQ(agent->stats.snapshot().windows_dropped.at("too_old"), 450u);
}

TEST_F(PusherTest, WindowsThatTheRingHasLostAreCounted) {
    sources.add("a", 1, at(3)).live_until(at(2001));
    agent->run(at(2001));  // 100 slots: the open window and 990 s before it
    EXPECT_EQ(agent->stats.snapshot().windows_dropped.at("lapped"), 101u);
    EXPECT_EQ(series("c0_total").size(), 99u);
}

TEST_F(PusherTest, ASourceThatCannotBeReadNowIsAskedAgainAndHoldsUpNobodyElse) {
    std::uint8_t epoch = 0;
    for (Code code : {Code::kUnavailable, Code::kExhausted, Code::kIo, Code::kTimeout, Code::kDenied}) {
        const std::string id = code_name(code), other = id + "-other";
        SCOPED_TRACE(id);
        sources.vms.clear();
        start();
        CountingVm& vm = sources.add(id, ++epoch, at(3), 2);
        CountingVm& healthy = sources.add(other, ++epoch, at(3));
        vm.live_until(at(11));
        healthy.live_until(at(11));
        vm.errors.insert({{1, 0}, error(code, "not now")});
        Pusher::Round round = agent->run(at(11));
        EXPECT_TRUE(round.pending);
        EXPECT_EQ(round.next_due_ns, at(11) + kBusyPauseNs);
        EXPECT_EQ(agent->run(at(11) + kBusyPauseNs).next_due_ns, at(11) + 3 * kBusyPauseNs);
        healthy.live_until(at(211));
        vm.live_until(at(211));
        for (int now = 12; now <= 211; ++now) agent->run(at(now));
        EXPECT_TRUE(series("c0_total", id).empty());
        EXPECT_EQ(agent->store.find(vm_key(vm.info)), nullptr);
        EXPECT_EQ(series("c0_total", other).back(), "207@210");
        EXPECT_EQ(agent->log.size(), 1u);
        vm.errors.clear();
        agent->run(at(230));
        EXPECT_EQ(series("c0_total", id).size(), 22u);
        EXPECT_EQ(series("c1_total", id), series("c0_total", id));
        EXPECT_TRUE(agent->stats.snapshot().series_left_out.empty());
    }
}

TEST_F(PusherTest, ASeriesThatCannotBeReadIsLeftOut) {
    CountingVm& vm = sources.add("a", 1, at(3), 2);
    vm.live_until(at(11));
    std::uint64_t left_out = 0;
    for (Code code : {Code::kCorrupt, Code::kInvalid, Code::kNotFound}) {
        vm.errors.clear();
        vm.errors.insert({{1, 0}, error(code, "bad")});
        vm.live_until(at(11.0 + 10.0 * static_cast<double>(left_out)));
        agent->run(at(11.0 + 10.0 * static_cast<double>(left_out)));
        EXPECT_EQ(agent->stats.snapshot().series_left_out.at("read_failed"), ++left_out);
    }
    EXPECT_EQ(series("c0_total"), (Texts{"0@3", "7@10", "17@20", "27@30"}));
    EXPECT_TRUE(series("c1_total").empty());
}

TEST_F(PusherTest, AVmThatCanNeverBeReadIsCountedAndNotAskedForEver) {
    std::uint8_t epoch = 0;
    for (Code code : {Code::kCorrupt, Code::kInvalid, Code::kNotFound}) {
        const std::string id = code_name(code);
        SCOPED_TRACE(id);
        sources.vms.clear();
        start();
        CountingVm& vm = sources.add(id, ++epoch, at(3));
        const std::string key = vm_key(vm.info);
        vm.live_until(at(21));
        vm.series_error = error(code, "bad");
        EXPECT_FALSE(agent->run(at(21)).pending);
        EXPECT_EQ(agent->stats.snapshot().windows_dropped.at("read_failed"), 2u);
        EXPECT_EQ(agent->tracker->progress(key).acked_ns, at(20));
        vm.end(at(34.5));
        EXPECT_FALSE(agent->run(at(35)).pending);
        EXPECT_EQ(agent->stats.snapshot().windows_dropped.at("read_failed"), 4u);
        EXPECT_TRUE(agent->tracker->progress(key).done);
        ASSERT_EQ(agent->log.size(), 1u);
        EXPECT_NE(agent->log[0].find("cannot be read (bad"), std::string::npos) << agent->log[0];
    }
    EXPECT_TRUE(receiver.requests().empty());
}

TEST_F(PusherTest, KeepsPushingWhenCursorsCannotBeSavedAndSavesThemLater) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.live_until(at(11));
    disk.set_capacity(0);
    agent->run(at(11));
    EXPECT_EQ(series("c0_total"), (Texts{"0@3", "7@10"}));
    EXPECT_GT(agent->stats.snapshot().cursor_write_failures, 0u);
    EXPECT_EQ(agent->log.size(), 1u);
    disk.set_capacity(1 << 20);
    vm.live_until(at(21));
    agent->run(at(21));
    start();
    agent->run(at(22));
    EXPECT_EQ(receiver.repeated(), 0u);
    EXPECT_EQ(series("c0_total"), (Texts{"0@3", "7@10", "17@20"}));
}

TEST_F(PusherTest, AClockThatWasAheadAndIsSetBackDoesNotSilenceAVm) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.live_until(at(501));
    agent->run(at(501));
    const std::size_t before = receiver.requests().size();
    // Back to 200 s: the segment starts again at the present.
    vm.info.rebases = 1;
    vm.runs.clear();
    agent->run(at(201));
    EXPECT_EQ(agent->stats.snapshot().cursor_resets, 1u);
    SeriesData& data = vm.runs[{0, 0}];
    data.end_ns = {at(210)};
    data.flags = {0};
    data.value = {999};
    agent->run(at(211));
    // The receiver may refuse what is older than its newest; it has been asked.
    EXPECT_GT(receiver.requests().size(), before);
    EXPECT_EQ(receiver.requests().back().message.timeseries(0).samples(0).value(), 999);
}

}  // namespace
}  // namespace ringside::agent
