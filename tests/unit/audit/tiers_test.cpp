// Tiers that say the same, and tiers that do not.
#include "agent/audit/tiers.h"

#include <gtest/gtest.h>

#include <bit>
#include <string>

#include "agent/audit/audit.h"
#include "tests/support/memory_source.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kStart = 1'700'000'000 * kSecond;  // a multiple of 10 s

// A drained VM of `seconds` seconds with a series of each kind in tiers of 1 s and 10 s. In second k the counter has
// come to 3 k, the gauge observes k and -k, the level is k, the histogram takes one observation of k.
class TieredVm : public MemorySource {
  public:
    explicit TieredVm(std::uint64_t seconds, std::uint32_t fine_slots = 300) {
        info.vm_id = "a";
        info.state = VmState::kDrained;
        info.created_ns = kStart;
        info.ended_ns = kStart + seconds * kSecond;
        layout->tiers = {{1, fine_slots, kColumnsAll}, {10, 2000, kColumnsAll}};
        for (Kind kind :
             {Kind::kCounter, Kind::kCounterF64, Kind::kGauge, Kind::kLevel, Kind::kHistogram, Kind::kInfo}) {
            MetricInfo metric;
            metric.name = kind_name(kind);
            metric.kind = kind;
            metric.bucket_count = 2;
            const auto index = static_cast<std::uint32_t>(layout->metrics.size());
            layout->metrics.push_back(metric);
            list.push_back({index, index, {}, kStart});
            if (kind == Kind::kInfo) continue;
            for (std::uint32_t tier = 0; tier < 2; ++tier) fill(index, kind, tier, seconds);
        }
    }

    SeriesAudit audit(Kind kind) const { return audit_series(*this, *layout, info, list[index_of(kind)]); }
    SeriesData& run(Kind kind, std::uint32_t tier) { return runs[{index_of(kind), tier}]; }

  private:
    static std::uint32_t index_of(Kind kind) { return static_cast<std::uint32_t>(kind) - 1; }

    void fill(std::uint32_t index, Kind kind, std::uint32_t tier, std::uint64_t seconds) {
        SeriesData& data = runs[{index, tier}];
        const std::uint64_t step = layout->tiers[tier].resolution_s;
        std::uint64_t begin = 0;
        if (tier == 0 && seconds > layout->tiers[0].slots) begin = seconds - layout->tiers[0].slots;
        for (; begin < seconds; begin += step) {
            const std::uint64_t end = std::min(begin + step, seconds);
            data.end_ns.push_back(kStart + end * kSecond);
            data.flags.push_back(end % step != 0 ? kPointPartial : 0);
            window(data, kind, begin, end);
        }
    }
    static void window(SeriesData& data, Kind kind, std::uint64_t begin, std::uint64_t end) {
        const auto sum_below = [](std::uint64_t n) { return static_cast<double>(n * (n - 1) / 2); };
        const auto most = static_cast<double>(end - 1);
        switch (kind) {
            case Kind::kCounter: data.value.push_back(3 * (end - 1)); return;
            case Kind::kCounterF64: data.value.push_back(std::bit_cast<std::uint64_t>(3 * most)); return;
            case Kind::kGauge:
                data.count.push_back(2 * (end - begin));
                data.sum.push_back(0);
                data.min.push_back(-most);
                data.max.push_back(most);
                data.last.push_back(-most);
                return;
            case Kind::kLevel:
                data.count.push_back((end - begin) * kSecond);
                data.sum.push_back(sum_below(end) - (begin == 0 ? 0 : sum_below(begin)));
                data.min.push_back(static_cast<double>(begin));
                data.max.push_back(most);
                data.last.push_back(most);
                return;
            case Kind::kHistogram:
                data.count.push_back(end);
                data.sum.push_back(sum_below(end));
                data.buckets.insert(data.buckets.end(), {1, end - 1, 0});
                return;
            case Kind::kInfo: return;
        }
    }
};

constexpr Kind kKinds[] = {Kind::kCounter, Kind::kCounterF64, Kind::kGauge, Kind::kLevel, Kind::kHistogram};

TEST(AuditTiers, FindsNothingWhereTheyAgree) {
    const TieredVm vm(95);
    for (Kind kind : kKinds) {
        const SeriesAudit audit = vm.audit(kind);
        EXPECT_EQ(audit.compared, 10u) << kind_name(kind);
        EXPECT_EQ(audit.differing, 0u) << kind_name(kind);
        EXPECT_EQ(audit.tiers[0].until_ns, vm.info.ended_ns);
        EXPECT_EQ(audit.tiers[1].until_ns, vm.info.ended_ns);
    }
    EXPECT_EQ(vm.audit(Kind::kInfo).compared, 0u);
    EXPECT_EQ(verdict_of(*audit_vm(vm)), AuditVerdict::kEqual);
}

TEST(AuditTiers, AddsUpGaugesAndTakesTheNewestOfTheOthers) {
    const TieredVm vm(95);
    EXPECT_EQ(vm.audit(Kind::kCounter).tiers[0].count, 3u * 94);
    EXPECT_EQ(vm.audit(Kind::kCounterF64).tiers[1].sum, 3.0 * 94);
    EXPECT_EQ(vm.audit(Kind::kGauge).tiers[0].count, 190u);
    EXPECT_EQ(vm.audit(Kind::kGauge).tiers[1].count, 190u);
    EXPECT_EQ(vm.audit(Kind::kLevel).tiers[1].sum, 94.0 * 95 / 2);
    EXPECT_EQ(vm.audit(Kind::kHistogram).tiers[0].count, 95u);
    EXPECT_EQ(vm.audit(Kind::kHistogram).tiers[0].windows, 95u);
}

TEST(AuditTiers, ComparesAGaugeOnlyWhereTheFinerTierReaches) {
    const TieredVm vm(95, 35);                       // from second 60 on
    EXPECT_EQ(vm.audit(Kind::kGauge).compared, 3u);  // the oldest fine window may go while it is read
    EXPECT_EQ(vm.audit(Kind::kGauge).differing, 0u);
    EXPECT_EQ(vm.audit(Kind::kCounter).compared, 4u);
    EXPECT_EQ(vm.audit(Kind::kGauge).tiers[0].from_ns, kStart + 61 * kSecond);
}

// Each column of each kind, one window changed: found, in that window, and named.
TEST(AuditTiers, FindsOneChangedValueOfAnyColumn) {
    struct Change {
        Kind kind;
        const char* column;
        void (*change)(SeriesData&);
    };
    const Change changes[] = {
        {Kind::kCounter, "value", [](SeriesData& data) { ++data.value[4]; }},
        {Kind::kCounterF64, "value", [](SeriesData& data) { ++data.value[4]; }},
        {Kind::kGauge, "count", [](SeriesData& data) { --data.count[4]; }},
        {Kind::kGauge, "sum", [](SeriesData& data) { data.sum[4] = 0.5; }},
        {Kind::kGauge, "min", [](SeriesData& data) { data.min[4] -= 1; }},
        {Kind::kGauge, "max", [](SeriesData& data) { data.max[4] += 1; }},
        {Kind::kGauge, "last", [](SeriesData& data) { data.last[4] = 0.25; }},
        {Kind::kLevel, "count", [](SeriesData& data) { ++data.count[4]; }},
        {Kind::kLevel, "sum", [](SeriesData& data) { data.sum[4] *= 1.001; }},
        {Kind::kHistogram, "count", [](SeriesData& data) { ++data.count[4]; }},
        {Kind::kHistogram, "sum", [](SeriesData& data) { data.sum[4] += 0.1; }},
        {Kind::kHistogram, "bucket 1", [](SeriesData& data) { ++data.buckets[4 * 3 + 1]; }},
    };
    for (const Change& change : changes) {
        TieredVm vm(95);
        change.change(vm.run(change.kind, 1));
        const SeriesAudit audit = vm.audit(change.kind);
        ASSERT_EQ(audit.differing, 1u) << change.column;
        EXPECT_EQ(audit.differences[0].end_ns, kStart + 50 * kSecond);
        EXPECT_TRUE(audit.differences[0].text.starts_with(std::string(change.column) + ":"))
            << audit.differences[0].text;
        EXPECT_EQ(verdict_of(*audit_vm(vm)), AuditVerdict::kDiffers);
    }
}

TEST(AuditTiers, FindsAFineWindowThatIsMissing) {
    TieredVm vm(95);
    SeriesData& fine = vm.run(Kind::kGauge, 0);
    for (auto* column : {&fine.sum, &fine.min, &fine.max, &fine.last}) column->erase(column->begin() + 42);
    fine.count.erase(fine.count.begin() + 42);
    fine.end_ns.erase(fine.end_ns.begin() + 42);
    fine.flags.erase(fine.flags.begin() + 42);
    const SeriesAudit audit = vm.audit(Kind::kGauge);
    ASSERT_EQ(audit.differing, 1u);
    EXPECT_EQ(audit.differences[0].text, "count: 18 in the finer windows, 20 in this one");
}

TEST(AuditTiers, KeepsTheFirstDifferencesAndCountsTheRest) {
    TieredVm vm(95);
    for (std::uint64_t& value : vm.run(Kind::kCounter, 1).value) ++value;
    const SeriesAudit audit = vm.audit(Kind::kCounter);
    EXPECT_EQ(audit.differing, 10u);
    EXPECT_EQ(audit.differences.size(), kDifferencesKept);
}

TEST(AuditTiers, SaysWhichSeriesCannotBeRead) {
    TieredVm vm(95);
    vm.errors[{0, 1}] = error(Code::kCorrupt, "a slot contradicts itself");
    EXPECT_EQ(vm.audit(Kind::kCounter).unreadable, "a slot contradicts itself");
    EXPECT_EQ(verdict_of(*audit_vm(vm)), AuditVerdict::kLossy);
}

TEST(AuditTiers, ReadsALongLifeInParts) {
    const TieredVm vm(12'345, 12'345);
    for (Kind kind : kKinds) {
        const SeriesAudit audit = vm.audit(kind);
        EXPECT_GE(audit.compared, 1234u) << kind_name(kind);
        EXPECT_EQ(audit.differing, 0u) << kind_name(kind);
        EXPECT_EQ(audit.tiers[0].windows, 12'345u);
    }
}

// A ring that has its newest windows in one part and its oldest in the part before.
TEST(AuditTiers, KnowsHowFarARingReachesAcrossParts) {
    const std::uint64_t part_s = 10 * 512;
    const std::uint64_t seconds = part_s - kStart / kSecond % part_s + 100;
    const TieredVm vm(seconds, 300);
    for (Kind kind : kKinds) {
        const SeriesAudit audit = vm.audit(kind);
        EXPECT_EQ(audit.differing, 0u) << kind_name(kind) << ": "
                                       << (audit.differences.empty() ? "" : audit.differences[0].text);
        EXPECT_GE(audit.compared, 29u) << kind_name(kind);
        EXPECT_EQ(audit.tiers[0].until_ns, vm.info.ended_ns) << kind_name(kind);
        EXPECT_EQ(audit.tiers[1].from_ns, kStart + 10 * kSecond) << kind_name(kind);
    }
    EXPECT_EQ(vm.audit(Kind::kCounter).tiers[1].count, 3 * (seconds - 1));
}

// The open window of a gauge moves with what it holds, the closed finer windows in it do not.
TEST(AuditTiers, ComparesNoGaugesOnceTheClockWasSetBack) {
    TieredVm vm(95);
    ++vm.run(Kind::kGauge, 1).count[4];
    ++vm.run(Kind::kCounter, 1).value[4];
    vm.info.rebases = 1;
    EXPECT_EQ(vm.audit(Kind::kGauge).compared, 0u);
    EXPECT_EQ(vm.audit(Kind::kGauge).tiers[0].count, 190u);
    EXPECT_EQ(vm.audit(Kind::kCounter).differing, 1u);
}

// An audit of so many looks that differ before one that does not.
std::pair<AuditVerdict, int> settled_after(int differing) {
    int looks = 0;
    auto audit = audit_until_settled([&]() -> Result<VmAudit> {
        VmAudit found;
        if (++looks <= differing) found.series.emplace_back().differing = 1;
        return found;
    });
    return {verdict_of(*audit), looks};
}

TEST(AuditUntilSettled, LooksAgainAtADifferenceAndTellsOneThatStays) {
    EXPECT_EQ(settled_after(0), std::pair(AuditVerdict::kEqual, 1));
    EXPECT_EQ(settled_after(1), std::pair(AuditVerdict::kEqual, 2));
    EXPECT_EQ(settled_after(9), std::pair(AuditVerdict::kDiffers, 3));
}

}  // namespace
}  // namespace ringside::agent
