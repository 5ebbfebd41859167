#include "libwriter/toml/standard_schemas.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdio>
#include <set>
#include <string>
#include <string_view>

#include "libwriter/toml/schema_toml.h"

namespace ringside {
namespace {

OwnedSchema load(std::string_view text) {
    SchemaResult result = schema_from_toml(text, "standard");
    EXPECT_TRUE(result) << result.error();
    return std::move(result).value();
}

std::uint32_t series_of(const rside_schema& schema, int kind) {
    std::uint32_t series = 0;
    for (std::uint32_t i = 0; i < schema.metric_count; ++i) {
        if (kind == 0 || schema.metrics[i].kind == kind) series += schema.metrics[i].max_series;
    }
    return series;
}

TEST(StandardSchemas, AreTheFilesOfTheProject) {
    for (const schemas::Standard& standard : schemas::all()) {
        const std::string path =
            std::string(getenv("RINGSIDE_SOURCE_DIR")) + "/libwriter/schemas/" + std::string(standard.name) + ".toml";
        std::FILE* file = std::fopen(path.c_str(), "rb");
        ASSERT_NE(file, nullptr) << path;
        std::string text(standard.toml.size() + 1, '\0');
        text.resize(std::fread(text.data(), 1, text.size(), file));
        std::fclose(file);
        EXPECT_EQ(text, standard.toml) << path;
    }
    EXPECT_EQ(schemas::all().size(), 3u);
}

TEST(StandardSchemas, KeepTheirHashThroughTextAndBack) {
    for (const schemas::Standard& standard : schemas::all()) {
        const OwnedSchema schema = load(standard.toml);
        EXPECT_EQ(schema->name, standard.name);
        const OwnedSchema again = load(schema_to_toml(*schema));
        EXPECT_EQ(rside_schema_hash(schema.get()), rside_schema_hash(again.get()));
    }
}

// Names by the rules of Prometheus: base units, and an end that tells counters from gauges.
TEST(StandardSchemas, NameUnitsAndCountersAsPrometheusDoes) {
    for (const schemas::Standard& standard : schemas::all()) {
        const OwnedSchema schema = load(standard.toml);
        for (std::uint32_t i = 0; i < schema->metric_count; ++i) {
            const rside_metric& metric = schema->metrics[i];
            const std::string_view name = metric.name;
            const std::string_view unit = metric.unit;
            const bool counts = metric.kind == RSIDE_COUNTER || metric.kind == RSIDE_COUNTER_F64;
            if (!name.starts_with("node_vmstat_")) {  // node_exporter takes these over from the kernel as they are.
                EXPECT_EQ(name.ends_with("_total"), counts) << name;
            }
            EXPECT_TRUE(unit == "" || unit == "seconds" || unit == "bytes") << name;
            EXPECT_NE(name.find(unit), std::string_view::npos) << name;
            EXPECT_EQ(name.ends_with("_info"), metric.kind == RSIDE_INFO) << name;
            EXPECT_TRUE(std::string_view(metric.help).ends_with('.')) << name;
        }
    }
}

TEST(VmmSchema, HasTheRoomAndTheSizeOfASmallVm) {
    const OwnedSchema schema = load(schemas::vmm_toml);
    rside_error error{};
    const uint64_t bytes = rside_schema_size(schema.get(), &error);
    std::printf("vmm: %u series, %u of them histograms, %llu bytes (%.2f MiB)\n", series_of(*schema, 0),
                series_of(*schema, RSIDE_HISTOGRAM), static_cast<unsigned long long>(bytes),
                static_cast<double>(bytes) / 1048576.0);
    EXPECT_EQ(error.code, 0) << error.text;
    EXPECT_LE(bytes, 5u << 19);  // 2.5 MiB: a thousand VMs in 2.5 GiB.
    EXPECT_LE(series_of(*schema, 0), 100u);
    EXPECT_GE(series_of(*schema, RSIDE_HISTOGRAM), 5u);
}

TEST(VmmSchema, KeepsFiveMinutesAnHourAndADay) {
    const OwnedSchema schema = load(schemas::vmm_toml);
    ASSERT_EQ(schema->tier_count, 3u);
    for (std::uint32_t t = 0; t < 3; ++t) {
        EXPECT_EQ(schema->tiers[t].resolution_s, rside_default_tiers[t].resolution_s);
        EXPECT_EQ(schema->tiers[t].slots, rside_default_tiers[t].slots);
    }
}

TEST(VmmSchema, HistogramsReachFromOneMicrosecondToTenSecondsAndMerge) {
    const OwnedSchema schema = load(schemas::vmm_toml);
    std::set<int> scales;
    for (std::uint32_t i = 0; i < schema->metric_count; ++i) {
        const rside_metric& metric = schema->metrics[i];
        if (metric.kind != RSIDE_HISTOGRAM) continue;
        EXPECT_EQ(metric.histogram_lowest, 1e-6) << metric.name;
        EXPECT_EQ(metric.histogram_highest, 10.0) << metric.name;
        scales.insert(metric.histogram_scale);
    }
    EXPECT_EQ(scales.size(), 1u);
}

TEST(LeanSchema, FitsIn768KiB) {
    const uint64_t bytes = rside_schema_size(load(schemas::lean_toml).get(), nullptr);
    std::printf("lean: %llu bytes (%.0f KiB)\n", static_cast<unsigned long long>(bytes),
                static_cast<double>(bytes) / 1024.0);
    EXPECT_GT(bytes, 0u);
    EXPECT_LE(bytes, 768u << 10);
}

// A query, a dashboard and a join must not see which of the two a VM has.
TEST(LeanSchema, HasTheMetricsOfVmmToTheLetter) {
    auto metrics = [](std::string_view toml) { return toml.substr(toml.find("\n[[metric]]")); };
    EXPECT_EQ(metrics(schemas::lean_toml), metrics(schemas::vmm_toml));
}

// Rollups are made of the coarsest tier: they are the same series for both.
TEST(LeanSchema, KeepsAllColumnsInWhatIsPushed) {
    const OwnedSchema lean = load(schemas::lean_toml);
    const rside_tier& coarsest = lean->tiers[lean->tier_count - 1];
    EXPECT_EQ(coarsest.resolution_s, 300u);
    EXPECT_EQ(coarsest.columns, RSIDE_COLUMNS_ALL);
}

TEST(HostSchema, PrintsTheSizeForOneCpuOneDiskAndOneInterface) {
    const OwnedSchema schema = load(schemas::host_toml);
    const uint64_t bytes = rside_schema_size(schema.get(), nullptr);
    std::printf("host: %u series, %llu bytes (%.2f MiB)\n", series_of(*schema, 0),
                static_cast<unsigned long long>(bytes), static_cast<double>(bytes) / 1048576.0);
    EXPECT_GT(bytes, 0u);
    EXPECT_LE(bytes, 8u << 20);
}

}  // namespace
}  // namespace ringside
