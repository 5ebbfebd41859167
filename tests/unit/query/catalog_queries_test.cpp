#include "agent/query/catalog_queries.h"

#include <gtest/gtest.h>

#include "tests/support/memory_source.h"

namespace ringside::agent {
namespace {

class CatalogQueriesTest : public testing::Test {
  protected:
    void add(const std::string& vm_id, std::uint32_t uid, VmState state, const std::string& metric) {
        auto vm = std::make_shared<MemorySource>();
        vm->info.vm_id = vm_id;
        vm->info.uid = uid;
        vm->info.state = state;
        vm->info.created_ns = vm->info.ended_ns = 1;
        MetricInfo& declared = vm->layout->metrics.emplace_back();
        declared.name = metric;
        declared.help = "Of " + vm_id + ".";
        declared.unit = "requests";
        catalog_.add_drained(vm);
    }

    EventBus events_{16};
    Catalog catalog_{{}, events_};
    const CatalogQueries queries_{catalog_, {"host", "job"}};
    const Caller operator_{.uid = 0, .is_operator = true}, tenant_{.uid = 7, .is_operator = false};
};

TEST_F(CatalogQueriesTest, TellsOfMetricsThatDrainedVmsAloneHave) {
    add("gone", 7, VmState::kDrained, "a_total");
    const auto all = queries_.metadata(operator_);
    ASSERT_TRUE(all.contains("a_total"));
    EXPECT_EQ(all.at("a_total"), (std::vector<MetricMetadata>{{"counter", "Of gone.", "requests"}}));
}

TEST_F(CatalogQueriesTest, TellsATenantOfMetricsOfItsOwnVms) {
    add("mine", 7, VmState::kDrained, "a_total");
    add("other", 8, VmState::kDrained, "b_total");
    const auto all = queries_.metadata(tenant_);
    EXPECT_TRUE(all.contains("a_total"));
    EXPECT_FALSE(all.contains("b_total"));
}

TEST_F(CatalogQueriesTest, SaysItselfWhatItsOwnSeriesAre) {
    add("vm", 7, VmState::kDrained, "ringside_vm_up");
    const auto all = queries_.metadata(operator_);
    ASSERT_TRUE(all.contains("ringside_vm_up") && all.contains("ringside_vm_info"));
    ASSERT_EQ(all.at("ringside_vm_up").size(), 1u);
    EXPECT_EQ(all.at("ringside_vm_up")[0].type, "gauge");
}

}  // namespace
}  // namespace ringside::agent
