// Recording rules against a model: whatever comes late, ends or is read twice, each increase is in exactly one window.
#include "agent/upstream/rule.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "agent/upstream/rule_file.h"
#include "agent/upstream/rule_sources.h"
#include "tests/unit/upstream/pusher_fixture.h"

namespace ringside::agent {
namespace {

Rule rule_of(std::string name, const std::string& metrics, RuleOperation operation, std::vector<std::string> by = {}) {
    Rule rule;
    rule.name = std::move(name);
    rule.metrics = {*Pattern::parse(metrics)};
    rule.by = std::move(by);
    rule.operation = operation;
    return rule;
}

// A VM of a tenant with one counter, one gauge, one histogram; windows of 10 s.
class TenantVm : public MemorySource {
  public:
    TenantVm(std::string vm_id, std::uint8_t epoch, std::string tenant, std::uint64_t created_ns) {
        info.vm_id = std::move(vm_id);
        info.epoch.fill(epoch);
        info.created_ns = created_ns;
        info.series_count = 4;
        layout->tiers = {{10, 100, kColumnsAll}};
        layout->metrics.resize(4);
        const char* names[] = {"c_total", "g", "h_seconds", "vm_info"};
        const Kind kinds[] = {Kind::kCounter, Kind::kGauge, Kind::kHistogram, Kind::kInfo};
        for (std::uint32_t i = 0; i < 4; ++i) {
            layout->metrics[i].name = names[i];
            layout->metrics[i].kind = kinds[i];
            list.push_back({i, i, {}, created_ns});
        }
        layout->metrics[2].bucket_count = 2;
        layout->metrics[3].label_names = {"tenant"};
        list[3].label_values = {std::move(tenant)};
    }
    void put(std::uint64_t end_ns, std::uint64_t value, double gauge) {
        for (std::uint32_t i = 0; i < 3; ++i) {
            SeriesData& data = runs[{i, 0}];
            data.end_ns.push_back(end_ns);
            data.flags.push_back(end_ns % kWindow == 0 ? 0 : kPointPartial);
        }
        runs[{0, 0}].value.push_back(value);
        SeriesData& g = runs[{1, 0}];
        g.count.push_back(2);
        g.sum.push_back(2 * gauge);
        g.min.push_back(gauge - 1);
        g.max.push_back(gauge + 1);
        g.last.push_back(gauge);
        SeriesData& h = runs[{2, 0}];
        h.count.push_back(3 * value);
        h.sum.push_back(static_cast<double>(value));
        for (std::uint64_t bucket : {value, value, value}) h.buckets.push_back(bucket);
    }
    void end(std::uint64_t ended_ns) {
        info.ended_ns = ended_ns;
        info.state = VmState::kDrained;
    }
    bool busy = false;
    Result<SeriesData> read(std::uint32_t index, const ReadRequest& request) const override {
        if (busy) return error(Code::kUnavailable, "busy");
        return MemorySource::read(index, request);
    }
};

using Vms = std::vector<std::shared_ptr<TenantVm>>;

std::vector<UpstreamSource> listed(const Vms& vms) {
    std::vector<UpstreamSource> all;
    for (const auto& vm : vms) all.push_back({vm_key(vm->info), vm});
    return all;
}

RuleTotals begun(std::vector<Rule> rules, std::uint64_t began_ns = kStart) {
    RuleState state;
    state.began_ns = state.computed_ns = began_ns;
    state.metrics.resize(rules.size());
    return RuleTotals(std::move(rules), 10, std::move(state));
}

// The window that ends at `end_ns`, a second later.
void compute(RuleTotals& totals, std::uint64_t end_ns, const std::vector<UpstreamSource>& vms) {
    totals.compute(end_ns, end_ns + kSecond, vms);
}

const RuleSeries* series_of(const RuleTotals& totals, std::uint32_t rule, const std::vector<std::string>& values) {
    for (const RuleSeries& one : totals.state().series) {
        if (one.rule == rule && one.values == values) return &one;
    }
    return nullptr;
}

TEST(Rules, ASumOfCountersGoesOnWhenAVmEnds) {
    RuleTotals totals = begun({rule_of("tenant_c_total", "c_.*", RuleOperation::kSum, {"tenant"})});
    Vms vms = {std::make_shared<TenantVm>("a", 1, "red", at(3)), std::make_shared<TenantVm>("b", 2, "red", at(4)),
               std::make_shared<TenantVm>("c", 3, "blue", at(5))};
    for (int i = 0; i < 3; ++i) vms[i]->put(at(10), 5 + i, 1);
    compute(totals, at(10), listed(vms));
    vms[0]->put(at(17), 9, 1);
    vms[0]->end(at(17));
    vms[1]->put(at(20), 10, 1);
    vms[2]->put(at(20), 7, 1);
    compute(totals, at(20), listed(vms));
    vms.erase(vms.begin());  // evicted
    vms[0]->put(at(30), 11, 1);
    compute(totals, at(30), listed(vms));
    EXPECT_EQ(series_of(totals, 0, {"red"})->data.value, (std::vector<std::uint64_t>{11, 19, 20}));
    EXPECT_EQ(series_of(totals, 0, {"blue"})->data.value, (std::vector<std::uint64_t>{7, 7, 7}));
    EXPECT_EQ(series_of(totals, 0, {"red"})->created_ns, at(0));
    EXPECT_EQ(totals.stats().late_vms, 0u);
}

TEST(Rules, WhatWasCountedBeforeTheyBeganIsNoIncrease) {
    RuleTotals totals = begun({rule_of("c", "c_total", RuleOperation::kSum)}, at(20));
    Vms vms = {std::make_shared<TenantVm>("a", 1, "red", at(3))};
    for (int n = 1; n <= 3; ++n) vms[0]->put(at(10 * n), static_cast<std::uint64_t>(100 * n), 1);
    compute(totals, at(30), listed(vms));
    EXPECT_EQ(series_of(totals, 0, {})->data.value, std::vector<std::uint64_t>{100});
}

TEST(Rules, GaugesAreOfTheWindowAndHistogramsMerge) {
    RuleTotals totals =
        begun({rule_of("g_sum", "g", RuleOperation::kSum), rule_of("g_min", "g", RuleOperation::kMin),
               rule_of("g_max", "g", RuleOperation::kMax), rule_of("vms", "vm_info", RuleOperation::kCount, {"tenant"}),
               rule_of("h", "h_.*", RuleOperation::kMerge), rule_of("wrong", "h_.*", RuleOperation::kMax)});
    Vms vms = {std::make_shared<TenantVm>("a", 1, "red", at(3)), std::make_shared<TenantVm>("b", 2, "red", at(4)),
               std::make_shared<TenantVm>("c", 3, "red", at(4))};
    vms[0]->put(at(10), 5, 2);
    vms[1]->put(at(10), 7, 10);
    vms[2]->put(at(6), 1, 50);  // gone before the window's end
    vms[2]->end(at(6));
    compute(totals, at(10), listed(vms));
    EXPECT_EQ(series_of(totals, 0, {})->data.last, std::vector<double>{12});
    EXPECT_EQ(series_of(totals, 1, {})->data.last, std::vector<double>{1});
    EXPECT_EQ(series_of(totals, 2, {})->data.last, std::vector<double>{51});
    EXPECT_EQ(series_of(totals, 3, {"red"})->data.last, std::vector<double>{2});
    EXPECT_EQ(series_of(totals, 4, {})->data.count, std::vector<std::uint64_t>{39});
    EXPECT_EQ(series_of(totals, 4, {})->data.buckets, (std::vector<std::uint64_t>{13, 13, 13}));
    EXPECT_EQ(series_of(totals, 5, {}), nullptr);  // a maximum of histograms
    vms[0]->layout->metrics[2].bucket_first = 1;
    vms[0]->put(at(20), 6, 2);
    compute(totals, at(20), listed(vms));
    EXPECT_EQ(series_of(totals, 4, {})->data.count, (std::vector<std::uint64_t>{39, 39}));  // begins further up
    vms[1]->layout->metrics[2].histogram_scale = 1;  // two buckets for each of before
    vms[1]->layout->metrics[2].bucket_first = -1;
    vms[1]->put(at(30), 8, 2);
    compute(totals, at(30), listed(vms));
    EXPECT_EQ(series_of(totals, 4, {})->data.count.back(), 42u);
    const std::vector<std::uint64_t>& buckets = series_of(totals, 4, {})->data.buckets;
    EXPECT_EQ(std::vector<std::uint64_t>(buckets.end() - 3, buckets.end()), (std::vector<std::uint64_t>{14, 15, 13}));
}

TEST(Rules, AVmThatComesBackIsNotCountedAgain) {
    RuleTotals totals = begun({rule_of("c", "c_total", RuleOperation::kSum)});
    Vms vms = {std::make_shared<TenantVm>("a", 1, "red", at(3)), std::make_shared<TenantVm>("b", 2, "red", at(3))};
    for (const auto& vm : vms) vm->put(at(10), 5, 1);
    vms[0]->end(at(10));
    compute(totals, at(10), listed(vms));
    const int back = 20;
    for (int window = 2; window < back; ++window) compute(totals, at(10.0 * window), {});  // its disk is away
    vms[1]->put(at(10.0 * back), 9, 1);
    compute(totals, at(10.0 * back), listed(vms));
    EXPECT_EQ(series_of(totals, 0, {})->data.value.back(), 14u);
    EXPECT_EQ(totals.done(), std::unordered_set<std::string>{vm_key(vms[0]->info)});
    const double forgotten = back + 2.0 * kRuleWindowsMax;
    compute(totals, at(10 * forgotten), {});
    EXPECT_TRUE(totals.state().members.empty());
    EXPECT_TRUE(totals.state().series.empty()) << "nobody had part in it for so long";
    vms[1]->put(at(10 * forgotten), 100, 1);
    vms[1]->put(at(10 * forgotten + 10), 103, 1);
    compute(totals, at(10 * forgotten + 10), listed(vms));
    EXPECT_EQ(series_of(totals, 0, {})->data.value, std::vector<std::uint64_t>{3}) << "from the oldest that is held";
}

TEST(Rules, WhatAWriterThatStoodStillHadRecordedIsTakenInAtItsEnd) {
    RuleTotals totals = begun({rule_of("c", "c_total", RuleOperation::kSum)});
    Vms vms = {std::make_shared<TenantVm>("a", 1, "red", at(3))};
    vms[0]->put(at(10), 5, 1);
    // Its ticks stop at 13; devices go on recording into that window, which stays open.
    for (int window = 1; window <= 4; ++window) compute(totals, at(10.0 * window), listed(vms));
    vms[0]->put(at(13), 25, 1);
    vms[0]->end(at(13));
    compute(totals, at(50), listed(vms));
    EXPECT_EQ(series_of(totals, 0, {})->data.value, (std::vector<std::uint64_t>{5, 5, 5, 5, 25}));
    EXPECT_EQ(totals.done().size(), 1u);
}

TEST(Rules, AVmThatStandsStillWhenTheyBeginCountsFromWhereItStood) {
    RuleTotals totals = begun({rule_of("c", "c_total", RuleOperation::kSum)}, at(100));
    Vms vms = {std::make_shared<TenantVm>("old", 1, "red", at(3)), std::make_shared<TenantVm>("new", 2, "red", at(103))};
    vms[0]->put(at(10), 1000, 1);  // long ago: no window since
    for (int window = 11; window <= 13; ++window) compute(totals, at(10.0 * window), listed(vms));
    vms[0]->put(at(140), 1005, 1);
    vms[1]->put(at(140), 7, 1);  // its first window, which was open all the time
    compute(totals, at(140), listed(vms));
    vms[0]->put(at(150), 1009, 1);
    vms[1]->put(at(150), 8, 1);
    compute(totals, at(150), listed(vms));
    EXPECT_EQ(series_of(totals, 0, {})->data.value.back(), 4u + 8u);
}

TEST(Rules, ASumThatIsFullBeginsAnew) {
    RuleTotals totals = begun({rule_of("c", "c_total", RuleOperation::kSum)});
    Vms vms = {std::make_shared<TenantVm>("a", 1, "red", at(3))};
    std::uint64_t value = 0;
    int window = 0;
    for (; window < 600 && value <= kRuleTotalMax; ++window) {
        value += kRuleIncreaseMax;
        vms[0]->put(at(10.0 * (window + 1)), value, 1);
        compute(totals, at(10.0 * (window + 1)), listed(vms));
    }
    const RuleSeries& sum = *series_of(totals, 0, {});
    EXPECT_EQ(sum.total.value, kRuleIncreaseMax);
    EXPECT_EQ(sum.created_ns, at(10.0 * (window - 1)));
    vms[0]->put(at(10.0 * (window + 1)), value + 2 * kRuleIncreaseMax, 1);
    compute(totals, at(10.0 * (window + 1)), listed(vms));
    EXPECT_EQ(sum.total.value, kRuleIncreaseMax) << "more than any VM counts in a window";
    EXPECT_EQ(totals.stats().series_left_out, 1u);
}

TEST(Rules, ATimeThatTheClockShowsTwiceIsCountedOnce) {
    RuleTotals totals = begun({rule_of("c", "c_total", RuleOperation::kSum)});
    Vms vms = {std::make_shared<TenantVm>("a", 1, "red", at(3))};
    for (int window = 1; window <= 6; ++window) {
        vms[0]->put(at(10.0 * window), 10u * static_cast<unsigned>(window), 1);
        compute(totals, at(10.0 * window), listed(vms));
    }
    // Back by 40 s: totals start anew, what is known of the VM does not.
    RuleState state;
    state.began_ns = state.computed_ns = at(20);
    state.metrics.resize(1);
    state.members = totals.state().members;
    for (auto& [key, member] : state.members) member.included_ns = at(20);
    RuleTotals anew({rule_of("c", "c_total", RuleOperation::kSum)}, 10, std::move(state));
    compute(anew, at(30), listed(vms));  // it has not noticed yet: its ring says 30
    vms[0]->runs.clear();
    vms[0]->info.rebases = 1;
    vms[0]->info.created_ns = at(55);  // as far as can be told
    vms[0]->put(at(40), 64, 1);
    compute(anew, at(40), listed(vms));
    vms[0]->put(at(44), 69, 1);
    vms[0]->end(at(44));
    vms[0]->info.ended_ns = at(64);  // of before
    compute(anew, at(50), listed(vms));
    EXPECT_EQ(series_of(anew, 0, {})->data.value, (std::vector<std::uint64_t>{0, 4, 9}));
    EXPECT_EQ(anew.done().size(), 1u);
}

TEST(Rules, WhatMostVmsHaveDecidesTheFormAndTakesOverAfterARollOut) {
    RuleTotals totals = begun({rule_of("x", "c_total|h_seconds", RuleOperation::kSum)});
    Vms vms;
    for (int n = 0; n < 5; ++n) {
        vms.push_back(std::make_shared<TenantVm>("vm" + std::to_string(n), static_cast<std::uint8_t>(n), "red", at(3)));
        vms[n]->put(at(10), 5, 1);
    }
    vms[0]->layout->metrics[0].kind = Kind::kCounterF64;  // first of all, and alone
    compute(totals, at(10), listed(vms));
    EXPECT_EQ(totals.state().metrics[0]->kind, Kind::kCounter);
    EXPECT_EQ(series_of(totals, 0, {})->data.value, std::vector<std::uint64_t>{20});
    EXPECT_EQ(totals.stats().series_left_out, 1u);
    // A hundred metrics of other buckets in one VM are a vote for each form, and not for all the forms there are.
    for (std::uint32_t n = 0; n < 100; ++n) {
        vms[0]->layout->metrics.push_back(vms[0]->layout->metrics[0]);
        vms[0]->layout->metrics.back().kind = n % 2 == 0 ? Kind::kCounterF64 : Kind::kGauge;
    }
    for (int n = 0; n < 2; ++n) vms[n]->layout->metrics[0].kind = Kind::kCounterF64;
    for (const auto& vm : vms) vm->put(at(20), 6, 1);
    compute(totals, at(20), listed(vms));
    EXPECT_EQ(totals.state().metrics[0]->kind, Kind::kCounter) << "two of five";
    vms[2]->layout->metrics[0].kind = Kind::kCounterF64;
    for (const auto& vm : vms) vm->put(at(30), 7, 1);
    compute(totals, at(30), listed(vms));
    EXPECT_EQ(totals.state().metrics[0]->kind, Kind::kCounterF64);
    EXPECT_EQ(series_of(totals, 0, {})->data.end_ns, std::vector<std::uint64_t>{at(30)}) << "a clean reset";
}

TEST(Rules, OneVmNeitherSpoilsTheTotalsOfOthersNorTakesTheirRoom) {
    RuleTotals totals =
        begun({rule_of("c", "c_total", RuleOperation::kSum), rule_of("h", "h_.*", RuleOperation::kMerge),
               rule_of("g", "g", RuleOperation::kSum), rule_of("by", "c_total", RuleOperation::kSum, {"disk"})});
    Vms vms = {std::make_shared<TenantVm>("bad", 1, "red", at(3)), std::make_shared<TenantVm>("good", 2, "red", at(3))};
    for (const auto& vm : vms) vm->put(at(10), 5, 2);
    vms[0]->runs[{0, 0}].value[0] = UINT64_MAX;
    vms[0]->runs[{2, 0}].sum[0] = std::numeric_limits<double>::quiet_NaN();
    vms[0]->runs[{1, 0}].last[0] = std::numeric_limits<double>::infinity();
    vms[0]->layout->metrics[0].label_names = {"disk"};
    for (std::uint32_t n = 0; n < 2000; ++n) vms[0]->list.push_back({4 + n, 0, {"sd" + std::to_string(n)}, at(3)});
    compute(totals, at(10), listed(vms));
    EXPECT_EQ(series_of(totals, 0, {})->data.value, std::vector<std::uint64_t>{5});
    EXPECT_EQ(series_of(totals, 1, {})->data.sum, std::vector<double>{5});
    EXPECT_EQ(series_of(totals, 1, {})->data.count, std::vector<std::uint64_t>{15});
    EXPECT_EQ(series_of(totals, 2, {})->data.last, std::vector<double>{2});
    EXPECT_LE(totals.state().series.size(), kRuleSeriesPerVm + 4u);
    EXPECT_NE(series_of(totals, 3, {""}), nullptr) << "that of the good one";
}

TEST(Rules, CountWhatWasThereAtTheWindowsEnd) {
    RuleTotals totals = begun({rule_of("vms", "vm_info", RuleOperation::kCount)});
    Vms vms = {std::make_shared<TenantVm>("a", 1, "red", at(3))};
    vms[0]->list[3].created_ns = at(12);  // registered within the grace of the window
    vms[0]->put(at(10), 5, 1);
    compute(totals, at(10), listed(vms));
    compute(totals, at(20), listed(vms));
    EXPECT_EQ(series_of(totals, 0, {})->data.last, (std::vector<double>{0, 1}));
}

TEST(Rules, AVmThatCannotBeReadIsCountedAndNotWaitedForForEver) {
    RuleTotals totals = begun({rule_of("c", "c_total", RuleOperation::kSum)});
    Vms vms = {std::make_shared<TenantVm>("a", 1, "red", at(3))};
    vms[0]->busy = true;
    vms[0]->end(at(8));
    for (std::uint32_t window = 1; window < kRuleWindowsMax; ++window) compute(totals, at(10.0 * window), listed(vms));
    EXPECT_TRUE(totals.done().empty());
    EXPECT_EQ(totals.stats().unread_vms, kRuleWindowsMax - 1);
    for (std::uint32_t window = 0; window < 2; ++window) {
        compute(totals, at(10.0 * (kRuleWindowsMax + window)), listed(vms));
    }
    EXPECT_EQ(totals.done().size(), 1u);
}

TEST(Rules, HoldNoMoreNumbersThanTheyMayWhateverLabelsVmsHave) {
    RuleTotals totals = begun({rule_of("c", "c_total", RuleOperation::kSum, {"vm_id"}),
                               rule_of("h", "h_seconds", RuleOperation::kMerge, {"vm_id"})});
    Vms vms;
    for (int n = 0; n < 2500; ++n) {
        vms.push_back(std::make_shared<TenantVm>("vm" + std::to_string(n), 1, "red", at(3)));
        vms.back()->put(at(10), 5, 1);
        vms.back()->put(at(20), 6, 1);
    }
    compute(totals, at(10), listed(vms));
    // A counter and a histogram of two buckets are 2 and 6 numbers in each of 288 windows.
    const std::size_t pairs = kRuleNumbersMax / (8 * kRuleWindowsMax);
    EXPECT_NEAR(static_cast<double>(totals.state().series.size()), 2.0 * static_cast<double>(pairs), 4.0);
    EXPECT_EQ(totals.stats().series_left_out, 5000 - totals.state().series.size());
    compute(totals, at(20), listed(vms));
    EXPECT_EQ(series_of(totals, 0, {"vm0"})->data.value, (std::vector<std::uint64_t>{5, 6}));
}

TEST(Rules, RandomFleetsAddUpWhateverIsLateOrRestarted) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    auto chance = [&](unsigned percent) { return random() % 100 < percent; };
    const std::vector<Rule> rules = {rule_of("sum_total", "c_total", RuleOperation::kSum, {"tenant"}),
                                     rule_of("merged", "h_seconds", RuleOperation::kMerge, {"tenant"})};
    const std::uint64_t hash = rules_hash(rules, 10);
    RuleTotals totals = begun(rules);
    Vms vms;
    std::map<std::string, std::uint64_t> model;
    std::map<std::string, std::uint64_t> value;  // by VM
    std::size_t late = 0, restarts = 0;
    for (int window = 1; window <= 200; ++window) {
        const std::uint64_t end_ns = at(10.0 * window);
        const bool last = window >= 198;  // what is late may come
        if (!last && vms.size() < 250 && chance(60)) {
            const auto number = static_cast<std::uint8_t>(vms.size());
            vms.push_back(std::make_shared<TenantVm>("vm" + std::to_string(number), number, chance(50) ? "red" : "blue",
                                                     end_ns - random() % kWindow));
        }
        for (const auto& vm : vms) {
            vm->busy = !last && chance(20);
            late += vm->busy ? 1 : 0;
            if (vm->info.state == VmState::kDrained || vm->info.created_ns >= end_ns) continue;
            const std::uint64_t increase = random() % 10;
            std::uint64_t& now = value[vm->info.vm_id];
            now += increase;
            model[vm->list[3].label_values[0]] += increase;
            const bool ends = chance(5);
            const std::uint64_t begin_ns = std::max(vm->info.created_ns, end_ns - kWindow);
            const std::uint64_t at_ns = ends ? begin_ns + random() % (end_ns - begin_ns) + 1 : end_ns;
            vm->put(at_ns, now, 1);
            if (ends) vm->end(at_ns);
        }
        compute(totals, end_ns, listed(vms));
        if (chance(20)) {
            std::optional<RuleState> state = decode_rule_state(encode_rule_state(totals.state(), hash), hash);
            ASSERT_TRUE(state);
            totals = RuleTotals(rules, 10, std::move(*state));
            ++restarts;
        }
    }
    ASSERT_GT(late, 100u);
    ASSERT_GT(restarts, 10u);
    for (const auto& [tenant, sum] : model) {
        const RuleSeries& counters = *series_of(totals, 0, {tenant});
        EXPECT_EQ(counters.data.value.back(), sum) << tenant;
        EXPECT_TRUE(std::is_sorted(counters.data.value.begin(), counters.data.value.end()));
        const RuleSeries& histograms = *series_of(totals, 1, {tenant});
        EXPECT_EQ(histograms.data.count.back(), 3 * sum);
        EXPECT_EQ(histograms.total.buckets, (std::vector<std::uint64_t>{sum, sum, sum}));
        EXPECT_EQ(histograms.total.sum, static_cast<double>(sum));
    }
}

TEST(Rules, AStateWithOneBitChangedOrOfOtherRulesIsNotRead) {
    const std::vector<Rule> rules = {rule_of("c", "c_total", RuleOperation::kSum, {"tenant"})};
    RuleTotals totals = begun(rules);
    Vms vms = {std::make_shared<TenantVm>("a", 1, "red", at(3))};
    vms[0]->put(at(10), 5, 1);
    compute(totals, at(10), listed(vms));
    const std::uint64_t hash = rules_hash(rules, 10);
    const std::string bytes = encode_rule_state(totals.state(), hash);
    ASSERT_TRUE(decode_rule_state(bytes, hash));
    EXPECT_FALSE(decode_rule_state(bytes, rules_hash(rules, 300)));
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        std::string damaged = bytes;
        damaged[i] = static_cast<char>(damaged[i] ^ 4);
        EXPECT_FALSE(decode_rule_state(damaged, hash)) << i;
        EXPECT_FALSE(decode_rule_state(bytes.substr(0, i), hash)) << i;
    }
}

TEST(Rules, SayWhatIsWrongWithThem) {
    EXPECT_TRUE(check_rules({rule_of("a", "x", RuleOperation::kSum, {"tenant"})}).ok());
    for (const auto& [rules, words] : std::vector<std::pair<std::vector<Rule>, std::string>>{
             {{rule_of("9a", "x", RuleOperation::kSum)}, "needs the name of a metric"},
             {{rule_of("a", "x", RuleOperation::kSum), rule_of("a", "y", RuleOperation::kSum)}, "stands twice"},
             {{Rule{"a", {}, {}, RuleOperation::kSum}}, "takes nothing"},
             {{rule_of("a", "x", RuleOperation::kMerge, {"le"})}, "cannot be by 'le'"}}) {
        Result<void> bad = check_rules(rules);
        ASSERT_FALSE(bad.ok());
        EXPECT_NE(bad.error().context.find(words), std::string::npos) << bad.error().context;
    }
    EXPECT_FALSE(parse_rule_operation("avg").ok());
}

class RulePushTest : public PusherTest {
  protected:
    RulePushTest() {
        options.state_directory = "/state";
        options.choice.resolution_s = 10;
        options.rules = {rule_of("fleet_total", "c0_total", RuleOperation::kSum)};
        options.choice.replaced = {{*Pattern::parse("c0_total"), kinds_of(RuleOperation::kSum)}};
        restart();
    }
    void restart() {
        rules = std::make_unique<RuleSources>(options, sources, disk, clock,
                                              [this](bool, const std::string& text) { said.push_back(text); });
        agent = std::make_unique<Agent>(options, *rules, disk, clock);
    }
    Texts fleet() {
        Texts all;
        auto stored = receiver.stored();
        for (const MockReceiver::Sample& sample : stored["fleet_total{instance=\"h\",job=\"j\"}"]) {
            all.push_back(std::to_string(static_cast<int>(std::bit_cast<double>(sample.value_bits))) + "@" +
                          std::to_string((sample.timestamp_ms - kStartMs) / 1000));
        }
        return all;
    }
    std::unique_ptr<RuleSources> rules;
    Texts said;
};

TEST_F(RulePushTest, LeavesInPlaceOfItsSourcesAndSurvivesRestarts) {
    agent->run(at(1));
    CountingVm& a = sources.add("a", 1, at(3));
    CountingVm& b = sources.add("b", 2, at(4));
    for (int window = 1; window <= 6; ++window) {
        if (window < 4) a.live_until(at(10.0 * window + 1));
        if (window == 4) a.end(at(35.5));
        b.live_until(at(10.0 * window + 1));
        agent->run(at(10.0 * window + 1.1));
        if (window % 2 == 0) restart();
    }
    // a: 7, 17, 27, 32; b: 6, 16, 26, ...
    EXPECT_EQ(fleet(), (Texts{"0@0", "13@10", "33@20", "53@30", "68@40", "78@50", "88@60"}));
    EXPECT_EQ(receiver.stored().size(), 2u);  // the rule's, and how `a` ended
    EXPECT_TRUE(said.empty()) << said.front();
    EXPECT_EQ(receiver.repeated(), 0u);
}

TEST_F(RulePushTest, AnswersThatNobodyHearsAreRepeatedWithTheSameValues) {
    agent->run(at(1));
    CountingVm& a = sources.add("a", 1, at(3));
    for (int window = 1; window <= 4; ++window) {
        a.live_until(at(10.0 * window + 1));
        receiver.decide([&](std::size_t, const auto&) {  // stored, and the agent dies before it hears so
            MockReceiver::Answer answer;
            answer.status = 204;
            agent->pacer.stop();
            agent->sender->abort();
            return answer;
        });
        agent->run(at(10.0 * window + 1.1));
        receiver.decide([](std::size_t, const auto&) { return MockReceiver::Answer{}; });
        restart();
        agent->run(at(10.0 * window + 1.2));
    }
    EXPECT_EQ(fleet(), (Texts{"0@0", "7@10", "17@20", "27@30", "37@40"}));
    EXPECT_TRUE(agent->stats.snapshot().samples_refused.empty());
}

TEST_F(RulePushTest, BeginsAnewWhenTheClockIsSetBack) {
    agent->run(at(1));
    CountingVm& a = sources.add("a", 1, at(3));
    a.live_until(at(11));
    agent->run(at(11.1));
    agent->run(at(86400));
    EXPECT_TRUE(said.empty());
    a.live_until(at(41));
    agent->run(at(41.1));
    ASSERT_EQ(said.size(), 1u);
    EXPECT_NE(said[0].find("the clock was ahead"), std::string::npos) << said[0];
    a.live_until(at(51));
    agent->run(at(51.1));
    ASSERT_EQ(said.size(), 1u);
    EXPECT_EQ(rules->stats().windows, 1u);
    // Of the 47 until 50 s, 7 had been counted before.
    EXPECT_EQ(rules->sources().back().source->read(0, {.end_ns = UINT64_MAX})->value, std::vector<std::uint64_t>{40});
}

TEST_F(RulePushTest, AFileThatCannotBeReadNowIsWaitedForAndADamagedOneIsPutAside) {
    agent->run(at(1));
    CountingVm& a = sources.add("a", 1, at(3));
    a.live_until(at(11));
    agent->run(at(11.1));
    const std::string path = "/state/" + options.name + ".rules";
    disk.refuse_opens(path, EMFILE);
    restart();
    a.live_until(at(21));
    agent->run(at(21.1));
    ASSERT_EQ(said.size(), 1u);
    EXPECT_NE(said[0].find("stand still until their state can be read"), std::string::npos) << said[0];
    EXPECT_EQ(fleet(), (Texts{"0@0", "7@10"}));
    disk.refuse_opens(path, 0);
    agent->run(at(21.2));
    EXPECT_EQ(fleet(), (Texts{"0@0", "7@10", "17@20"}));
    disk.put(path, "no rules");
    restart();
    agent->run(at(21.3));
    ASSERT_EQ(said.size(), 2u);
    EXPECT_NE(said[1].find(path + ".before now"), std::string::npos) << said[1];
    EXPECT_EQ(*read_file(disk, path + ".before", 100), "no rules");
}

TEST_F(RulePushTest, NeedsAVmUntilItsEndIsSaved) {
    agent->run(at(1));
    CountingVm& a = sources.add("a", 1, at(3));
    const std::string key = vm_key(a.info);
    a.end(at(5));
    agent->run(at(6));
    EXPECT_TRUE(rules->needs(key));
    disk.set_capacity(0);
    agent->run(at(11.1));
    EXPECT_TRUE(rules->needs(key));
    disk.set_capacity(1 << 20);
    agent->run(at(11.2));
    EXPECT_FALSE(rules->needs(key));
    restart();
    agent->run(at(11.3));
    EXPECT_FALSE(rules->needs(key));
}

TEST_F(RulePushTest, StandsStillWhileItsStateCannotBeSaved) {
    agent->run(at(1));
    CountingVm& a = sources.add("a", 1, at(3));
    a.live_until(at(11));
    disk.set_capacity(0);
    agent->run(at(11.1));
    agent->run(at(11.2));
    EXPECT_TRUE(fleet().empty());
    EXPECT_EQ(said.size(), 1u);
    EXPECT_EQ(rules->stats().write_failures, 2u);
    disk.set_capacity(1 << 20);
    a.live_until(at(21));
    agent->run(at(21.1));
    agent->run(at(21.2));
    EXPECT_EQ(fleet(), (Texts{"0@0", "7@10", "17@20"}));
}

}  // namespace
}  // namespace ringside::agent
