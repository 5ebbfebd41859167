// Relabeling against what Prometheus does with the same rules, and what it must never do to the labels that tell VMs apart.
#include "agent/upstream/relabel.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "agent/upstream/pattern.h"
#include "tests/support/results.h"
#include "tests/unit/upstream/rollup_fixture.h"

namespace ringside::agent {
namespace {

using Action = RelabelAction;

RelabelRule rule(Action action, std::vector<std::string> sources, std::string regex, std::string target = "",
                 std::string replacement = "$1") {
    RelabelRule rule;
    rule.action = action;
    rule.source_labels = std::move(sources);
    rule.regex = std::move(regex);
    rule.target_label = std::move(target);
    rule.replacement = std::move(replacement);
    return rule;
}

Relabeling made(const std::vector<RelabelRule>& rules) {
    Result<Relabeling> relabeling = Relabeling::make(rules);
    EXPECT_TRUE(relabeling.ok()) << message_of(relabeling);
    return relabeling.ok() ? *relabeling : Relabeling();
}

// The series after the rules; "-" when it is dropped, "bad" when it has no name.
std::string after(const std::vector<RelabelRule>& rules) {
    LabelSet labels = {{"__name__", "cpu_seconds_total"},
                       {"instance", "h1"},
                       {"job", "ringside"},
                       {"mode", "user"},
                       {"vcpu", "3"},
                       {"vm_id", "vm-7"}};
    switch (made(rules).apply(labels)) {
        case Relabeled::kDropped: return "-";
        case Relabeled::kBadName: return "bad";
        case Relabeled::kLeaves: return label_text(labels);
    }
    return "?";
}

constexpr char kAll[] = R"(cpu_seconds_total{instance="h1",job="ringside",mode="user",vcpu="3",vm_id="vm-7"})";

TEST(Relabel, KeepsAndDropsByTheJoinedValues) {
    EXPECT_EQ(after({rule(Action::kKeep, {"mode", "vcpu"}, "user;[0-3]")}), kAll);
    EXPECT_EQ(after({rule(Action::kKeep, {"mode"}, "use")}), "-");  // the whole value
    EXPECT_EQ(after({rule(Action::kDrop, {"__name__"}, "cpu_.*")}), "-");
    EXPECT_EQ(after({rule(Action::kDrop, {"absent"}, ".+")}), kAll);
    RelabelRule dashed = rule(Action::kDrop, {"mode", "vcpu"}, "user-3");
    dashed.separator = "-";
    EXPECT_EQ(after({dashed}), "-");
}

TEST(Relabel, ReplacesInTheOrderOfTheRules) {
    EXPECT_EQ(after({rule(Action::kReplace, {"__name__"}, "cpu_(.*)", "__name__", "guest_${1}"),
                     rule(Action::kReplace, {"__name__", "vcpu"}, "guest_.*;(.*)", "core", "c$1")}),
              R"(guest_seconds_total{core="c3",instance="h1",job="ringside",mode="user",vcpu="3",vm_id="vm-7"})");
    EXPECT_EQ(after({rule(Action::kReplace, {"mode"}, "system", "mode", "kernel")}), kAll);  // no match, no change
    EXPECT_EQ(after({rule(Action::kReplace, {}, "(.*)", "zone", "fra$$1")}),
              R"(cpu_seconds_total{instance="h1",job="ringside",mode="user",vcpu="3",vm_id="vm-7",zone="fra$1"})");
}

TEST(Relabel, AnEmptyValueTakesTheLabelAway) {
    EXPECT_EQ(after({rule(Action::kReplace, {"absent"}, "(.*)", "vcpu")}),
              R"(cpu_seconds_total{instance="h1",job="ringside",mode="user",vm_id="vm-7"})");
}

TEST(Relabel, MapsDropsAndKeepsLabelsByName) {
    EXPECT_EQ(
        after({rule(Action::kLabelMap, {}, "(mode|vcpu)", "", "guest_$1"), rule(Action::kLabelDrop, {}, "mode|vcpu")}),
        R"(cpu_seconds_total{guest_mode="user",guest_vcpu="3",instance="h1",job="ringside",vm_id="vm-7"})");
    EXPECT_EQ(after({rule(Action::kLabelKeep, {}, "mode")}),
              R"(cpu_seconds_total{instance="h1",mode="user",vm_id="vm-7"})");
}

TEST(Relabel, WhatTellsSeriesApartCannotBeMappedOver) {
    EXPECT_EQ(after({rule(Action::kLabelMap, {}, "mode", "", "vm_id"), rule(Action::kLabelMap, {}, "vcpu", "", "a b")}),
              kAll);
}

TEST(Relabel, ANameThatIsNoneDoesNotLeave) {
    EXPECT_EQ(after({rule(Action::kReplace, {"mode"}, "(.*)", "__name__", "9$1")}), "bad");
    EXPECT_EQ(after({rule(Action::kReplace, {"absent"}, "(.*)", "__name__")}), "bad");
}

TEST(Relabel, SaysWhatIsWrongWithARule) {
    struct Case {
        RelabelRule rule;
        const char* words;
    };
    const Case cases[] = {
        {rule(Action::kKeep, {}, "x"), "source-labels is empty"},
        {rule(Action::kLabelDrop, {"a"}, "x"), "no meaning"},
        {rule(Action::kReplace, {"a"}, "x"), "target-label is ''"},
        {rule(Action::kReplace, {"a"}, "x", "b c"), "target-label is 'b c'"},
        {rule(Action::kDrop, {"a"}, "x", "b"), "target-label belongs to"},
        {rule(Action::kReplace, {"a"}, "(.*)", "vm_id"), "cannot be replaced"},
        {rule(Action::kLabelDrop, {}, "vm_.*"), "would drop 'vm_id'"},
        {rule(Action::kLabelDrop, {}, ".*"), "would drop '__name__'"},
        {rule(Action::kKeep, {"a"}, "(x"), "missing )"},
        {rule(Action::kReplace, {"a"}, "x", "b", "$1"), "names group 1"},
        {rule(Action::kReplace, {"a"}, "(x)", "b", "$x"), "followed by no digit"},
        {rule(Action::kKeep, {"a"}, std::string(1025, 'x')), "at most 1024"},
    };
    for (const Case& c : cases) {
        Result<Relabeling> made = Relabeling::make({rule(Action::kKeep, {"a"}, "x"), c.rule});
        ASSERT_FALSE(made.ok()) << c.words;
        EXPECT_NE(made.error().context.find("relabel rule 2: "), std::string::npos) << made.error().context;
        EXPECT_NE(made.error().context.find(c.words), std::string::npos) << made.error().context;
    }
    EXPECT_FALSE(parse_relabel_action("hashmod").ok());
    EXPECT_TRUE(parse_relabel_action("labelkeep").ok());
}

TEST(RollupRelabel, TwoSeriesThatBecomeOneAreCountedAndTheFirstStays) {
    Vm vm;
    put_value(vm.add("a_total", Kind::kCounter, {"disk"}, {"vda"}), window(1), 1);
    SeriesWindows second = vm.series[0];
    second.series.index = 1;
    second.series.label_values = {"vdb"};
    second.data.value = {2};
    vm.series.push_back(second);
    vm.choice.relabeling = made({rule(Action::kLabelDrop, {}, "disk")});
    VmRollup rollup = vm.roll();
    EXPECT_EQ(text(rollup), (std::vector<std::string>{"zeros a_total=0@10000", "window a_total=1@300000"}));
    EXPECT_EQ(rollup.duplicates, 1u);
}

TEST(RollupRelabel, ARenamedHistogramKeepsItsPartsAndWhatIsSaidOfIt) {
    Vm vm;
    SeriesWindows& wait = vm.add("wait_seconds", Kind::kHistogram);
    vm.schema->metrics[0].bucket_count = 1;
    vm.schema->metrics[0].help = "Time waited.";
    wait.data.end_ns = {window(1)};
    wait.data.flags = {0};
    wait.data.count = {3};
    wait.data.sum = {2};
    wait.data.buckets = {1, 2};
    vm.range.zeros_after_ns = window(1);
    vm.choice.relabeling = made({rule(Action::kReplace, {"__name__"}, "wait_(.*)", "__name__", "queue_$1"),
                                 rule(Action::kDrop, {"__name__"}, ".*_sum")});
    const VmRollup rollup = vm.roll();
    EXPECT_EQ(text(rollup), std::vector<std::string>{"window queue_seconds_bucket{le=\"0.5\"}=1@300000 "
                                                     "queue_seconds_bucket{le=\"1\"}=3@300000 "
                                                     "queue_seconds_bucket{le=\"+Inf\"}=3@300000 "
                                                     "queue_seconds_count=3@300000"});
    ASSERT_EQ(rollup.renamed.size(), 1u);
    const RollupPlan plan = vm.plan();
    for (const RollupPoint& point : rollup.steps[0].points) {
        const Family& family = *wire_sample(plan, rollup, point).family;
        EXPECT_EQ(family, (Family{"queue_seconds", FamilyType::kHistogram, "Time waited.", ""}));
    }
}

TEST(RollupRelabel, SeriesWithoutAnyNameAreCounted) {
    Vm vm;
    put_gauge(vm.add("depth", Kind::kGauge), window(1), {1, 1, 1, 1, 1});
    vm.choice.relabeling = made({rule(Action::kReplace, {"__name__"}, "depth(.*)", "__name__", "$1")});
    const VmRollup rollup = vm.roll();
    EXPECT_EQ(rollup.bad_names, 1u);  // depth itself; ":5m_min" is a name
    EXPECT_EQ(rollup.series.size(), 4u);
}

}  // namespace
}  // namespace ringside::agent
