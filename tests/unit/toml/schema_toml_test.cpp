#include "libwriter/toml/schema_toml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <limits>
#include <string>
#include <vector>

namespace ringside {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string error_of(std::string_view text) {
    const SchemaResult result = schema_from_toml(text, "x.toml");
    EXPECT_FALSE(result) << "accepted: " << text;
    return result.error();
}

// A schema around one metric, whose lines begin at line 2.
std::string with_metric(std::string_view lines) { return "name = \"s\"\n[[metric]]\n" + std::string(lines) + "\n"; }

// The same around one tier.
std::string with_tier(std::string_view lines) {
    return "name = \"s\"\n[[tier]]\n" + std::string(lines) + "\n[[metric]]\nname = \"a\"\nkind = \"gauge\"\n";
}

void expect_same(const rside_schema& a, const rside_schema& b) {
    EXPECT_STREQ(a.name, b.name);
    EXPECT_EQ(a.version, b.version);
    EXPECT_EQ(a.label_arena_bytes, b.label_arena_bytes);
    ASSERT_EQ(a.tier_count, b.tier_count);
    for (uint32_t i = 0; i < a.tier_count; ++i) {
        EXPECT_EQ(a.tiers[i].resolution_s, b.tiers[i].resolution_s);
        EXPECT_EQ(a.tiers[i].slots, b.tiers[i].slots);
        EXPECT_EQ(a.tiers[i].columns, b.tiers[i].columns);
    }
    ASSERT_EQ(a.metric_count, b.metric_count);
    for (uint32_t i = 0; i < a.metric_count; ++i) {
        const rside_metric& x = a.metrics[i];
        const rside_metric& y = b.metrics[i];
        SCOPED_TRACE(x.name);
        EXPECT_STREQ(x.name, y.name);
        EXPECT_EQ(x.kind, y.kind);
        EXPECT_EQ(x.flags, y.flags);
        EXPECT_STREQ(x.unit, y.unit);
        EXPECT_STREQ(x.help, y.help);
        EXPECT_EQ(x.max_series, y.max_series);
        EXPECT_EQ(x.histogram_scale, y.histogram_scale);
        EXPECT_EQ(x.histogram_lowest, y.histogram_lowest);
        EXPECT_EQ(x.histogram_highest, y.histogram_highest);
        ASSERT_EQ(x.label_count, y.label_count);
        for (uint32_t j = 0; j < x.label_count; ++j) EXPECT_STREQ(x.labels[j], y.labels[j]);
    }
    EXPECT_NE(rside_schema_hash(&a), 0u);
    EXPECT_EQ(rside_schema_hash(&a), rside_schema_hash(&b));
}

constexpr std::string_view kRouter = R"(
name = "router"
version = 3
label_arena_bytes = 4096
[[tier]]
resolution = "2s"
slots = 30
columns = ["value", "last"]
[[tier]]
resolution = "1h"
slots = 24
[[metric]]
name = "router_packets_total"
kind = "counter"
labels = ["port", "direction"]
max_series = 16
unit = "packets"
help = "Packets \"forwarded\", every one: \\ and ä."
shared = true
[[metric]]
name = "router_forward_seconds"
kind = "histogram"
histogram = { scale = -1, lowest = 1e-6, highest = 10 }
[[metric]]
name = "router_up"
kind = "level"
)";

TEST(SchemaToml, ReadsEveryKey) {
    const SchemaResult result = schema_from_toml(kRouter, "router.toml");
    ASSERT_TRUE(result) << result.error();
    const char* const labels[] = {"port", "direction"};
    const rside_tier tiers[] = {{2, 30, RSIDE_COLUMN_VALUE | RSIDE_COLUMN_LAST}, {3600, 24, RSIDE_COLUMNS_ALL}};
    const rside_metric metrics[] = {
        {"router_packets_total", RSIDE_COUNTER, RSIDE_METRIC_SHARED, "packets",
         "Packets \"forwarded\", every one: \\ and ä.", labels, 2, 16, 0, 0.0, 0.0},
        {"router_forward_seconds", RSIDE_HISTOGRAM, 0, "", "", nullptr, 0, 1, -1, 1e-6, 10.0},
        {"router_up", RSIDE_LEVEL, 0, "", "", nullptr, 0, 1, 0, 0.0, 0.0}};
    const rside_schema expected = {"router", 3, tiers, 2, metrics, 3, 4096};
    expect_same(*result.value(), expected);
}

TEST(SchemaToml, TakesTheDefaultTiersWhenNoneAreGiven) {
    const SchemaResult result = schema_from_toml(with_metric("name = \"a\"\nkind = \"gauge\""), "x.toml");
    ASSERT_TRUE(result) << result.error();
    ASSERT_EQ(result.value()->tier_count, 3u);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(result.value()->tiers[i].resolution_s, rside_default_tiers[i].resolution_s);
        EXPECT_EQ(result.value()->tiers[i].slots, rside_default_tiers[i].slots);
    }
    EXPECT_EQ(result.value()->version, 1u);
}

TEST(SchemaToml, KeepsEverythingThroughTextAndBack) {
    const SchemaResult first = schema_from_toml(kRouter, "router.toml");
    ASSERT_TRUE(first) << first.error();
    const std::string text = schema_to_toml(*first.value());
    const SchemaResult second = schema_from_toml(text, "again.toml");
    ASSERT_TRUE(second) << second.error() << "\n" << text;
    expect_same(*first.value(), *second.value());
    EXPECT_EQ(schema_to_toml(*second.value()), text);
}

TEST(SchemaToml, KeepsOddNumbersAndTextsThroughTextAndBack) {
    const rside_tier tiers[] = {{1, 2, 0}, {7, 5, RSIDE_COLUMN_COUNT}, {604800, RSIDE_MAX_SLOTS, RSIDE_COLUMNS_ALL}};
    const rside_metric metrics[] = {
        {"a", RSIDE_HISTOGRAM, 0, "\t", "line\nfeed \x1b \x7f \"", nullptr, 0, 1, 8, 0.1, 0.1 + 0.2},
        {"b", RSIDE_HISTOGRAM, 0, nullptr, nullptr, nullptr, 0, 1, -4, std::numeric_limits<double>::denorm_min(),
         std::numeric_limits<double>::max()},
        {"c", RSIDE_INFO, 0, "", "", nullptr, 0, 1, 0, 0.0, 0.0}};
    const rside_schema schema = {"odd", 4294967295u, tiers, 2, metrics, 3, 0};
    rside_error error{};
    ASSERT_EQ(rside_schema_check(&schema, &error), 0) << error.text;
    const SchemaResult result = schema_from_toml(schema_to_toml(schema), "odd.toml");
    ASSERT_TRUE(result) << result.error() << schema_to_toml(schema);
    EXPECT_EQ(rside_schema_hash(result.value().get()), rside_schema_hash(&schema));
    EXPECT_STREQ(result.value()->metrics[0].help, metrics[0].help);
    EXPECT_EQ(result.value()->metrics[0].histogram_highest, 0.1 + 0.2);
    EXPECT_EQ(result.value()->metrics[1].histogram_lowest, std::numeric_limits<double>::denorm_min());
}

TEST(SchemaToml, OwnsItsTextAfterTheSourceIsGoneAndAfterAMove) {
    std::string text(kRouter);
    SchemaResult result = schema_from_toml(text, "x.toml");
    text.assign(text.size(), '#');
    OwnedSchema moved = std::move(result).value();
    OwnedSchema again = std::move(moved);
    EXPECT_STREQ(again->metrics[0].labels[1], "direction");
    EXPECT_EQ(rside_schema_check(again.get(), nullptr), 0);
}

TEST(OwnedSchema, MakesRoomForOneMetricByName) {
    SchemaResult result = schema_from_toml(kRouter, "x.toml");
    ASSERT_TRUE(result);
    const uint64_t before = rside_schema_size(result.value().get(), nullptr);
    EXPECT_TRUE(result.value().set_max_series("router_packets_total", 32));
    EXPECT_GT(rside_schema_size(result.value().get(), nullptr), before);
    EXPECT_EQ(result.value()->metrics[0].max_series, 32u);
    EXPECT_EQ(result.value()->metrics[2].max_series, 1u);
    EXPECT_FALSE(result.value().set_max_series("router_packets", 32));
}

TEST(SchemaTomlError, NamesThePlaceOfASyntaxError) {
    EXPECT_THAT(error_of("name = \"s\"\nversion = = 3\n"), StartsWith("x.toml:2:"));
}

TEST(SchemaTomlError, NamesAnUnknownKeyAndTheNearestKnownOne) {
    EXPECT_EQ(error_of(with_metric("name = \"a\"\nkind = \"gauge\"\n  max_serie = 3")),
              "x.toml:5:3: unknown key 'max_serie' in a metric, did you mean 'max_series'?");
    EXPECT_EQ(error_of("nam = \"s\""), "x.toml:1:1: unknown key 'nam' in a schema, did you mean 'name'?");
    EXPECT_EQ(error_of(with_tier("resolution = \"1s\"\nslots = 3\nretention = 9")),
              "x.toml:5:1: unknown key 'retention' in a tier; known are resolution, slots or columns");
    EXPECT_THAT(error_of(with_metric("name = \"a\"\nkind = \"histogram\"\n"
                                     "histogram = { scale = 1, low = 1, highest = 2 }")),
                HasSubstr("unknown key 'low' in a histogram"));
}

TEST(SchemaTomlError, NamesTheFirstOfSeveralUnknownKeys) {
    EXPECT_THAT(error_of(with_metric("zzz = 1\nname = \"a\"\naaa = 2")), StartsWith("x.toml:3:1: unknown key 'zzz'"));
}

TEST(SchemaTomlError, SaysWhichKeyIsMissing) {
    EXPECT_EQ(error_of("version = 1\n[[metric]]\nname = \"a\"\nkind = \"gauge\""),
              "x.toml:1:1: the schema has no 'name', add a line such as name = \"vmm\"");
    EXPECT_THAT(error_of("name = \"s\""), HasSubstr("no metric, add a [[metric]]"));
    EXPECT_THAT(error_of(with_metric("kind = \"gauge\"")), StartsWith("x.toml:2:1: the metric has no 'name'"));
    EXPECT_THAT(error_of(with_metric("name = \"a\"")), StartsWith("x.toml:2:1: metric a has no 'kind'"));
    EXPECT_THAT(error_of(with_metric("name = \"a\"\nkind = \"gauge\"\nlabels = [\"x\"]")),
                StartsWith("x.toml:2:1: metric a with labels has no 'max_series'"));
    EXPECT_THAT(error_of(with_metric("name = \"a\"\nkind = \"histogram\"")), HasSubstr("has no 'histogram'"));
    for (const char* key : {"scale", "lowest", "highest"}) {
        std::string range = "scale = 1, lowest = 1, highest = 2";
        const auto at = range.find(key);
        range.erase(at, range.find(',', at) == std::string::npos ? std::string::npos : range.find(',', at) + 2 - at);
        if (range.ends_with(", ")) range.resize(range.size() - 2);
        EXPECT_THAT(error_of(with_metric("name = \"a\"\nkind = \"histogram\"\nhistogram = { " + range + " }")),
                    HasSubstr("metric a has no '" + std::string(key) + "'"));
    }
    EXPECT_THAT(error_of(with_tier("slots = 3")), StartsWith("x.toml:2:1: the tier has no 'resolution'"));
    EXPECT_THAT(error_of(with_tier("resolution = \"1s\"")), StartsWith("x.toml:2:1: the tier has no 'slots'"));
}

struct BadValue {
    const char* toml;
    const char* error;
};

TEST(SchemaTomlError, NamesThePlaceOfEveryBadValue) {
    const std::vector<BadValue> cases = {
        {"name = 3", "x.toml:1:8: 'name' must be text in double quotes"},
        {"name = \"a\\u0000b\"", "x.toml:1:8: 'name' has a NUL character in it"},
        {"name = \"s\"\nversion = -1", "x.toml:2:11: 'version' must be a whole number of 0 to 4294967295"},
        {"name = \"s\"\nversion = 1.5", "x.toml:2:11: 'version' must be a whole number"},
        {"name = \"s\"\nlabel_arena_bytes = 0", "x.toml:2:21: 'label_arena_bytes' must be a whole number of 1 to"},
        {"name = \"s\"\n[tier]\nslots = 3", "x.toml:2:1: write [[tier]] with two brackets"},
        {"name = \"s\"\nmetric = [1]", "x.toml:2:11: each metric must be a table under [[metric]]"},
    };
    for (const BadValue& bad : cases) EXPECT_THAT(error_of(bad.toml), StartsWith(bad.error));
    const std::vector<BadValue> tiers = {
        {"resolution = 10\nslots = 3", "x.toml:3:14: 'resolution' must be text such as \"1s\""},
        {"resolution = \"10\"\nslots = 3", "x.toml:3:14: 'resolution' must be"},
        {"resolution = \"s\"\nslots = 3", "x.toml:3:14: 'resolution' must be"},
        {"resolution = \"-1s\"\nslots = 3", "x.toml:3:14: 'resolution' must be"},
        {"resolution = \"1sec\"\nslots = 3", "x.toml:3:14: 'resolution' must be"},
        {"resolution = \"8d\"\nslots = 3", "x.toml:3:14: 'resolution' must be"},
        {"resolution = \"99999999999s\"\nslots = 3", "x.toml:3:14: 'resolution' must be"},
        {"resolution = \"1s\"\nslots = 1", "x.toml:4:9: 'slots' must be a whole number of 2 to 1048576"},
        {"resolution = \"1s\"\nslots = 3\ncolumns = []", "x.toml:5:11: 'columns' must be a list"},
        {"resolution = \"1s\"\nslots = 3\ncolumns = \"sum\"", "x.toml:5:11: 'columns' must be a list"},
        {"resolution = \"1s\"\nslots = 3\ncolumns = [1]", "x.toml:5:12: 'columns' must be text"},
        {"resolution = \"1s\"\nslots = 3\ncolumns = [\"mean\"]",
         "x.toml:5:12: unknown column 'mean'; known are count,"},
        {"resolution = \"1s\"\nslots = 3\ncolumns = [\"sum\", \"sum\"]", "x.toml:5:19: column 'sum' is there twice"},
    };
    for (const BadValue& bad : tiers) EXPECT_THAT(error_of(with_tier(bad.toml)), StartsWith(bad.error));
    const std::vector<BadValue> metrics = {
        {"name = \"a\"\nkind = \"gauges\"", "x.toml:4:8: metric a: unknown kind 'gauges'; known are counter,"},
        {"name = \"a\"\nkind = \"gauge\"\nlabels = \"x\"", "x.toml:5:10: 'labels' must be a list"},
        {"name = \"a\"\nkind = \"gauge\"\nlabels = [2]", "x.toml:5:11: 'labels' must be text"},
        {"name = \"a\"\nkind = \"gauge\"\nmax_series = 0", "x.toml:5:14: 'max_series' must be a whole number of 1 to"},
        {"name = \"a\"\nkind = \"gauge\"\nmax_series = 65537", "x.toml:5:14: 'max_series' must be"},
        {"name = \"a\"\nkind = \"gauge\"\nunit = 1", "x.toml:5:8: 'unit' must be text"},
        {"name = \"a\"\nkind = \"gauge\"\nhelp = []", "x.toml:5:8: 'help' must be text"},
        {"name = \"a\"\nkind = \"counter\"\nshared = 1", "x.toml:5:10: 'shared' must be true or false"},
        {"name = \"a\"\nkind = \"gauge\"\nhistogram = { scale = 1, lowest = 1, highest = 2 }",
         "x.toml:5:13: metric a: 'histogram' is for kind = \"histogram\" only"},
        {"name = \"a\"\nkind = \"histogram\"\nhistogram = 3", "x.toml:5:13: 'histogram' must be a table"},
        {"name = \"a\"\nkind = \"histogram\"\nhistogram = { scale = 9, lowest = 1, highest = 2 }",
         "x.toml:5:23: 'scale' must be a whole number of -4 to 8"},
        {"name = \"a\"\nkind = \"histogram\"\nhistogram = { scale = 1, lowest = \"1\", highest = 2 }",
         "x.toml:5:35: 'lowest' must be a number"},
    };
    for (const BadValue& bad : metrics) EXPECT_THAT(error_of(with_metric(bad.toml)), StartsWith(bad.error));
}

TEST(SchemaTomlError, TracesABrokenRuleToItsLine) {
    EXPECT_THAT(error_of("\nname = \"two words\"\n[[metric]]\nname = \"a\"\nkind = \"gauge\""),
                StartsWith("x.toml:2:8: "));
    EXPECT_THAT(error_of(with_tier("resolution = \"2s\"\nslots = 3\n[[tier]]\nresolution = \"3s\"\nslots = 3")),
                StartsWith("x.toml:5:1: "));
    EXPECT_THAT(error_of(with_metric("name = \"a-b\"\nkind = \"gauge\"")), StartsWith("x.toml:2:1: "));
    const std::string good = "name = \"a\"\nkind = \"gauge\"\n[[metric]]\nname = \"b\"\nkind = \"gauge\"\n[[metric]]\n";
    EXPECT_THAT(
        error_of(with_metric(good + "name = \"b\"\nkind = \"counter\"\n[[metric]]\nname = \"a\"\nkind = \"gauge\"")),
        ::testing::AllOf(StartsWith("x.toml:8:1: "), HasSubstr("b")));
    EXPECT_THAT(error_of(with_metric(good + "name = \"c\"\nkind = \"gauge\"\nshared = true")),
                StartsWith("x.toml:8:1: "));
    EXPECT_THAT(error_of(with_metric(good + "name = \"c\"\nkind = \"gauge\"\nlabels = [\"vm_id\"]\nmax_series = 2")),
                StartsWith("x.toml:8:1: "));
    EXPECT_THAT(error_of(with_metric(good + "name = \"c\"\nkind = \"histogram\"\n"
                                            "histogram = { scale = 1, lowest = nan, highest = inf }")),
                StartsWith("x.toml:8:1: "));
}

TEST(SchemaTomlError, TracesASegmentThatIsTooLargeToTheMetricThatMakesItSo) {
    std::string text = "name = \"s\"\n";
    for (int i = 0; i < 3; ++i) {
        text += "[[metric]]\nname = \"m" + std::to_string(i) +
                "\"\nkind = \"gauge\"\nlabels = [\"l\"]\nmax_series = 65535\n";
    }
    // One metric fits 65536 series and 4 GiB; 65535 gauges of 42 KB are 2.7 GB, and the second passes the limit.
    EXPECT_THAT(error_of(text), StartsWith("x.toml:7:1: "));
}

class SchemaTomlFile : public ::testing::Test {
  protected:
    void SetUp() override { ASSERT_NE(mkdtemp(directory_.data()), nullptr); }
    void TearDown() override {
        unlink(path("schema.toml").c_str());
        rmdir(directory_.c_str());
    }
    std::string path(const std::string& name) const { return directory_ + "/" + name; }
    void write(const std::string& text) const {
        std::FILE* file = std::fopen(path("schema.toml").c_str(), "wb");
        ASSERT_NE(file, nullptr);
        EXPECT_EQ(std::fwrite(text.data(), 1, text.size(), file), text.size());
        std::fclose(file);
    }

    std::string directory_ = "/tmp/ringside-test-XXXXXX";
};

TEST_F(SchemaTomlFile, ReadsAFileLargerThanOneRead) {
    write(std::string(200000, '\n') + std::string(kRouter));
    const SchemaResult result = schema_from_toml_file(path("schema.toml"));
    ASSERT_TRUE(result) << result.error();
    EXPECT_STREQ(result.value()->name, "router");
}

TEST_F(SchemaTomlFile, NamesTheFileInErrors) {
    write("name = 3");
    EXPECT_THAT(schema_from_toml_file(path("schema.toml")).error(), StartsWith(path("schema.toml") + ":1:8: "));
    EXPECT_EQ(schema_from_toml_file(path("none.toml")).error(),
              "cannot read schema " + path("none.toml") + ": No such file or directory");
    EXPECT_EQ(schema_from_toml_file(directory_).error(), "cannot read schema " + directory_ + ": Is a directory");
}

TEST_F(SchemaTomlFile, RefusesAHugeFile) {
    write(std::string((8 << 20) + 1, '\n'));
    EXPECT_THAT(schema_from_toml_file(path("schema.toml")).error(), HasSubstr("larger than 8 MiB"));
}

TEST_F(SchemaTomlFile, IsFoundByPathAndStandardSchemasByName) {
    write(std::string(kRouter));
    EXPECT_TRUE(schema_by_name_or_path(path("schema.toml")));
    const SchemaResult vmm = schema_by_name_or_path("vmm");
    ASSERT_TRUE(vmm) << vmm.error();
    EXPECT_STREQ(vmm.value()->name, "vmm");
    EXPECT_EQ(schema_by_name_or_path("hots").error(), "no standard schema is called 'hots', did you mean 'host'?");
    EXPECT_THAT(schema_by_name_or_path("router").error(), HasSubstr("there are host, lean or vmm, and any file"));
}

}  // namespace
}  // namespace ringside
