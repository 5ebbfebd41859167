// Rounds of an upstream against a strict receiver: windows, restarts, batches; agents that die.
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
    const std::size_t lives = agents_that_die(at(30));
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
