// Which epochs a pusher knows and what it does at their ends: lives of one VM, listings, VMs that are done or gone.
#include <string>

#include "tests/unit/upstream/pusher_fixture.h"

namespace ringside::agent {
namespace {

TEST_F(PusherTest, AVmThatEndsWhileOthersArePushedKeepsItsLastWindow) {
    CountingVm& quick = sources.add("a", 1, at(3));
    quick.live_until(at(41));
    agent->run(at(41));
    CountingVm& behind = sources.add("b", 2, at(3));
    behind.live_until(at(15));
    quick.live_until(at(51));
    agent->events.pushed = [&](const std::string&, std::uint64_t, std::size_t) {
        behind.info.ended_ns = at(17);
        behind.info.state = VmState::kExited;
    };
    agent->run(at(51));
    behind.end(at(17));
    agent->run(at(52));
    EXPECT_EQ(series("c0_total", "b"), (Texts{"0@3", "7@10", "14@17", "stale@17.001"}));
}

TEST_F(PusherTest, ALaterLifeOfAVmWaitsForTheEndOfTheEarlierOne) {
    CountingVm& first = sources.add("a", 1, at(3));
    CountingVm& second = sources.add("a", 2, at(13.5));
    first.end(at(12.5));
    first.info.state = VmState::kExited;  // the drain takes its time
    second.live_until(at(31));
    agent->run(at(21));
    EXPECT_EQ(series("c0_total"), (Texts{"0@3", "7@10"}));
    first.info.state = VmState::kDrained;
    agent->run(at(22));
    EXPECT_EQ(series("c0_total"), (Texts{"0@3", "7@10", "9@12.5", "stale@12.501", "0@13.5", "6@20"}));
    agent->run(at(31));
    EXPECT_EQ(series("c0_total").back(), "16@30");
    EXPECT_TRUE(agent->stats.snapshot().windows_dropped.empty());
}

TEST_F(PusherTest, ALifeThatEndedWhileNoAgentRanIsPushedToItsEndBeforeTheNext) {
    CountingVm& first = sources.add("a", 1, at(3));
    first.live_until(at(11));
    agent->run(at(11));
    first.end(at(18));
    first.info.state = VmState::kExited;
    CountingVm& second = sources.add("a", 2, at(21));
    second.live_until(at(95));
    start();
    agent->run(at(95));  // before the drain
    agent->run(at(96));
    EXPECT_EQ(series("c0_total"), (Texts{"0@3", "7@10"}));
    first.info.state = VmState::kDrained;
    agent->run(at(97));
    EXPECT_EQ(series("c0_total"), (Texts{"0@3", "7@10", "15@18", "stale@18.001", "0@21", "9@30", "19@40", "29@50",
                                         "39@60", "49@70", "59@80", "69@90"}));
    EXPECT_EQ(agent->done, Texts{"a"});
    EXPECT_TRUE(agent->stats.snapshot().windows_dropped.empty());
    EXPECT_TRUE(agent->log.empty());
}

TEST_F(PusherTest, RemembersThatAListedVmIsDoneHoweverOldItGets) {
    sources.add("a", 1, at(3)).end(at(24.5));
    agent->run(at(25));
    const std::string key = sources.sources()[0].key;
    for (int hour = 1; hour <= 4; ++hour) agent->run(at(25 + hour * 3700));
    EXPECT_TRUE(agent->tracker->progress(key).done);
    ASSERT_NE(agent->store.find(key), nullptr);
    start();
    agent->run(at(25 + 5 * 3700));
    EXPECT_TRUE(agent->tracker->progress(key).done);
    EXPECT_TRUE(agent->stats.snapshot().windows_dropped.empty());
}

TEST_F(PusherTest, ALaterLifeBegunBeforeTheEarlierEndedStartsAfterItsMarker) {
    sources.add("a", 1, at(3)).end(at(15));
    sources.add("a", 2, at(14.2)).live_until(at(21));
    agent->run(at(21));
    EXPECT_EQ(series("c0_total"), (Texts{"0@3", "7@10", "12@15", "stale@15.001", "0@15.002", "5@20"}));
}

// The clock was set back between the two, so that the later life has the earlier begin.
TEST_F(PusherTest, ALifeThatHasEndedTakesOverNoneThatRuns) {
    sources.add("a", 1, at(23)).end(at(25));
    CountingVm& running = sources.add("a", 2, at(13));
    for (double now : {21.0, 31.0, 41.0, 51.0, 61.0}) {
        running.live_until(at(now));
        agent->run(at(now));
    }
    EXPECT_EQ(series("c0_total"), (Texts{"0@23", "2@25", "stale@25.001", "17@30", "27@40", "37@50", "47@60"}));
    EXPECT_TRUE(agent->log.empty());
}

TEST_F(PusherTest, ALifeWithoutEndIsTakenOverAfterTwoWindows) {
    CountingVm& hung = sources.add("a", 1, at(3));
    CountingVm& second = sources.add("a", 2, at(13));
    for (double now : {11.0, 21.0, 31.0, 32.0, 41.0}) {
        hung.live_until(at(now));
        second.live_until(at(now));
        agent->run(at(now));
    }
    // At 31 s the second has had its windows of 20 s and 30 s; the first has been pushed up to 20 s or 30 s by then.
    Texts all = series("c0_total");
    EXPECT_EQ(all.front(), "0@3");
    EXPECT_EQ(all.back(), "27@40");
    EXPECT_EQ(receiver.repeated(), 0u);
    UpstreamStats stats = agent->stats.snapshot();
    EXPECT_TRUE(stats.samples_refused.empty());
    EXPECT_GT(stats.windows_dropped.at("overlap"), 0u);
    ASSERT_EQ(agent->log.size(), 1u);
    EXPECT_NE(agent->log[0].find("VM a runs twice"), std::string::npos);
    second.live_until(at(56));
    hung.end(at(55));
    agent->run(at(56));
    EXPECT_EQ(agent->done, Texts{"a"});  // without a marker: the series go on
    EXPECT_EQ(series("c0_total").back(), "37@50");
}

TEST_F(PusherTest, ComponentsOfAVmAreSeriesOfTheirOwn) {
    CountingVm& vmm = sources.add("a", 1, at(3));
    CountingVm& net = sources.add("a", 2, at(4));
    net.info.component = "net";
    vmm.live_until(at(11));
    net.live_until(at(11));
    agent->run(at(11));
    EXPECT_EQ(series("c0_total"), (Texts{"0@3", "7@10"}));
    EXPECT_EQ(receiver.stored().count("c0_total{component=\"net\",instance=\"h\",job=\"j\",vm_id=\"a\"}"), 1u);
}

TEST_F(PusherTest, TheDrainedOneOfTwoListingsCounts) {
    sources.add("a", 1, at(3)).live_until(at(31));
    CountingVm& archived = sources.add("a", 1, at(3));
    archived.end(at(24.5));
    std::swap(sources.vms[0], sources.vms[1]);
    agent->run(at(31));
    EXPECT_EQ(series("c0_total").back(), "stale@24.501");
}

TEST_F(PusherTest, AProvisionedSegmentIsNoVmYet) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.live_until(at(31));
    vm.info.state = VmState::kProvisioned;
    agent->run(at(31));
    EXPECT_TRUE(receiver.requests().empty());
    vm.info.state = VmState::kRunning;
    vm.info.attached_ns = at(22);
    for (SeriesInfo& one : vm.list) one.created_ns = at(23);
    agent->run(at(31));
    EXPECT_EQ(series("c0_total"), (Texts{"0@23", "27@30"}));
}

// Else an agent that dies right then ends the VM a second time, a millisecond later.

TEST_F(PusherTest, AnEndIsDurableTogetherWithItsStaleMarkers) {
    sources.add("a", 1, at(3)).end(at(24.5));
    bool durable = false;
    agent->events.epoch_done = [&](const std::string& key) {
        const CursorStore on_disk = Agent::opened(disk, options);
        const Cursor* cursor = on_disk.find(key);
        durable = cursor != nullptr && cursor->done;
    };
    agent->run(at(24.6));
    EXPECT_TRUE(durable);
}

TEST_F(PusherTest, AVmThatEndedTooLongAgoIsDoneAtOnceAndLeavesNoRecord) {
    sources.add("a", 1, at(3)).end(at(95));
    agent->run(at(95 + 3601));
    EXPECT_TRUE(receiver.requests().empty());
    EXPECT_EQ(agent->done, Texts{"a"});
    EXPECT_EQ(agent->stats.snapshot().windows_dropped.at("too_old"), 10u);
    EXPECT_TRUE(agent->store.all().empty());
}

TEST_F(PusherTest, ForgetsThatAVmIsDoneWhenItIsNoLongerListed) {
    sources.add("a", 1, at(3)).end(at(95));
    const std::string key = sources.sources()[0].key;
    agent->run(at(95 + 3601));
    agent->run(at(95 + 3701));
    EXPECT_TRUE(agent->tracker->progress(key).done);
    sources.vms.clear();
    agent->run(at(95 + 3801));
    EXPECT_FALSE(agent->tracker->progress(key).done);
}

TEST_F(PusherTest, ForgetsCursorsOfVmsThatAreLongGone) {
    sources.add("a", 1, at(3)).end(at(24.5));
    sources.add("b", 2, at(3)).live_until(at(21));
    agent->run(at(25));
    EXPECT_EQ(agent->store.all().size(), 2u);
    sources.vms.clear();  // one evicted from the archive, one removed by hand
    agent->run(at(100));
    EXPECT_EQ(agent->store.all().size(), 2u);
    agent->run(at(100 + 3700));
    EXPECT_TRUE(agent->store.all().empty());
    EXPECT_EQ(agent->stats.snapshot().vms_gone, 1u);
}

}  // namespace
}  // namespace ringside::agent
