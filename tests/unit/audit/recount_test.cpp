// What an upstream acknowledged, counted again: by the real pusher against a strict receiver.
#include "agent/audit/recount.h"

#include "tests/unit/upstream/pusher_fixture.h"

namespace ringside::agent {
namespace {

class RecountTest : public PusherTest {
  protected:
    UpstreamAudit counted(const CountingVm& vm) {
        std::optional<Ledger> ledger = agent->store.ledger(vm_key(vm.info));
        EXPECT_TRUE(ledger);
        Result<UpstreamAudit> audit = recount(options, vm, ledger.value_or(Ledger{}));
        EXPECT_TRUE(audit.ok()) << message_of(audit);
        return std::move(*audit);
    }
    static void drop_windows_before(CountingVm& vm, std::uint64_t end_ns) {
        SeriesData& data = vm.runs[{0, 0}];
        while (data.size() > 0 && data.end_ns.front() < end_ns) {
            data.end_ns.erase(data.end_ns.begin());
            data.flags.erase(data.flags.begin());
            data.value.erase(data.value.begin());
        }
    }
};

TEST_F(RecountTest, AgreesWithWhatWasPushed) {
    CountingVm& vm = sources.add("a", 1, at(3), 3);
    vm.live_until(at(40));
    agent->run(at(41));
    vm.info.last_write_ns = at(52);
    const UpstreamAudit audit = counted(vm);
    EXPECT_EQ(audit.verdict, AckVerdict::kEqual) << audit.note;
    EXPECT_EQ(audit.expected.samples, 12u);
    EXPECT_EQ(audit.pending, 2u);
    ASSERT_EQ(audit.series.size(), 3u);
    EXPECT_EQ(audit.series[1].acknowledged.count, 37u);
    EXPECT_EQ(audit.series[1].acknowledged.until_ns, at(40));
}

TEST_F(RecountTest, AgreesToTheEndOfAVm) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.live_until(at(40));
    agent->run(at(41));
    vm.end(at(57));
    agent->run(at(61));
    const UpstreamAudit audit = counted(vm);
    EXPECT_EQ(audit.verdict, AckVerdict::kEqual) << audit.note;
    EXPECT_EQ(audit.expected.samples, 6u);
    EXPECT_EQ(audit.pending, 0u);
    EXPECT_EQ(audit.series[0].acknowledged.count, 54u);
    EXPECT_TRUE(audit.ledger.cursor.done);
}

TEST_F(RecountTest, AgreesForEachLengthOfLife) {
    for (int seconds = 4; seconds <= 60; ++seconds) {
        CountingVm& vm = sources.add("v" + std::to_string(seconds), 1, at(3));
        vm.end(at(seconds));
    }
    agent->run(at(71));
    for (const auto& vm : sources.vms) {
        const UpstreamAudit audit = counted(*vm);
        EXPECT_EQ(audit.verdict, AckVerdict::kEqual) << vm->info.vm_id << ": " << audit.note;
        EXPECT_GT(audit.expected.samples, 0u) << vm->info.vm_id;
    }
}

TEST_F(RecountTest, FindsAValueThatIsNotWhatWasPushed) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.live_until(at(40));
    agent->run(at(41));
    ++vm.runs[{0, 0}].value[1];
    EXPECT_EQ(counted(vm).verdict, AckVerdict::kDiffers);
}

TEST_F(RecountTest, FindsAWindowThatIsNotHeldAnyMore) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.live_until(at(40));
    agent->run(at(41));
    SeriesData& data = vm.runs[{0, 0}];
    data.end_ns.pop_back();
    data.flags.pop_back();
    data.value.pop_back();
    const UpstreamAudit audit = counted(vm);
    EXPECT_EQ(audit.verdict, AckVerdict::kDiffers);
    EXPECT_EQ(audit.expected.samples + 1, audit.ledger.cursor.answered.samples);
}

TEST_F(RecountTest, TellsRefusedSamplesFromTheRest) {
    CountingVm& vm = sources.add("a", 1, at(3), 2);
    vm.live_until(at(40));
    receiver.decide([](std::size_t, const prometheus::WriteRequest& request) {
        for (const prometheus::TimeSeries& series : request.timeseries()) {
            const bool second = series.labels(0).value() == "c1_total";
            if (second && series.samples(0).timestamp() == kStartMs + 20'000) {
                return MockReceiver::Answer{400, "bad", {}};
            }
        }
        return MockReceiver::Answer{};
    });
    agent->run(at(41));
    const UpstreamAudit audit = counted(vm);
    EXPECT_EQ(audit.verdict, AckVerdict::kLost) << audit.note;
    EXPECT_EQ(audit.series[0].refused, 0u);
    EXPECT_EQ(audit.series[1].refused, 1u);
    EXPECT_EQ(audit.ledger.cursor.accepted, 7u);
}

TEST_F(RecountTest, TellsLappedWindowsFromTheRest) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.live_until(at(20));
    agent->run(at(21));
    vm.live_until(at(1500));
    agent->run(at(1501));
    const UpstreamAudit audit = counted(vm);
    EXPECT_EQ(audit.verdict, AckVerdict::kLost) << audit.note;
    ASSERT_EQ(audit.ledger.losses.size(), 1u);
    EXPECT_EQ(audit.ledger.losses[0].reason, "lapped");
}

TEST_F(RecountTest, HoldsThroughALifeLongerThanItsRing) {
    CountingVm& vm = sources.add("a", 1, at(3));
    for (int seconds = 10; seconds <= 3000; seconds += 10) {
        vm.live_until(at(seconds));
        agent->run(at(seconds + 1));
        drop_windows_before(vm, at(seconds - 990));  // the ring has 100 slots
        vm.info.last_write_ns = at(seconds);
        const UpstreamAudit audit = counted(vm);
        ASSERT_EQ(audit.verdict, AckVerdict::kEqual) << seconds << ": " << audit.note;
    }
}

// Of windows that were acknowledged, the archive has those that the ring had at the end.
TEST_F(RecountTest, TellsAnEndDuringAnOutageFromAMistake) {
    CountingVm& vm = sources.add("a", 1, at(3));
    for (int seconds = 10; seconds <= 2000; seconds += 10) {
        vm.live_until(at(seconds));
        agent->run(at(seconds + 1));
    }
    vm.end(at(2705));
    drop_windows_before(vm, at(1710));
    EXPECT_EQ(counted(vm).verdict, AckVerdict::kUnknown);
    EXPECT_EQ(counted(vm).note, "not all windows that were pushed are held any more");
    agent->run(at(2711));
    EXPECT_EQ(counted(vm).verdict, AckVerdict::kEqual) << counted(vm).note;
}

TEST_F(RecountTest, HoldsAfterASilenceLongerThanTheRing) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.live_until(at(40));
    agent->run(at(41));
    for (int seconds = 50; seconds <= 3000; seconds += 10) agent->run(at(seconds + 1));
    vm.end(at(3005));
    drop_windows_before(vm, at(3000));
    agent->run(at(3011));
    EXPECT_EQ(counted(vm).verdict, AckVerdict::kEqual) << counted(vm).note;
}

TEST_F(RecountTest, CallsNothingAMistakeOnceTheClockWasSetBack) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.live_until(at(40));
    agent->run(at(41));
    ++vm.runs[{0, 0}].value[1];
    vm.info.rebases = 1;
    EXPECT_EQ(counted(vm).verdict, AckVerdict::kUnknown);
}

// Only the counts are sure then: the last loss covers windows that were sent.
TEST_F(RecountTest, CallsNothingAMistakeWithMoreLossesThanAreKept) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.live_until(at(40));
    agent->run(at(41));
    for (int n = 0; n < 40; ++n) {
        const std::uint64_t after_ns = kStart - 900 * kSecond + std::uint64_t(n) * 30 * kSecond;
        agent->store.lose(vm_key(vm.info), {"lapped", kEverySeries, after_ns, after_ns + kWindow, 0});
    }
    EXPECT_EQ(counted(vm).verdict, AckVerdict::kUnknown);
}

TEST_F(RecountTest, CallsAVmLostThatWasNeverPushed) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.end(at(57));
    agent->run(at(57 + 3700));
    EXPECT_EQ(counted(vm).verdict, AckVerdict::kLost);
}

TEST_F(RecountTest, DoesNotCompareWhatWasPushedUnderOtherLabels) {
    CountingVm& ended = sources.add("a", 1, at(3));
    CountingVm& lives = sources.add("b", 2, at(3));
    ended.end(at(37));
    lives.live_until(at(40));
    agent->run(at(41));
    ASSERT_EQ(counted(ended).verdict, AckVerdict::kEqual);
    options.labels = {{"site", "x"}};
    start();
    EXPECT_EQ(counted(ended).verdict, AckVerdict::kUnknown);
    EXPECT_NE(counted(ended).note.find("other labels"), std::string::npos);
    lives.live_until(at(60));
    agent->run(at(61));
    EXPECT_EQ(counted(lives).verdict, AckVerdict::kEqual) << counted(lives).note;
    EXPECT_EQ(counted(lives).expected.samples, 2u);
}

TEST_F(RecountTest, TellsASeriesThatAnotherOneCovers) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.list.push_back({1, 0, {}, at(3)});  // as two values that differ in bytes that are no UTF-8
    vm.live_until(at(40));
    agent->run(at(41));
    const UpstreamAudit audit = counted(vm);
    EXPECT_EQ(audit.verdict, AckVerdict::kLost) << audit.note;
    ASSERT_EQ(audit.ledger.losses.size(), 1u);
    EXPECT_EQ(audit.ledger.losses[0].reason, "duplicate");
    EXPECT_EQ(audit.ledger.losses[0].series, 1u);
    EXPECT_EQ(audit.series[0].acknowledged.count, 37u);
    EXPECT_EQ(audit.series[1].acknowledged.windows, 0u) << "nobody has them";
    EXPECT_EQ(audit.series[1].never_sent, 4u);
}

TEST_F(RecountTest, TellsWindowsThatAnEarlierLifeHad) {
    sources.add("a", 1, at(3)).end(at(15));
    CountingVm& second = sources.add("a", 2, at(4));
    second.live_until(at(21));
    agent->run(at(21));
    ASSERT_GT(agent->stats.snapshot().windows_dropped["overlap"], 0u);
    const UpstreamAudit audit = counted(second);
    EXPECT_EQ(audit.verdict, AckVerdict::kLost) << audit.note;
    ASSERT_EQ(audit.ledger.losses.size(), 1u);
    EXPECT_EQ(audit.ledger.losses[0].reason, "overlap");
    EXPECT_EQ(audit.series[0].acknowledged.windows, 1u);
    EXPECT_EQ(audit.series[0].never_sent, 1u);
}

TEST_F(RecountTest, SaysThatNothingWasPushedYet) {
    CountingVm& vm = sources.add("a", 1, at(3));
    Result<UpstreamAudit> audit = recount(options, vm, Ledger{});
    ASSERT_TRUE(audit.ok());
    EXPECT_EQ(audit->verdict, AckVerdict::kUnknown);
    EXPECT_EQ(audit->note, "nothing has been pushed of it yet");
}

}  // namespace
}  // namespace ringside::agent
