// Rounds of an upstream against a strict receiver: VMs that live, end, lag, follow each other; agents that die.
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/upstream/pusher_fixture.h"

namespace ringside::agent {
namespace {

TEST_F(PusherTest, WaitsForTheWindowOfAWriterThatStands) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.live_until(at(20));
    vm.info.present_ns = at(26);  // a paused VM that ticks
    Pusher::Round round = agent->run(at(200));
    EXPECT_EQ(agent->pushed, (Texts{"a@10x1", "a@20x1"}));
    EXPECT_FALSE(round.pending);
    EXPECT_EQ(round.next_due_ns, UINT64_MAX);
    vm.live_until(at(30));  // It goes on: the window that was open is over.
    vm.info.present_ns = at(201);
    agent->run(at(203));
    EXPECT_EQ(agent->pushed.at(2), "a@30x1");
}

TEST_F(PusherTest, TakesNoWindowOfAStandingWriterForLapped) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.live_until(at(20));
    vm.info.present_ns = at(26);
    agent->run(at(2000));  // The ring holds 1,000 s, and none of it has been lapped.
    EXPECT_EQ(agent->pushed, (Texts{"a@10x1", "a@20x1"}));
    EXPECT_TRUE(agent->stats.snapshot().windows_dropped.empty());
}

TEST_F(PusherTest, PushesAWindowOnceItsEndAndTheGraceHavePassed) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.live_until(at(11));
    Pusher::Round round = agent->run(at(10.999));
    EXPECT_TRUE(receiver.requests().empty());
    EXPECT_EQ(round.next_due_ns, at(11));
    EXPECT_FALSE(round.pending);
    round = agent->run(at(11));
    EXPECT_EQ(series("c0_total"), (Texts{"0@3", "7@10"}));
    EXPECT_EQ(round.next_due_ns, at(21));
    EXPECT_EQ(agent->pushed, Texts{"a@10x1"});
    EXPECT_EQ(receiver.requests().size(), 2u);  // the zero goes alone: one sample a series and request
    vm.live_until(at(31));
    agent->run(at(31));
    EXPECT_EQ(series("c0_total"), (Texts{"0@3", "7@10", "17@20", "27@30"}));
    EXPECT_EQ(agent->pushed, (Texts{"a@10x1", "a@20x1", "a@30x1"}));
    EXPECT_EQ(agent->stats.snapshot().windows_sent, 3u);
    EXPECT_EQ(agent->stats.snapshot().samples_sent, 4u);
    EXPECT_TRUE(agent->log.empty());
}

TEST_F(PusherTest, EndsADrainedVmWithItsPartialWindowAndStaleMarkers) {
    sources.add("a", 1, at(3)).end(at(24.5));
    agent->run(at(24.6));  // no grace: what has ended cannot change
    EXPECT_EQ(series("c0_total"), (Texts{"0@3", "7@10", "17@20", "21@24.5", "stale@24.501"}));
    EXPECT_EQ(agent->done, Texts{"a"});
    EXPECT_TRUE(agent->tracker->progress(sources.sources()[0].key).done);
    std::size_t requests = receiver.requests().size();
    agent->run(at(100));
    EXPECT_EQ(receiver.requests().size(), requests);
    EXPECT_EQ(agent->done, Texts{"a"});
}

TEST_F(PusherTest, WaitsForTheArchiveBeforeItSpeaksOfTheEnd) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.end(at(24.5));
    vm.info.state = VmState::kExited;
    agent->run(at(60));
    EXPECT_EQ(series("c0_total"), (Texts{"0@3", "7@10", "17@20"}));
    EXPECT_TRUE(agent->done.empty());
    vm.info.state = VmState::kDrained;
    agent->run(at(61));
    EXPECT_EQ(series("c0_total"), (Texts{"0@3", "7@10", "17@20", "21@24.5", "stale@24.501"}));
}

TEST_F(PusherTest, GoesOnAfterARestartWithoutRepeatingOrLosingAnything) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.live_until(at(21));
    agent->run(at(21));
    vm.live_until(at(61));
    start();
    agent->run(at(61));
    vm.end(at(63));
    start();
    agent->run(at(64));
    EXPECT_EQ(series("c0_total"),
              (Texts{"0@3", "7@10", "17@20", "27@30", "37@40", "47@50", "57@60", "60@63", "stale@63.001"}));
    EXPECT_EQ(receiver.repeated(), 0u);
    start();
    agent->run(at(65));
    EXPECT_EQ(receiver.repeated(), 0u);
    EXPECT_TRUE(agent->done.empty());  // was said when it came to that
}

TEST_F(PusherTest, AgentsThatDieAtAnyRequestNeitherLoseNorDoubleAnything) {
    // Of each agent only the first k requests get through; the last answer never arrives.
    for (std::uint8_t epoch = 1; epoch <= 3; ++epoch) {
        sources.add(std::string(1, static_cast<char>('a' + epoch)), epoch, at(3 + epoch), 2).end(at(24.5));
    }
    options.batch_samples_max = 4;
    std::size_t lives = 0;
    for (bool finished = false; !finished; ++lives) {
        ASSERT_LT(lives, 100u);
        start();
        const std::size_t before = receiver.requests().size();
        receiver.decide([&](std::size_t number, const auto&) {
            MockReceiver::Answer answer;
            answer.status = 0;
            if (number >= before + 1) {  // stored, but the answer comes to nobody: the agent is dead
                answer.status = 204;
                agent->pacer.stop();
                agent->sender->abort();
                answer.hang = false;
            }
            return answer;
        });
        agent->run(at(30));
        finished = std::ranges::all_of(
            sources.sources(), [&](const UpstreamSource& one) { return agent->tracker->progress(one.key).done; });
    }
    EXPECT_GT(lives, 4u);
    for (const char* vm_id : {"b", "c", "d"}) {
        const int offset = vm_id[0] - 'a';
        std::vector<std::string> expected;
        for (double end : {10.0, 20.0, 24.5}) {
            char text[32];
            std::snprintf(text, sizeof text, "%d@%g", static_cast<int>(end - 3 - offset), end);
            expected.push_back(text);
        }
        expected.insert(expected.begin(), "0@" + std::to_string(3 + offset));
        expected.push_back("stale@24.501");
        for (const char* name : {"c0_total", "c1_total"}) EXPECT_EQ(series(name, vm_id), expected);
    }
}

TEST_F(PusherTest, ARepeatAfterALostCursorIsByteForByteTheSameAndHarmless) {
    CountingVm& vm = sources.add("a", 1, at(3), 3);
    vm.live_until(at(11));
    agent->run(at(11));
    // The acknowledgement of the window at 20 s never makes it to the disk.
    const std::string cursors = *disk.content(kCursors);
    vm.live_until(at(21));
    agent->run(at(21));
    const std::string first = receiver.requests().back().body;
    disk.put(kCursors, cursors);
    start();
    agent->run(at(22));
    EXPECT_EQ(receiver.requests().back().body, first);
    EXPECT_EQ(receiver.repeated(), 3u);
    EXPECT_TRUE(agent->stats.snapshot().samples_refused.empty());
    EXPECT_EQ(series("c0_total"), (Texts{"0@3", "7@10", "17@20"}));
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

TEST_F(PusherTest, CatchesUpAfterAnOutageOldestFirst) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.live_until(at(901));
    agent->run(at(901));
    Texts all = series("c0_total");
    ASSERT_EQ(all.size(), 91u);
    EXPECT_EQ(all[1], "7@10");
    EXPECT_EQ(all[90], "897@900");
    for (const MockReceiver::Request& request : receiver.requests()) EXPECT_EQ(request.message.timeseries_size(), 1);
}

TEST_F(PusherTest, SendsFreshWindowsBeforeTheBacklogOfOthers) {
    CountingVm& fresh = sources.add("z", 1, at(493));
    sources.add("a", 2, at(3)).live_until(at(501));
    fresh.live_until(at(501));
    agent->run(at(501));
    EXPECT_EQ(agent->pushed.front(), "z@500x1");
    EXPECT_EQ(agent->pushed[1], "a@10x1");
    EXPECT_EQ(agent->pushed.size(), 51u);
    EXPECT_EQ(series("c0_total").size(), 51u);
}

TEST_F(PusherTest, ALongBacklogLetsNewWindowsOfOthersPass) {
    CountingVm& fresh = sources.add("z", 1, at(493));
    CountingVm& old = sources.add("a", 2, at(3));
    fresh.live_until(at(511));
    old.live_until(at(511));
    clock.set(at(501));
    // Time moves on while the backlog is being sent: the next window of z closes in the middle of it.
    receiver.decide([&](std::size_t number, const auto&) {
        if (number == 20) clock.set(at(511));
        MockReceiver::Answer answer;
        answer.status = 0;
        return answer;
    });
    for (int n = 0; n < 100 && agent->pusher->round().more; ++n) {
    }
    auto place = [&](const std::string& what) {
        return std::find(agent->pushed.begin(), agent->pushed.end(), what) - agent->pushed.begin();
    };
    EXPECT_LT(place("z@510x1"), place("a@400x1"));
    EXPECT_LT(place("a@320x1"), place("z@510x1"));  // the batch in hand is finished
    EXPECT_EQ(series("c0_total").size(), 52u);
}

TEST_F(PusherTest, LaggingVmsShareRequestsAndTakeTurns) {
    for (std::uint8_t n = 0; n < 4; ++n) sources.add("vm" + std::to_string(n), n, at(3)).live_until(at(401));
    agent->run(at(401));
    for (const MockReceiver::Request& request : receiver.requests()) EXPECT_EQ(request.message.timeseries_size(), 4);
    EXPECT_EQ(receiver.requests().size(), 41u);
    EXPECT_EQ(agent->pushed[0], "vm0@10x1");
    EXPECT_EQ(agent->pushed[1], "vm1@10x1");
}

TEST_F(PusherTest, SplitsAVmThatIsWiderThanABatchAndMovesItsCursorAtTheEnd) {
    options.batch_samples_max = 10;
    start();
    sources.add("a", 1, at(3), 25).live_until(at(11));
    receiver.decide([](std::size_t number, const auto&) {
        return MockReceiver::Answer{number == 4 ? 500 : 204, "", {}};  // once, in the middle of the window
    });
    agent->run(at(11));
    std::vector<int> sizes;
    for (const MockReceiver::Request& request : receiver.requests()) sizes.push_back(request.message.timeseries_size());
    EXPECT_EQ(sizes, (std::vector<int>{10, 10, 5, 10, 10, 10, 5}));
    EXPECT_EQ(agent->pushed, Texts{"a@10x25"});
    EXPECT_EQ(agent->stats.snapshot().samples_sent, 50u);
}

TEST_F(PusherTest, SplitsByBytesToo) {
    options.batch_bytes_max = 64 * 1024;
    start();
    CountingVm& vm = sources.add("a", 1, at(3), 200);
    for (MetricInfo& metric : vm.layout->metrics) metric.help.assign(500, 'h');
    vm.live_until(at(11));
    agent->run(at(11));
    EXPECT_EQ(series("c199_total"), (Texts{"0@3", "7@10"}));
    EXPECT_GE(receiver.requests().size(), 4u);
    EXPECT_LE(receiver.requests().size(), 8u);
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

TEST_F(PusherTest, TellsHowFarAVmIsRightAfterARestart) {
    CountingVm& live = sources.add("a", 1, at(3));
    live.live_until(at(21));
    sources.add("b", 2, at(3)).end(at(17));
    const std::string a = sources.sources()[0].key, b = sources.sources()[1].key;
    EXPECT_EQ(agent->tracker->progress(a).acked_ns, 0u);
    agent->run(at(21));
    for (int run = 0; run < 2; ++run) {
        EXPECT_EQ(agent->tracker->progress(a).acked_ns, at(20));
        EXPECT_FALSE(agent->tracker->progress(a).done);
        EXPECT_EQ(agent->tracker->progress(b).acked_ns, at(17));
        EXPECT_TRUE(agent->tracker->progress(b).done);
        start();
    }
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

TEST_F(PusherTest, TellsItsBacklog) {
    sources.add("a", 1, at(3)).live_until(at(101));
    clock.set(at(101));
    agent->tracker->refresh(at(101));
    UpstreamStats stats = agent->stats.snapshot();
    EXPECT_EQ(stats.backlog_windows, 10u);
    EXPECT_EQ(stats.oldest_unacknowledged_ns, at(10));
    EXPECT_EQ(stats.vms, 1u);
    agent->run(at(101));
    stats = agent->stats.snapshot();
    EXPECT_EQ(stats.backlog_windows, 0u);
    EXPECT_EQ(stats.oldest_unacknowledged_ns, 0u);
}

TEST_F(PusherTest, TellsHowFarBehindAVmIs) {
    auto& vm = sources.add("a", 1, at(3));
    vm.live_until(at(101));
    const std::string key = vm_key(vm.info);
    clock.set(at(101));
    EXPECT_FALSE(agent->stats.snapshot().looked);
    EXPECT_EQ(agent->tracker->progress(key).lag_ns, std::nullopt);
    agent->tracker->refresh(at(101));
    EXPECT_TRUE(agent->stats.snapshot().looked);
    EXPECT_EQ(agent->tracker->progress(key).lag_ns, 100 * kSecond);
    EXPECT_EQ(agent->tracker->progress(key).acked_ns, 0u);  // nothing is acknowledged by that
    agent->run(at(101));
    EXPECT_EQ(agent->tracker->progress(key).lag_ns, 0u);
    agent->tracker->refresh(at(122));
    EXPECT_EQ(agent->tracker->progress(key).lag_ns, 20 * kSecond);
}

}  // namespace
}  // namespace ringside::agent
