// What leaves under an upstream's choice of metrics, columns and tier, and which VMs leave by finer windows.
#include "agent/upstream/choice.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/upstream/rollup_plan.h"
#include "agent/upstream/rollup_plans.h"
#include "tests/support/results.h"

namespace ringside::agent {
namespace {

using Names = std::vector<std::string>;
constexpr std::uint64_t kSecond = 1'000'000'000;

MetricInfo metric(std::string name, Kind kind) {
    MetricInfo info;
    info.name = std::move(name);
    info.kind = kind;
    info.max_series = 1;
    if (kind == Kind::kHistogram) info.bucket_count = 1;
    return info;
}

std::shared_ptr<SchemaInfo> schema() {
    auto schema = std::make_shared<SchemaInfo>();
    schema->tiers = {{1, 300, kColumnsAll}, {10, 360, kColumnsAll}, {60, 60, kColumnsAll}, {300, 288, kColumnsAll}};
    schema->metrics = {metric("exits_total", Kind::kCounter), metric("depth", Kind::kGauge),
                       metric("wait_seconds", Kind::kHistogram), metric("vm_info", Kind::kInfo)};
    return schema;
}

Names names(const RollupPlan& plan) {
    Names all;
    for (const MetricRollup& metric : plan.metrics()) {
        for (const RollupOutput& output : metric.outputs) {
            if (output.le.empty()) all.push_back(output.name);
        }
    }
    return all;
}

Pattern pattern(const std::string& text) {
    Result<Pattern> pattern = Pattern::parse(text);
    EXPECT_TRUE(pattern.ok()) << message_of(pattern);
    return *pattern;
}

TEST(RollupChoice, TakesMetricsByTheWholeNameAndDropsFirst) {
    RollupChoice choice;
    choice.keep = {pattern("wait_.*"), pattern("exits_total"), pattern("vm")};
    EXPECT_EQ(names(RollupPlan(schema(), choice)), (Names{"exits_total", "wait_seconds_sum", "wait_seconds_count"}));
    choice.drop = {pattern("exits.*")};
    EXPECT_EQ(names(RollupPlan(schema(), choice)), (Names{"wait_seconds_sum", "wait_seconds_count"}));
    choice.keep.clear();
    const RollupPlan plan(schema(), choice);
    EXPECT_EQ(names(plan).size(), 8u);
    EXPECT_EQ(plan.metrics()[0].columns, 0u);  // is not read either
}

TEST(RollupChoice, ColumnsAreOfGaugesAndTellWhetherBucketsLeave) {
    RollupChoice choice;
    choice.columns = kColumnLast | kColumnMax;
    EXPECT_EQ(names(RollupPlan(schema(), choice)), (Names{"exits_total", "depth", "depth:5m_max", "vm_info"}));
    choice.columns = kColumnCount;
    EXPECT_EQ(names(RollupPlan(schema(), choice)),
              (Names{"exits_total", "depth:5m_count", "wait_seconds_count", "vm_info"}));
    choice.columns = kColumnBuckets;
    const RollupPlan plan(schema(), choice);
    EXPECT_EQ(names(plan), (Names{"exits_total", "wait_seconds_sum", "wait_seconds_count", "vm_info"}));
    EXPECT_EQ(plan.metrics()[2].outputs.size(), 5u);  // le 0.5, 1 and +Inf
    choice.histograms = HistogramForm::kNative;
    EXPECT_EQ(names(RollupPlan(schema(), choice)), (Names{"exits_total", "wait_seconds", "vm_info"}));
}

TEST(RollupChoice, ColumnsHaveTheNamesOfTheSchema) {
    EXPECT_EQ(*parse_column("buckets"), kColumnBuckets);
    Result<std::uint32_t> bad = parse_column("avg");
    ASSERT_FALSE(bad.ok());
    EXPECT_EQ(bad.error().context, "'avg' is no column; use some of last, min, max, sum, count, buckets");
}

TEST(RollupChoice, TakesTheTierThatIsNamedOrTheNextCoarserOne) {
    struct Case {
        std::uint32_t wanted, resolution_s;
        const char* name;
    };
    for (const Case& c : {Case{0, 300, "depth:5m_max"}, Case{300, 300, "depth:5m_max"}, Case{10, 10, "depth:10s_max"},
                          Case{11, 60, "depth:1m_max"}, Case{1, 1, "depth:1s_max"}, Case{3600, 300, "depth:5m_max"}}) {
        RollupChoice choice;
        choice.resolution_s = c.wanted;
        choice.columns = kColumnMax;
        const RollupPlan plan(schema(), choice);
        EXPECT_EQ(plan.resolution_ns(), c.resolution_s * kSecond);
        EXPECT_EQ(names(plan).at(1), c.name);
    }
}

RollupChoice short_vms() {
    RollupChoice choice;
    choice.short_vms = true;
    return choice;
}

VmInfo vm_of(double begun_s, double ended_s) {
    VmInfo vm;
    vm.created_ns = static_cast<std::uint64_t>(begun_s * 1e9);
    vm.ended_ns = static_cast<std::uint64_t>(ended_s * 1e9);
    if (vm.ended_ns != 0) vm.state = VmState::kDrained;
    return vm;
}

TEST(RollupPlans, AVmOfLessThanAWindowLeavesByFinerWindowsUnderTheUsualNames) {
    const RollupPlans plans(schema(), short_vms());
    for (const VmInfo& brief : {vm_of(1000, 1045), vm_of(1190, 1210), vm_of(1000, 1299.9), vm_of(1000, 1000)}) {
        const RollupPlan& plan = *plans.of(brief);
        EXPECT_EQ(plan.resolution_ns(), 10 * kSecond);
        EXPECT_EQ(names(plan), names(plans.usual()));
    }
    for (const VmInfo& usual : {vm_of(1000, 1300), vm_of(1000, 0)}) EXPECT_EQ(plans.of(usual).get(), &plans.usual());
    VmInfo attached_late = vm_of(1000, 9000);
    attached_late.attached_ns = 8990 * kSecond;
    EXPECT_NE(plans.of(attached_late).get(), &plans.usual());
}

TEST(RollupPlans, OnlyAnEndThatIsSettledMakesAVmShort) {
    const RollupPlans plans(schema(), short_vms());
    VmInfo vm = vm_of(1000, 1045);
    vm.state = VmState::kExited;
    EXPECT_EQ(plans.of(vm).get(), &plans.usual());
    vm.state = VmState::kDrained;
    vm.rebases = 1;  // its times cannot be compared
    EXPECT_EQ(plans.of(vm).get(), &plans.usual());
    EXPECT_EQ(plans.of(vm_of(1000, 990)).get(), &plans.usual());
}

TEST(RollupPlans, NoFirstWindowLeavesBeforeItIsKnownWhetherTheVmIsShort) {
    const RollupPlans plans(schema(), short_vms());
    VmInfo vm = vm_of(1000, 0);
    EXPECT_EQ(plans.held_until_ns(vm), 1300 * kSecond);
    vm.state = VmState::kExited;
    vm.ended_ns = 1045 * kSecond;
    EXPECT_EQ(plans.held_until_ns(vm), UINT64_MAX);
    vm.ended_ns = 1300 * kSecond;
    EXPECT_EQ(plans.held_until_ns(vm), 0u);
    vm.state = VmState::kDrained;
    vm.ended_ns = 1045 * kSecond;
    EXPECT_EQ(plans.held_until_ns(vm), 0u);
}

TEST(RollupPlans, TheFinerTierHoldsAllThatWouldHaveLeft) {
    struct Case {
        std::vector<TierInfo> tiers;
        std::uint32_t wanted, resolution_s;  // of the plan of a short VM
    };
    const Case cases[] = {
        {{{1, 300, kColumnsAll}, {300, 288, kColumnsAll}}, 0, 300},                          // 1 s is too fine
        {{{10, 30, kColumnsAll}, {300, 288, kColumnsAll}}, 0, 300},                          // its ring is too short
        {{{10, 31, kColumnsAll}, {300, 288, kColumnsAll}}, 0, 10},                           //
        {{{10, 360, kColumnMax}, {300, 288, kColumnsAll}}, 0, 300},                          // lacks columns
        {{{10, 360, kColumnMax}, {60, 60, kColumnsAll}, {300, 288, kColumnsAll}}, 0, 60},    // the next one has them
        {{{10, 360, kColumnsAll}, {60, 60, kColumnsAll}, {300, 288, kColumnsAll}}, 10, 10},  // nothing finer
    };
    for (const Case& c : cases) {
        auto layout = schema();
        layout->tiers = c.tiers;
        RollupChoice choice = short_vms();
        choice.resolution_s = c.wanted;
        EXPECT_EQ(RollupPlans(layout, choice).of(vm_of(1000, 1005))->resolution_ns(), c.resolution_s * kSecond);
    }
    auto layout = schema();
    layout->tiers = {{10, 360, kColumnMax | kColumnValue}, {300, 288, kColumnsAll}};
    RollupChoice choice = short_vms();
    choice.columns = kColumnMax;  // the tier has all that this choice wants
    EXPECT_EQ(RollupPlans(layout, choice).of(vm_of(1000, 1005))->resolution_ns(), 10 * kSecond);
    choice.short_vms = false;
    EXPECT_EQ(RollupPlans(layout, choice).of(vm_of(1000, 1005))->resolution_ns(), 300 * kSecond);
    EXPECT_EQ(RollupPlans(layout, choice).held_until_ns(vm_of(1000, 0)), 0u);
}

TEST(RollupChoice, RulesReplaceWhatTheyTakeAndNoMore) {
    RollupChoice choice;
    choice.replaced.push_back({*Pattern::parse("vmm_.*"), 1u << static_cast<unsigned>(Kind::kCounter)});
    MetricInfo metric;
    metric.name = "vmm_exits_total";
    metric.kind = Kind::kCounter;
    EXPECT_FALSE(choice.takes(metric));
    metric.kind = Kind::kHistogram;
    EXPECT_TRUE(choice.takes(metric));
    metric.kind = Kind::kCounter;
    metric.name = "disk_reads_total";
    EXPECT_TRUE(choice.takes(metric));
    choice.replaced.push_back({*Pattern::parse(".*"), UINT32_MAX});
    EXPECT_FALSE(choice.takes(metric));
    EXPECT_TRUE(choice.takes("ringside_vm_exit")) << "no rule takes it";
}

}  // namespace
}  // namespace ringside::agent
