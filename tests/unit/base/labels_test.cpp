#include "agent/base/labels.h"

#include <gtest/gtest.h>

namespace ringside::agent {
namespace {

SchemaInfo disk_schema() {
    SchemaInfo schema;
    MetricInfo metric;
    metric.name = "vmm_block_bytes_total";
    metric.label_names = {"device", "op", "vm_id"};
    schema.metrics.push_back(metric);
    return schema;
}

SeriesInfo series_of(std::vector<std::string> values) {
    SeriesInfo series;
    series.label_values = std::move(values);
    return series;
}

VmInfo vm_named(std::string vm_id, std::string component = "") {
    VmInfo vm;
    vm.vm_id = std::move(vm_id);
    vm.component = std::move(component);
    return vm;
}

TEST(Labels, AgentOwnedLabelsOverrideWhatTheSegmentClaims) {
    LabelSet owned = agent_labels(vm_named("vm-7"), {"host-1", "ringside"});
    LabelSet labels = series_labels(disk_schema(), series_of({"vda", "read", "somebody-else"}), owned);
    EXPECT_EQ(label_text(labels),
              "vmm_block_bytes_total{device=\"vda\",instance=\"host-1\",job=\"ringside\",op=\"read\","
              "vm_id=\"vm-7\"}");
}

TEST(Labels, ComponentIsALabelOnlyWhereThereIsOne) {
    EXPECT_EQ(label_value(agent_labels(vm_named("vm-7"), {}), "component"), "");
    EXPECT_EQ(label_value(agent_labels(vm_named("vm-7", "virtiofsd"), {}), "component"), "virtiofsd");
}

TEST(Labels, EmptyValuesAreNoLabels) {
    LabelSet labels = series_labels(disk_schema(), series_of({"vda", "", ""}), {});
    EXPECT_EQ(label_text(labels), "vmm_block_bytes_total{device=\"vda\"}");
    EXPECT_EQ(label_value(labels, "op"), "");
}

TEST(Labels, TextEscapesWhatWouldEndTheQuotes) {
    EXPECT_EQ(label_text({{"a", "x\"y\\z\nw"}}), "{a=\"x\\\"y\\\\z\\nw\"}");
    EXPECT_EQ(label_text({}), "{}");
    EXPECT_EQ(label_text({{kNameLabel, "up"}}), "up");
}

}  // namespace
}  // namespace ringside::agent
