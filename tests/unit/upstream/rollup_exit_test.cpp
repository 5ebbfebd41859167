// The sample that says how a VM ended.
#include <gtest/gtest.h>

#include "agent/upstream/loss.h"
#include "rollup_fixture.h"

namespace ringside::agent {
namespace {

using Steps = std::vector<std::string>;

struct Ending {
    ExitCause cause;
    std::int32_t code;
    std::uint8_t signal;
    const char* labels;
};

TEST(RollupExit, ItsLabelsSayWhatTheEventSays) {
    for (const Ending& ending : {
             Ending{ExitCause::kClosed, 0, 0, R"(cause="closed",code="0")"},
             Ending{ExitCause::kClosed, -7, 0, R"(cause="closed",code="-7")"},
             Ending{ExitCause::kExited, 3, 0, R"(cause="exited",code="3")"},
             Ending{ExitCause::kKilled, 0, 11, R"(cause="killed",signal="11")"},
             Ending{ExitCause::kKilled, 0, 0, R"(cause="killed")"},
             Ending{ExitCause::kOom, 0, 9, R"(cause="oom",signal="9")"},
             Ending{ExitCause::kHostRebooted, 0, 0, R"(cause="host-rebooted")"},
             Ending{ExitCause::kUnknown, 0, 0, R"(cause="unknown")"},
         }) {
        Vm vm;
        vm.end(window(1));
        vm.info.exit_cause = ending.cause;
        vm.info.close_code = ending.code;
        vm.info.exit_signal = ending.signal;
        EXPECT_EQ(text(vm.roll()), Steps{std::string("end ringside_vm_exit{") + ending.labels + "}=1@300000"});
    }
}

TEST(RollupExit, IsNotSaidOfAVmThatLives) {
    Vm vm;
    put_value(vm.add("exits_total", Kind::kCounter), window(1), 5);
    EXPECT_EQ(text(vm.roll()), (Steps{"zeros exits_total=0@10000", "window exits_total=5@300000"}));
}

TEST(RollupExit, IsPastEverySampleOfAnEarlierLife) {
    Vm vm;
    vm.end(window(1));
    vm.range.floor_ms = window_ms(1) + 4000;
    EXPECT_EQ(text(vm.roll()), Steps{"end" + killed_at(304001)});
}

TEST(RollupExit, BelongsToNoSeriesOfTheVmAndHasNoStart) {
    Vm vm;
    vm.end(window(1));
    const RollupPlan plan = vm.plan();
    const VmRollup rollup = vm.roll();
    ASSERT_EQ(rollup.series.size(), 1u);
    EXPECT_EQ(rollup.series[0].source, kUnnamedSeries);
    const WireSample sample = wire_sample(plan, rollup, rollup.steps.at(0).points.at(0));
    EXPECT_EQ(label_text(*sample.labels),
              R"(ringside_vm_exit{cause="killed",instance="host-1",job="ringside",signal="9",vm_id="vm-1"})");
    EXPECT_EQ(sample.start_ms, 0);
    EXPECT_EQ(sample.family->name, kExitMetric);
    EXPECT_EQ(sample.family->type, FamilyType::kGauge);
}

TEST(RollupExit, IsChosenAndRelabeledLikeAnyOther) {
    Vm vm;
    vm.end(window(1));
    vm.choice.drop.push_back(*Pattern::parse("ringside_.*"));
    EXPECT_EQ(text(vm.roll()), Steps{});
    vm.choice.drop.clear();
    vm.choice.keep.push_back(*Pattern::parse("exits_total"));
    EXPECT_EQ(text(vm.roll()), Steps{});
    vm.choice.keep.push_back(*Pattern::parse("ringside_vm_exit"));
    EXPECT_EQ(text(vm.roll()), Steps{"end" + killed_at(300000)});
}

TEST(RollupExit, KeepsItsNameWhateverAVmCallsItsMetrics) {
    Vm vm;
    put_value(vm.add("ringside_vm_exit", Kind::kCounter), window(1), 5);
    vm.end(window(1));
    EXPECT_EQ(vm.plan().names_taken(), std::vector<std::string>{"ringside_vm_exit"});
    EXPECT_EQ(text(vm.roll()), Steps{"end" + killed_at(300000)});
}

TEST(RollupExit, TheAgentsOwnLabelsStayWhatTheyAre) {
    Vm vm;
    vm.end(window(1));
    vm.agent.insert(vm.agent.begin(), {"cause", "blue"});
    EXPECT_EQ(text(vm.roll()), Steps{"end ringside_vm_exit{cause=\"blue\",signal=\"9\"}=1@300000"});
}

}  // namespace
}  // namespace ringside::agent
