// Registering series: what is refused, with the segment as it was.
#include <gmock/gmock.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <set>
#include <thread>

#include "libwriter/src/segment.h"
#include "writer.h"

namespace ringside {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

SchemaSpec some_kinds() {
    SchemaSpec spec("some_kinds");
    spec.tier(1, 4).tier(2, 4);
    spec.metric("requests_total", RSIDE_COUNTER, 2, {"device", "op"});
    spec.metric("shared_total", RSIDE_COUNTER, 2, {"cpu"}, RSIDE_METRIC_SHARED);
    spec.metric("seconds_total", RSIDE_COUNTER_F64).metric("delay", RSIDE_GAUGE).metric("memory", RSIDE_LEVEL);
    return spec.histogram("latency", 0, 1, 8).metric("build_info", RSIDE_INFO, 1, {"version"});
}

using Values = std::vector<const char*>;

struct Refused {
    const char* name;
    std::function<rside_cell*(rside_segment*, rside_error*)> call;
    int code;
    const char* mention;
};

std::function<rside_cell*(rside_segment*, rside_error*)> counter(const char* metric, Values values) {
    return [=](rside_segment* segment, rside_error* error) -> rside_cell* {
        return rside_counter_register(segment, metric, values.data(), values.size(), error).series.cell;
    };
}

const std::string kLongest(255, 'v');
const std::string kTooLong(256, 'v');

std::vector<Refused> refusals() {
    return {
        {"UnknownMetric", counter("nothing_total", {}), -ENOENT, "no metric nothing_total in schema some_kinds"},
        {"NoMetricName", counter(nullptr, {}), -EINVAL, "no metric name"},
        {"GaugeAsCounter", counter("delay", {}), -EINVAL, "metric delay is of another kind"},
        {"SharedCounterAsCounter", counter("shared_total", {"0"}), -EINVAL, "metric shared_total is of another kind"},
        {"CounterAsSharedCounter",
         [](rside_segment* segment, rside_error* error) -> rside_cell* {
             const char* values[] = {"vda", "read"};
             return rside_shared_counter_register(segment, "requests_total", values, 2, error).series.cell;
         },
         -EINVAL, "metric requests_total is of another kind"},
        {"CounterF64AsCounter", counter("seconds_total", {}), -EINVAL, "metric seconds_total is of another kind"},
        {"LevelAsGauge",
         [](rside_segment* segment, rside_error* error) -> rside_cell* {
             return rside_gauge_register(segment, "memory", nullptr, 0, error).series.cell;
         },
         -EINVAL, "metric memory is of another kind"},
        {"TooFewValues", counter("requests_total", {"vda"}), -EINVAL, "requests_total has 2 labels, 1 values"},
        {"TooManyValues", counter("requests_total", {"vda", "read", "x"}), -EINVAL, "3 values"},
        {"NoArrayOfValues",
         [](rside_segment* segment, rside_error* error) -> rside_cell* {
             return rside_counter_register(segment, "requests_total", nullptr, 2, error).series.cell;
         },
         -EINVAL, "requests_total"},
        {"NullValue", counter("requests_total", {"vda", nullptr}), -EINVAL, "requests_total: label value 1"},
        {"ValueTooLong", counter("requests_total", {kTooLong.c_str(), "read"}), -EINVAL, "label value 0"},
        {"ValueNotUtf8", counter("requests_total", {"vda", "\xed\xa0\x80"}), -EINVAL, "label value 1 must be UTF-8"},
    };
}

class RegisterRules : public testing::TestWithParam<Refused> {};

TEST_P(RegisterRules, RefusesAndLeavesTheSegmentAsItWas) {
    Writer writer(some_kinds());
    std::vector<std::uint8_t> before = writer.bytes();
    rside_error error = {};

    EXPECT_EQ(GetParam().call(writer.segment(), &error), nullptr);

    EXPECT_EQ(error.code, GetParam().code);
    EXPECT_THAT(error.text, HasSubstr(GetParam().mention));
    EXPECT_EQ(first_difference(before, writer.bytes()), -1);
    EXPECT_EQ(GetParam().call(writer.segment(), nullptr), nullptr);  // the error may be null
    bool counted = std::string(GetParam().name) != "NoMetricName";
    EXPECT_EQ(writer.decoded().refused_series, counted ? 2u : 0u);
}

INSTANTIATE_TEST_SUITE_P(Each, RegisterRules, testing::ValuesIn(refusals()),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(Register, WritesTheDirectoryAndTheLabels) {
    Writer writer(some_kinds());
    const char* read[] = {"vda", "read"};
    const char* other[] = {"", kLongest.c_str()};
    const char* version[] = {"\xc3\xa9"};
    ASSERT_TRUE(rside_counter_register(writer.segment(), "requests_total", read, 2, nullptr).series.cell);
    ASSERT_TRUE(rside_counter_register(writer.segment(), "requests_total", other, 2, nullptr).series.cell);
    ASSERT_EQ(rside_info_register(writer.segment(), "build_info", version, 1, nullptr), 0);
    plain::Segment segment = writer.decoded();
    ASSERT_EQ(segment.series.size(), 3u);
    EXPECT_EQ(segment.series_count, 3u);
    EXPECT_THAT(segment.series[0].values, ElementsAre("vda", "read"));
    EXPECT_THAT(segment.series[1].values, ElementsAre("", kLongest));
    EXPECT_EQ(segment.series[0].created_ns, 1'700'000'000 * kSecond);
    EXPECT_EQ(segment.metrics[segment.series[2].metric].name, "build_info");
    EXPECT_THAT(segment.series[2].values, ElementsAre("\xc3\xa9"));
    EXPECT_EQ(segment.arena_used, 4u + 5 + 1 + 256 + 3);
}

TEST(Register, RefusesTheSameSeriesTwice) {
    Writer writer(some_kinds());
    const char* values[] = {"vda", "read"};
    ASSERT_TRUE(rside_counter_register(writer.segment(), "requests_total", values, 2, nullptr).series.cell);
    std::vector<std::uint8_t> before = writer.bytes();
    rside_error error = {};
    EXPECT_EQ(rside_counter_register(writer.segment(), "requests_total", values, 2, &error).series.cell, nullptr);
    EXPECT_EQ(error.code, -EEXIST);
    EXPECT_THAT(error.text, HasSubstr("requests_total"));
    EXPECT_EQ(first_difference(before, writer.bytes()), -1);
}

TEST(Register, GivesTheSameSharedCounterToEveryoneWhoAsks) {
    Writer writer(some_kinds());
    const char* values[] = {"0"};
    rside_shared_counter first = rside_shared_counter_register(writer.segment(), "shared_total", values, 1, nullptr);
    rside_shared_counter second = rside_shared_counter_register(writer.segment(), "shared_total", values, 1, nullptr);
    ASSERT_TRUE(first.series.cell);
    EXPECT_EQ(first.series.cell, second.series.cell);
    EXPECT_EQ(writer.decoded().series_count, 1u);
    EXPECT_EQ(writer.decoded().refused_series, 0u);
}

TEST(Register, RefusesWhenTheSeriesBudgetIsFull) {
    Writer writer(some_kinds());
    for (const char* op : {"read", "write"}) {
        const char* values[] = {"vda", op};
        ASSERT_TRUE(rside_counter_register(writer.segment(), "requests_total", values, 2, nullptr).series.cell);
    }
    std::vector<std::uint8_t> before = writer.bytes();
    const char* values[] = {"vda", "flush"};
    rside_error error = {};
    EXPECT_EQ(rside_counter_register(writer.segment(), "requests_total", values, 2, &error).series.cell, nullptr);
    EXPECT_EQ(error.code, -ENOSPC);
    EXPECT_THAT(error.text, HasSubstr("metric requests_total: all 2 series are registered"));
    EXPECT_EQ(first_difference(before, writer.bytes()), -1);
    EXPECT_EQ(writer.decoded().refused_series, 1u);
}

TEST(Register, RefusesWhenTheLabelArenaIsFullAndGoesOnWithWhatFits) {
    SchemaSpec spec("tight");
    spec.tier(1, 2).metric("requests_total", RSIDE_COUNTER, 8, {"device"}).arena(10);
    Writer writer(spec);
    auto try_register = [&](const char* value, rside_error* error) {
        return rside_counter_register(writer.segment(), "requests_total", &value, 1, error).series.cell;
    };
    ASSERT_TRUE(try_register("1234", nullptr));  // 5 of 10
    std::vector<std::uint8_t> before = writer.bytes();
    rside_error error = {};
    EXPECT_EQ(try_register("12345", &error), nullptr);  // 6 of 5
    EXPECT_EQ(error.code, -ENOSPC);
    EXPECT_THAT(error.text, HasSubstr("metric requests_total: no room for the label values"));
    EXPECT_EQ(first_difference(before, writer.bytes()), -1);
    EXPECT_TRUE(try_register("5678", nullptr));  // the last 5
    EXPECT_EQ(try_register("", &error), nullptr);
    EXPECT_EQ(error.code, -ENOSPC);
    EXPECT_EQ(writer.decoded().arena_used, 10u);
}

// Two metrics with the same label values, values that differ only in where one ends and the next begins, and many of them.
TEST(Register, TellsAllSeriesApartAndFindsEachAgain) {
    constexpr std::uint32_t kPairs = 5000;
    SchemaSpec spec("many");
    spec.tier(1, 2).arena(1 << 20);
    for (const char* name : {"one_total", "two_total"}) {
        spec.metric(name, RSIDE_COUNTER, 2 * kPairs, {"a", "b"}, RSIDE_METRIC_SHARED);
    }
    Writer writer(spec);
    auto all_handles = [&] {
        std::vector<rside_cell*> handles;
        for (std::uint32_t i = 0; i < kPairs; ++i) {
            std::string number = std::to_string(i);
            std::string longer = number + "-";
            const char* left[] = {longer.c_str(), ""};
            const char* right[] = {number.c_str(), "-"};
            for (const char* metric : {"one_total", "two_total"}) {
                for (const char** values : {left, right}) {
                    handles.push_back(
                        rside_shared_counter_register(writer.segment(), metric, values, 2, nullptr).series.cell);
                }
            }
        }
        return handles;
    };
    std::vector<rside_cell*> first = all_handles();
    EXPECT_EQ(std::set<rside_cell*>(first.begin(), first.end()).size(), 4 * kPairs);
    EXPECT_EQ(std::count(first.begin(), first.end(), nullptr), 0);
    EXPECT_EQ(all_handles(), first);
    EXPECT_EQ(writer.decoded().series_count, 4 * kPairs);
    const char* other[] = {"other", ""};
    EXPECT_EQ(rside_shared_counter_register(writer.segment(), "one_total", other, 2, nullptr).series.cell, nullptr)
        << "full";
}

TEST(Register, RefusesWithoutASegment) {
    rside_error error = {};
    EXPECT_EQ(rside_counter_register(nullptr, "a", nullptr, 0, &error).series.cell, nullptr);
    EXPECT_EQ(rside_shared_counter_register(nullptr, "a", nullptr, 0, &error).series.cell, nullptr);
    EXPECT_EQ(rside_counter_f64_register(nullptr, "a", nullptr, 0, &error).series.cell, nullptr);
    EXPECT_EQ(rside_gauge_register(nullptr, "a", nullptr, 0, &error).series.cell, nullptr);
    EXPECT_EQ(rside_level_register(nullptr, "a", nullptr, 0, &error).series.cell, nullptr);
    EXPECT_EQ(rside_histogram_register(nullptr, "a", nullptr, 0, &error).series.cell, nullptr);
    EXPECT_EQ(rside_info_register(nullptr, "a", nullptr, 0, nullptr), -EINVAL);
    EXPECT_EQ(rside_info_register(nullptr, "a", nullptr, 0, &error), -EINVAL);
    EXPECT_EQ(error.code, -EINVAL);
    EXPECT_THAT(error.text, HasSubstr("no segment"));
}

// As where a real-time thread has the core and the one that registers has to wait for it.
TEST(Register, GivesUpWhenAnotherThreadNeverFinishes) {
    Writer writer(some_kinds());
    const char* values[] = {"vda", "read"};
    ASSERT_TRUE(writer::spin_lock(&writer.segment()->register_lock));
    rside_error error = {};
    EXPECT_FALSE(rside_counter_register(writer.segment(), "requests_total", values, 2, &error).series.cell);
    EXPECT_EQ(error.code, -EAGAIN);
    EXPECT_THAT(error.text, HasSubstr("requests_total: another thread is registering"));
    writer::spin_unlock(&writer.segment()->register_lock);
    EXPECT_TRUE(rside_counter_register(writer.segment(), "requests_total", values, 2, &error).series.cell);
}

TEST(Record, DoesNothingWithEmptyHandles) {
    rside_tick(nullptr, 1);
    rside_counter_add({}, 1);
    rside_counter_total({}, 1);
    rside_counter_baseline({}, 1);
    rside_shared_counter_add({}, 1);
    rside_counter_f64_add({}, 1);
    rside_counter_f64_total({}, 1);
    rside_counter_f64_baseline({}, 1);
    rside_gauge_record({}, 1);
    rside_level_set({}, 1);
    rside_histogram_record({}, 1);
    rside_segment_close(nullptr, 0, "x");
    EXPECT_STREQ(rside_segment_path(nullptr), "");
    EXPECT_STREQ(rside_segment_vm_id(nullptr), "");
    EXPECT_EQ(rside_segment_bytes(nullptr), 0u);
}

TEST(Register, GivesEachOfManyThreadsSeriesOfItsOwn) {
    SchemaSpec spec("threads");
    spec.tier(1, 2).metric("requests_total", RSIDE_COUNTER, 400, {"thread", "number"});
    Writer writer(spec);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 100; ++i) {
                std::string thread = std::to_string(t), number = std::to_string(i);
                const char* values[] = {thread.c_str(), number.c_str()};
                rside_counter_add(rside_counter_register(writer.segment(), "requests_total", values, 2, nullptr),
                                  static_cast<std::uint64_t>(1000 * t + i + 1));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    plain::Segment segment = writer.decoded();
    ASSERT_EQ(segment.series.size(), 400u);
    for (const plain::Series& series : segment.series) {
        EXPECT_EQ(series.value, std::stoull(series.values[0]) * 1000 + std::stoull(series.values[1]) + 1);
    }
}

}  // namespace
}  // namespace ringside
