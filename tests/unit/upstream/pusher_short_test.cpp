// VMs that live for less than a window, and an upstream of the finer tier. Windows are of 60 s, beside them of 10 s.
#include <algorithm>
#include <string>
#include <vector>

#include "tests/unit/upstream/pusher_fixture.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kMinute = 60 * kSecond;
static_assert(kStart % kMinute == 20 * kSecond);  // minutes end at 40 s, 100 s, ... from kStart

class ShortVmTest : public PusherTest {
  protected:
    ShortVmTest() {
        options.choice.short_vms = true;
        start();
    }
    // A VM of CountingVm's counter with a second tier of a minute.
    CountingVm& add(const std::string& vm_id, std::uint8_t epoch, double created_s) {
        CountingVm& vm = sources.add(vm_id, epoch, at(created_s));
        vm.layout->hash = 1000;
        vm.layout->tiers.push_back({60, 100, kColumnsAll});
        return vm;
    }
    static void live_until(CountingVm& vm, double now_s) {
        vm.live_until(at(now_s));
        add_minutes(vm);
    }
    static void end(CountingVm& vm, double ended_s) {
        vm.end(at(ended_s));
        add_minutes(vm);
    }

  private:
    // As the writer would: the minutes that are over, and the partial one of a VM that ended.
    static void add_minutes(CountingVm& vm) {
        SeriesData minutes;
        const SeriesData& fine = vm.runs[{0, 0}];
        for (std::size_t i = 0; i < fine.size(); ++i) {
            const bool last = vm.info.ended_ns != 0 && i + 1 == fine.size();
            if (fine.end_ns[i] % kMinute != 0 && !last) continue;
            minutes.end_ns.push_back(fine.end_ns[i]);
            minutes.flags.push_back(fine.flags[i]);
            minutes.value.push_back(fine.value[i]);
        }
        vm.runs[{0, 1}] = minutes;
    }
};

TEST_F(ShortVmTest, AVmOfHalfAMinuteIsACurveWithATrueEnd) {
    end(add("a", 1, 3), 34.5);
    agent->run(at(35));
    EXPECT_EQ(series("c0_total"), (Texts{"0@3", "7@10", "17@20", "27@30", "31@34.5", "stale@34.501"}));
    EXPECT_EQ(agent->done, Texts{"a"});
    EXPECT_TRUE(agent->stats.snapshot().windows_dropped.empty());
}

TEST_F(ShortVmTest, AlsoAcrossTheEndOfAWindow) {
    CountingVm& vm = add("a", 1, 25);
    live_until(vm, 43);
    Pusher::Round round = agent->run(at(43));  // the minute that ended at 40 s waits: the VM may be a short one
    EXPECT_TRUE(receiver.requests().empty());
    EXPECT_FALSE(round.pending);
    EXPECT_EQ(round.next_due_ns, at(86));
    EXPECT_EQ(agent->tracker->progress(vm_key(vm.info)).lag_ns, 0u);
    end(vm, 52);
    vm.info.state = VmState::kExited;
    agent->run(at(53));
    EXPECT_TRUE(receiver.requests().empty());
    vm.info.state = VmState::kDrained;
    agent->run(at(54));
    EXPECT_EQ(series("c0_total"), (Texts{"0@25", "5@30", "15@40", "25@50", "27@52", "stale@52.001"}));
}

TEST_F(ShortVmTest, AVmAsOldAsAWindowLeavesAsUsual) {
    CountingVm& vm = add("a", 1, 25);
    live_until(vm, 86);
    agent->run(at(85.999));
    EXPECT_TRUE(receiver.requests().empty());
    agent->run(at(86));
    EXPECT_EQ(series("c0_total"), (Texts{"0@25", "15@40"}));
    end(vm, 107);
    agent->run(at(108));
    EXPECT_EQ(series("c0_total"), (Texts{"0@25", "15@40", "75@100", "82@107", "stale@107.001"}));
}

TEST_F(ShortVmTest, IsOffWhereTheUpstreamSaysSo) {
    options.choice.short_vms = false;
    start();
    end(add("a", 1, 25), 52);
    agent->run(at(53));
    EXPECT_EQ(series("c0_total"), (Texts{"0@25", "15@40", "27@52", "stale@52.001"}));
}

TEST_F(ShortVmTest, ADeathThatWasNoticedLateGoesOnFromWhatHasLeft) {
    CountingVm& vm = add("a", 1, 25);
    live_until(vm, 100);
    agent->run(at(101));  // taken for alive
    EXPECT_EQ(series("c0_total"), (Texts{"0@25", "15@40", "75@100"}));
    vm.runs.clear();
    CountingVm& ended = add("a", 1, 25);  // the same life, as its archive has it
    end(ended, 77);
    sources.vms.erase(sources.vms.begin());
    agent->run(at(102));
    EXPECT_EQ(series("c0_total"), (Texts{"0@25", "15@40", "75@100", "stale@100.001"}));
    EXPECT_EQ(agent->done, Texts{"a"});
    // What has left as usual is not made again: an audit begins behind it.
    const Cursor* cursor = agent->store.find(vm_key(ended.info));
    ASSERT_TRUE(cursor);
    EXPECT_EQ(cursor->tallied_ns, at(100));
    EXPECT_EQ(cursor->answered, Tally{});
}

TEST_F(ShortVmTest, AgentsThatDieAtAnyRequestKeepToTheFineWindows) {
    for (std::uint8_t n = 0; n < 3; ++n) end(add(std::string(1, static_cast<char>('b' + n)), n, 22 + n), 66.5);
    const std::size_t lives = agents_that_die(at(70));
    EXPECT_GT(lives, 3u);
    for (int n = 0; n < 3; ++n) {
        Texts expected = {"0@" + std::to_string(22 + n)};
        for (int end : {30, 40, 50, 60}) expected.push_back(std::to_string(end - 22 - n) + "@" + std::to_string(end));
        expected.push_back(std::to_string(66 - 22 - n) + "@66.5");
        expected.push_back("stale@66.501");
        EXPECT_EQ(series("c0_total", std::string(1, static_cast<char>('b' + n))), expected);
    }
}

TEST_F(ShortVmTest, ALaterLifeWaitsForTheWindowsOfAShortOne) {
    CountingVm& first = add("a", 1, 3);
    end(first, 18);
    first.info.state = VmState::kExited;
    CountingVm& second = add("a", 2, 21);
    live_until(second, 121);
    agent->run(at(121));
    EXPECT_TRUE(receiver.requests().empty());
    first.info.state = VmState::kDrained;
    agent->run(at(122));
    EXPECT_EQ(series("c0_total"), (Texts{"0@3", "7@10", "15@18", "stale@18.001", "0@21", "19@40", "79@100"}));
}

TEST_F(ShortVmTest, AnUpstreamOfTheFineTierHasItsWindowsSoonAndCountsWhatItsRingLost) {
    options.choice.resolution_s = 10;
    start();
    CountingVm& vm = add("a", 1, 3);
    live_until(vm, 11);
    EXPECT_EQ(agent->run(at(11)).next_due_ns, at(21));
    EXPECT_EQ(series("c0_total"), (Texts{"0@3", "7@10"}));
    live_until(vm, 2001);
    agent->run(at(2001));  // 100 slots of 10 s, one of them open: from 1,010 s on
    EXPECT_EQ(agent->stats.snapshot().windows_dropped.at("lapped"), 100u);
    EXPECT_EQ(series("c0_total").size(), 2u + 99u);
    EXPECT_EQ(series("c0_total").back(), "1997@2000");
}

}  // namespace
}  // namespace ringside::agent
