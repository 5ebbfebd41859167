#include "agent/catalog/layout.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/support/fake_source.h"

namespace ringside::agent {
namespace {

std::shared_ptr<SchemaInfo> block_schema() {
    return fake_schema(
        {fake_metric("blocks_total", {"device", "op"}), fake_metric("up", {}), fake_metric("net", {"op"})});
}

std::vector<SeriesInfo> block_series() {
    return {{0, 0, {"vda", "read"}, 5},
            {1, 0, {"vda", "write"}, 6},
            {2, 0, {"vdb", ""}, 7},
            {100, 1, {}, 8},
            {101, 2, {"read"}, 9}};
}

std::shared_ptr<const Layout> built(const std::vector<SeriesInfo>& series) {
    auto layout = Layout::build(block_schema(), series);
    EXPECT_TRUE(layout.ok()) << layout.error().message();
    return *layout;
}

std::vector<Row> rows(std::span<const Row> span) { return {span.begin(), span.end()}; }

TEST(Layout, ListsRowsByValueOverAllMetrics) {
    auto layout = built(block_series());
    EXPECT_EQ(rows(layout->label("op")->find("read")), (std::vector<Row>{0, 4}));
    EXPECT_EQ(rows(layout->label("op")->find("write")), (std::vector<Row>{1}));
    EXPECT_EQ(rows(layout->label("device")->find("vda")), (std::vector<Row>{0, 1}));
    EXPECT_EQ(rows(layout->label("__name__")->find("blocks_total")), (std::vector<Row>{0, 1, 2}));
    EXPECT_TRUE(layout->label("op")->find("erase").empty());
    EXPECT_EQ(layout->label("nothing"), nullptr);
}

TEST(Layout, HasNoRowsForEmptyValues) {
    auto layout = built({{0, 2, {""}, 0}});
    EXPECT_EQ(layout->label("op"), nullptr);
    EXPECT_EQ(layout->label_value(0, 0), "");
}

TEST(Layout, GivesBackTheSeriesItWasBuiltFrom) {
    auto series = block_series();
    auto layout = built(series);
    ASSERT_EQ(layout->size(), series.size());
    for (Row row = 0; row < layout->size(); ++row) {
        SeriesInfo back = layout->series(row);
        EXPECT_EQ(back.index, series[row].index);
        EXPECT_EQ(back.metric, series[row].metric);
        EXPECT_EQ(back.label_values, series[row].label_values);
    }
    EXPECT_EQ(layout->label_bytes(), 4u + 5 + 4 + 6 + 4 + 1 + 5);
    EXPECT_GT(layout->memory_bytes(), sizeof(Layout));
}

TEST(Layout, EqualsByContentAndNotByTimeOfRegistration) {
    auto layout = built(block_series());
    auto series = block_series();
    series[2].created_ns = 999;
    EXPECT_TRUE(layout->equals(*block_schema(), series));
    series[2].label_values[1] = "read";
    EXPECT_FALSE(layout->equals(*block_schema(), series));
    series = block_series();
    series.pop_back();
    EXPECT_FALSE(layout->equals(*block_schema(), series));
    series = block_series();
    series[4].index = 102;
    EXPECT_FALSE(layout->equals(*block_schema(), series));
    auto other = block_schema();
    other->metrics[0].help = "other";
    EXPECT_FALSE(layout->equals(*other, block_series()));
}

TEST(Layout, RefusesSeriesThatContradictTheSchema) {
    EXPECT_EQ(Layout::build(block_schema(), {{0, 3, {}, 0}}).error().code, Code::kCorrupt);
    EXPECT_EQ(Layout::build(block_schema(), {{0, 0, {"vda"}, 0}}).error().code, Code::kCorrupt);
    EXPECT_EQ(Layout::build(block_schema(), {{1, 1, {}, 0}, {1, 1, {}, 0}}).error().code, Code::kCorrupt);
}

TEST(LayoutTable, GivesOneLayoutToEqualVmsAndAnotherToOthers) {
    LayoutTable table;
    auto first = *table.intern(block_schema(), block_series());
    auto second = *table.intern(block_schema(), block_series());
    EXPECT_EQ(first, second);
    EXPECT_EQ(table.size(), 1u);

    auto more = block_series();
    more.push_back({102, 2, {"write"}, 0});
    auto third = *table.intern(block_schema(), more);
    EXPECT_NE(first, third);
    EXPECT_EQ(table.size(), 2u);
}

TEST(LayoutTable, TellsSchemasApartThatHaveOneHash) {
    LayoutTable table;
    auto other = block_schema();
    other->metrics[2].unit = "bytes";  // same hash member, other content
    auto first = *table.intern(block_schema(), block_series());
    auto second = *table.intern(other, block_series());
    EXPECT_NE(first, second);
}

TEST(LayoutTable, ForgetsWhatNobodyUses) {
    LayoutTable table;
    for (int i = 0; i < 500; ++i) {
        auto series = block_series();
        series[0].label_values[0] = "disk" + std::to_string(i);
        ASSERT_TRUE(table.intern(block_schema(), series).ok());
    }
    EXPECT_EQ(table.size(), 0u);
    EXPECT_EQ(table.memory_bytes(), 0u);
}

TEST(LayoutTable, GivesOneLayoutToThreadsThatAskAtTheSameTime) {
    LayoutTable table;
    std::vector<std::shared_ptr<const Layout>> got(4);
    std::vector<std::thread> threads;
    for (auto& one : got) threads.emplace_back([&] { one = *table.intern(block_schema(), block_series()); });
    for (auto& thread : threads) thread.join();
    for (const auto& one : got) EXPECT_EQ(one, got[0]);
    EXPECT_EQ(table.size(), 1u);
}

}  // namespace
}  // namespace ringside::agent
