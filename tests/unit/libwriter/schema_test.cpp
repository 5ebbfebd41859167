// Rules of schemas: each broken one is named, and nothing is created from it.
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <limits>
#include <random>

#include "writer.h"

namespace ringside {
namespace {

using testing::HasSubstr;

SchemaSpec good_spec() {
    SchemaSpec spec("good");
    spec.tier(1, 4).tier(10, 6).metric("requests_total", RSIDE_COUNTER, 2, {"device"});
    return spec;
}

struct BrokenSchema {
    const char* name;
    SchemaSpec spec;
    int code;
    const char* mentions;
};

SchemaSpec many_series() {
    SchemaSpec spec;
    spec.tier(1, 2);
    for (int m = 0; m < 2; ++m) {
        spec.metric("metric_" + std::to_string(m), RSIDE_COUNTER, RSIDE_MAX_SERIES);
    }
    return spec;
}

SchemaSpec with_metrics(std::size_t count) {
    SchemaSpec spec;
    spec.tier(1, 2);
    for (std::size_t m = 0; m < count; ++m) spec.metric("metric_" + std::to_string(m), RSIDE_COUNTER);
    return spec;
}

SchemaSpec with_labels(const std::vector<std::string>& labels) {
    SchemaSpec spec;
    spec.tier(1, 2).metric("requests_total", RSIDE_COUNTER, 1, labels);
    return spec;
}

SchemaSpec with_metric(const std::string& name, int kind = RSIDE_COUNTER, std::uint32_t max_series = 1,
                       std::uint8_t flags = 0) {
    SchemaSpec spec;
    spec.tier(1, 2).metric(name, static_cast<rside_kind>(kind), max_series, {}, flags);
    return spec;
}

SchemaSpec with_histogram(int scale, double lowest, double highest) {
    SchemaSpec spec;
    spec.tier(1, 2).histogram("seconds", scale, lowest, highest);
    return spec;
}

std::vector<BrokenSchema> broken_schemas() {
    const double inf = std::numeric_limits<double>::infinity();
    const double nan = std::numeric_limits<double>::quiet_NaN();
    std::vector<std::string> seventeen;
    for (int i = 0; i < 17; ++i) seventeen.push_back("label_" + std::to_string(i));
    return {
        {"NameEmpty", SchemaSpec("").tier(1, 2).metric("a", RSIDE_COUNTER), -EINVAL, "schema name ''"},
        {"NameAgainstTheRules", SchemaSpec("a-b").tier(1, 2).metric("a", RSIDE_COUNTER), -EINVAL, "'a-b'"},
        {"NameTooLong", SchemaSpec(std::string(128, 'n')).tier(1, 2).metric("a", RSIDE_COUNTER), -EINVAL, "nnn"},
        {"NoTiers", SchemaSpec().metric("a", RSIDE_COUNTER), -EINVAL, "this one has 0"},
        {"NineTiers",
         SchemaSpec()
             .tier(1, 2)
             .tier(2, 2)
             .tier(4, 2)
             .tier(8, 2)
             .tier(16, 2)
             .tier(32, 2)
             .tier(64, 2)
             .tier(128, 2)
             .tier(256, 2)
             .metric("a", RSIDE_COUNTER),
         -EINVAL, "this one has 9"},
        {"ResolutionOfZero", SchemaSpec().tier(0, 2).metric("a", RSIDE_COUNTER), -EINVAL, "tier 0: the resolution"},
        {"ResolutionOverAWeek", SchemaSpec().tier(604801, 2).metric("a", RSIDE_COUNTER), -EINVAL, "604801"},
        {"TiersThatDoNotDivide", SchemaSpec().tier(2, 2).tier(5, 2).metric("a", RSIDE_COUNTER), -EINVAL,
         "5 s is not a larger whole multiple of the 2 s"},
        {"TiersOfEqualResolution", SchemaSpec().tier(2, 2).tier(2, 2).metric("a", RSIDE_COUNTER), -EINVAL, "tier 1"},
        {"TiersInTheWrongOrder", SchemaSpec().tier(10, 2).tier(1, 2).metric("a", RSIDE_COUNTER), -EINVAL, "tier 1"},
        {"OneSlot", SchemaSpec().tier(1, 1).metric("a", RSIDE_COUNTER), -EINVAL, "slots, not 1"},
        {"NoSlots", SchemaSpec().tier(1, 0).metric("a", RSIDE_COUNTER), -EINVAL, "slots, not 0"},
        {"SlotsWithoutEnd", SchemaSpec().tier(1, 1048577).metric("a", RSIDE_COUNTER), -EINVAL, "1048577"},
        {"UnknownColumns", SchemaSpec().tier(1, 2, 128).metric("a", RSIDE_COUNTER), -EINVAL, "column bits 128"},
        {"NoMetrics", SchemaSpec().tier(1, 2), -EINVAL, "this one has 0"},
        {"MetricsOverTheLimit", with_metrics(4097), -EINVAL, "4097"},
        {"MetricNameEmpty", with_metric(""), -EINVAL, "metric name ''"},
        {"MetricNameWithADash", with_metric("a-b"), -EINVAL, "'a-b'"},
        {"MetricNameThatBeginsWithADigit", with_metric("1a"), -EINVAL, "'1a'"},
        {"MetricNameTooLong", with_metric(std::string(128, 'x')), -EINVAL, "xxx"},
        {"UnknownKind", with_metric("a", 7), -EINVAL, "metric a: unknown kind 7"},
        {"KindOfZero", with_metric("a", 0), -EINVAL, "metric a: unknown kind 0"},
        {"SharedGauge", with_metric("a", RSIDE_GAUGE, 1, RSIDE_METRIC_SHARED), -EINVAL, "metric a"},
        {"SharedCounterF64", with_metric("a", RSIDE_COUNTER_F64, 1, RSIDE_METRIC_SHARED), -EINVAL, "metric a"},
        {"UnknownFlags", with_metric("a", RSIDE_COUNTER, 1, 2), -EINVAL, "metric a"},
        {"NoSeries", with_metric("a", RSIDE_COUNTER, 0), -EINVAL, "metric a: max_series"},
        {"SeriesOverTheLimit", with_metric("a", RSIDE_COUNTER, 65537), -EINVAL, "65537"},
        {"SeriesOverTheLimitTogether", many_series(), -E2BIG, "131072 series"},
        {"UnitTooLong", with_metric("a").describe(std::string(33, 'u'), ""), -EINVAL, "metric a: unit"},
        {"UnitThatIsNotUtf8", with_metric("a").describe("\xff", ""), -EINVAL, "UTF-8"},
        {"HelpTooLong", with_metric("a").describe("", std::string(513, 'h')), -EINVAL, "metric a: unit"},
        {"HelpThatIsNotUtf8", with_metric("a").describe("", "\xc0\xaf"), -EINVAL, "UTF-8"},
        {"NameTwice", SchemaSpec().tier(1, 2).metric("a", RSIDE_GAUGE).metric("a", RSIDE_GAUGE), -EINVAL,
         "metric a is there twice"},
        {"NameTwiceWithAnotherKind", SchemaSpec().tier(1, 2).metric("a", RSIDE_GAUGE).metric("a", RSIDE_COUNTER),
         -EINVAL, "metric a is there twice, with different kinds"},
        {"TooManyLabels", with_labels(seventeen), -EINVAL, "this one has 17"},
        {"LabelNameWithADash", with_labels({"a-b"}), -EINVAL, "label name 'a-b'"},
        {"LabelNameEmpty", with_labels({""}), -EINVAL, "label name ''"},
        {"LabelNameTooLong", with_labels({std::string(128, 'l')}), -EINVAL, "lll"},
        {"LabelTwice", with_labels({"a", "b", "a"}), -EINVAL, "label 'a' is there twice"},
        {"LabelWithTwoUnderscores", with_labels({"__name__"}), -EINVAL, "'__name__' is reserved"},
        {"LabelOfTheAgent", with_labels({"vm_id"}), -EINVAL, "'vm_id' is reserved"},
        {"LabelOfHistograms", with_labels({"le"}), -EINVAL, "'le' is reserved"},
        {"ScaleTooSmall", with_histogram(-5, 1, 2), -EINVAL, "metric seconds: the histogram scale"},
        {"ScaleTooLarge", with_histogram(9, 1, 2), -EINVAL, "metric seconds: the histogram scale"},
        {"LowestOfZero", with_histogram(0, 0, 2), -EINVAL, "metric seconds"},
        {"LowestNegative", with_histogram(0, -1, 2), -EINVAL, "metric seconds"},
        {"LowestNotANumber", with_histogram(0, nan, 2), -EINVAL, "metric seconds"},
        {"HighestNotANumber", with_histogram(0, 1, nan), -EINVAL, "metric seconds"},
        {"HighestInfinite", with_histogram(0, 1, inf), -EINVAL, "metric seconds"},
        {"HighestBelowLowest", with_histogram(0, 2, 1), -EINVAL, "metric seconds"},
        {"BucketsOverTheLimit", with_histogram(8, 1e-9, 1e9), -E2BIG, "metric seconds"},
        {"ArenaOverTheLimit", with_metric("a").arena(16777217), -E2BIG, "label_arena_bytes"},
        {"BytesOverTheLimit", SchemaSpec().tier(1, 1048576).metric("a", RSIDE_GAUGE, 100), -E2BIG, "4294967296"},
    };
}

class SchemaRules : public testing::TestWithParam<BrokenSchema> {};

TEST_P(SchemaRules, RefusesTheBrokenOne) {
    SchemaSpec spec = GetParam().spec;
    agent::TemporaryFolder folder("/dev/shm");
    rside_options options = plain_options(folder.path(), spec.get());
    rside_error error = {};
    rside_segment* segment = nullptr;

    EXPECT_EQ(rside_segment_create(&options, &segment, &error), GetParam().code);

    EXPECT_EQ(error.code, GetParam().code);
    EXPECT_THAT(error.text, HasSubstr(GetParam().mentions));
    EXPECT_EQ(segment, nullptr);
    EXPECT_EQ(files_in(folder.path()).size(), 0u);
    EXPECT_EQ(rside_schema_size(spec.get(), nullptr), 0u);
}

INSTANTIATE_TEST_SUITE_P(Each, SchemaRules, testing::ValuesIn(broken_schemas()),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(SchemaCheck, AcceptsWhatIsJustWithinTheLimits) {
    std::vector<std::string> sixteen;
    for (int i = 0; i < 16; ++i) sixteen.push_back("label_" + std::to_string(i));
    SchemaSpec specs[] = {
        SchemaSpec(std::string(127, 'n')).tier(604800, 2).metric(std::string(127, 'x'), RSIDE_INFO, 1, sixteen),
        with_metrics(4096),
        with_labels({std::string(127, 'l')}),
        with_metric("a", RSIDE_COUNTER, 65536),
        with_metric("a", RSIDE_COUNTER, 1, RSIDE_METRIC_SHARED),
        with_metric("a").describe(std::string(32, 'u'), std::string(512, 'h')),
        with_metric("a").arena(16777216),
        with_histogram(-4, 5e-324, std::numeric_limits<double>::max()),
        with_histogram(8, 1, 255),
        SchemaSpec().tier(1, 1048576).metric("a", RSIDE_COUNTER),
    };
    for (SchemaSpec& spec : specs) {
        rside_error error = {};
        EXPECT_EQ(rside_schema_check(spec.get(), &error), 0) << error.text;
        EXPECT_GT(rside_schema_size(spec.get(), &error), 0u) << error.text;
    }
}

TEST(SchemaCheck, RefusesNoSchemaAtAll) {
    rside_error error = {};
    EXPECT_EQ(rside_schema_check(nullptr, &error), -EINVAL);
    EXPECT_THAT(error.text, HasSubstr("no schema"));
    EXPECT_EQ(rside_schema_hash(nullptr), 0u);
}

TEST(SchemaCheck, RefusesNullNamesInsideASchema) {
    rside_metric metric = {};
    metric.kind = RSIDE_COUNTER;
    metric.max_series = 1;
    rside_schema schema = {"s", 1, rside_default_tiers, 3, &metric, 1, 0};
    EXPECT_EQ(rside_schema_check(&schema, nullptr), -EINVAL) << "metric without a name";
    const char* labels[] = {nullptr};
    metric.name = "a";
    metric.labels = labels;
    metric.label_count = 1;
    EXPECT_EQ(rside_schema_check(&schema, nullptr), -EINVAL) << "label without a name";
    metric.labels = nullptr;
    EXPECT_EQ(rside_schema_check(&schema, nullptr), -EINVAL) << "labels without an array";
    metric.label_count = 0;
    EXPECT_EQ(rside_schema_check(&schema, nullptr), 0);
    schema.name = nullptr;
    EXPECT_EQ(rside_schema_check(&schema, nullptr), -EINVAL) << "schema without a name";
}

TEST(SchemaHash, DiffersWithEveryPartOfASchema) {
    std::uint64_t hash = rside_schema_hash(good_spec().get());
    EXPECT_EQ(hash, rside_schema_hash(good_spec().get()));
    SchemaSpec others[] = {
        SchemaSpec("other").tier(1, 4).tier(10, 6).metric("requests_total", RSIDE_COUNTER, 2, {"device"}),
        good_spec().version(2),
        good_spec().arena(4096),
        good_spec().describe("bytes", ""),
        good_spec().describe("", "Help."),
        SchemaSpec("good").tier(1, 5).tier(10, 6).metric("requests_total", RSIDE_COUNTER, 2, {"device"}),
        SchemaSpec("good").tier(1, 4, 32).tier(10, 6).metric("requests_total", RSIDE_COUNTER, 2, {"device"}),
        SchemaSpec("good").tier(1, 4).tier(10, 6).metric("requests_total", RSIDE_COUNTER_F64, 2, {"device"}),
        SchemaSpec("good").tier(1, 4).tier(10, 6).metric("requests_total", RSIDE_COUNTER, 3, {"device"}),
        SchemaSpec("good").tier(1, 4).tier(10, 6).metric("requests_total", RSIDE_COUNTER, 2, {"devices"}),
        SchemaSpec("good").tier(1, 4).tier(10, 6).metric("requests_total", RSIDE_COUNTER, 2, {"device"}, 1),
    };
    for (SchemaSpec& other : others) EXPECT_NE(rside_schema_hash(other.get()), hash);
}

// Columns of 0 stand for all, so both spellings lay out the same segment.
TEST(SchemaHash, IsTheSameForAllColumnsInBothSpellings) {
    EXPECT_EQ(rside_schema_hash(SchemaSpec().tier(1, 2, 0).metric("a", RSIDE_GAUGE).get()),
              rside_schema_hash(SchemaSpec().tier(1, 2, RSIDE_COLUMNS_ALL).metric("a", RSIDE_GAUGE).get()));
}

// --- size -------------------------------------------------------------------------------------------------------------

SchemaSpec random_spec(std::mt19937_64& random) {
    auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
    SchemaSpec spec("random");
    std::uint32_t resolution = 1 + below(3);
    for (std::uint32_t t = 0, tiers = 1 + below(4); t < tiers; ++t) {
        spec.tier(resolution, 2 + below(400), below(128));
        resolution *= 2 + below(10);
    }
    for (std::uint32_t m = 0, metrics = 1 + below(12); m < metrics; ++m) {
        std::string name = "metric_" + std::to_string(m);
        std::vector<std::string> labels;
        for (std::uint32_t l = below(4); l > 0; --l) labels.push_back("label_" + std::to_string(l));
        std::uint32_t kind = 1 + below(6);
        if (kind == RSIDE_HISTOGRAM) {
            spec.histogram(name, static_cast<int>(below(6)) - 2, 1e-6, 1e3, 1 + below(4), labels);
        } else {
            spec.metric(name, static_cast<rside_kind>(kind), 1 + below(40), labels);
        }
        spec.describe(std::string(below(8), 'u'), std::string(below(60), 'h'));
    }
    if (below(2)) spec.arena(below(5000));
    return spec;
}

// DESIGN: the exact size is a documented line of the VM's memory budget. So the file has it to the byte, in length and
// in pages that are charged.
TEST(SchemaSize, IsTheFilesSizeForManySchemas) {
    const char* given = std::getenv("RINGSIDE_SEED");
    std::uint64_t seed = given ? std::strtoull(given, nullptr, 0) : std::random_device{}();
    SCOPED_TRACE("RINGSIDE_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    agent::TemporaryFolder folder("/dev/shm");
    for (int round = 0; round < 200; ++round) {
        SchemaSpec spec = random_spec(random);
        rside_options options = plain_options(folder.path(), spec.get());
        rside_error error = {};
        std::uint64_t size = rside_schema_size(spec.get(), &error);
        ASSERT_GT(size, 0u) << error.text;
        char path[256];
        ASSERT_EQ(rside_segment_provision(&options, path, sizeof path, &error), 0) << error.text;
        struct stat info;
        ASSERT_EQ(::stat(path, &info), 0);
        ASSERT_EQ(static_cast<std::uint64_t>(info.st_size), size) << "round " << round;
        ASSERT_EQ(static_cast<std::uint64_t>(info.st_blocks) * 512, size) << "round " << round;
        ASSERT_NE(size % (2u << 20), 0u) << "a whole number of huge pages";
        if (round % 20 == 0) {
            std::string contradiction;
            plain::decode_file(path, &contradiction);
            ASSERT_EQ(contradiction, "") << "round " << round;
        }
        ASSERT_EQ(::unlink(path), 0);
    }
}

// The sum of docs/format.md, done by hand.
TEST(SchemaSize, FollowsTheSumInTheFormat) {
    SchemaSpec spec("s");
    spec.tier(1, 300).metric("a", RSIDE_COUNTER);
    // header 4096; schema block 160 + 16 + 48 + strings "a\0\0\0" rounded to 8 = 232, rounded up to 4352 (68 x 64);
    // directory 32 and no arena, cells at 4416 with 64; ring 300 x 12 = 3600, in lines 3648: 8128, in pages 8192.
    EXPECT_EQ(rside_schema_size(spec.get(), nullptr), 8192u);
    SchemaSpec longer("s");
    longer.tier(1, 310).metric("a", RSIDE_COUNTER);  // ring 3720, in lines 3776: 8256, in pages 12288
    EXPECT_EQ(rside_schema_size(longer.get(), nullptr), 12288u);
}

}  // namespace
}  // namespace ringside
