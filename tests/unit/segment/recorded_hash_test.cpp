// VmInfo::recorded_hash by a real writer: every record changes it, and nothing else does that is not the writer's doing.
#include <gtest/gtest.h>
#include <ringside/ringside.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "agent/segment/open.h"
#include "tests/support/schema_spec.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kStartNs = 1'700'000'000 * RSIDE_NS_PER_S;

// The clock of the writer stands still, so that a record changes nothing but what it has to.
class RecordedHash : public testing::Test {
  protected:
    RecordedHash() {
        spec.tier(1, 30).tier(10, 12);
        spec.metric("requests_total", RSIDE_COUNTER, 2, {"path"}).metric("energy_joules_total", RSIDE_COUNTER_F64);
        spec.metric("latency_seconds", RSIDE_GAUGE).metric("memory_bytes", RSIDE_LEVEL);
        spec.histogram("io_seconds", 2, 1e-6, 10.0).metric("build_info", RSIDE_INFO, 2, {"version"});
        rside_options options;
        rside_options_init(&options);
        options.vm_id = "vm-1";
        options.directory = folder.path().c_str();
        options.schema = spec.get();
        options.clock = RSIDE_CLOCK_TICK;
        EXPECT_EQ(rside_segment_create(&options, &writer, &problem), 0) << problem.text;
        path = rside_segment_path(writer);
        rside_tick(writer, kStartNs);
        const char* root[] = {"/"};
        requests = rside_counter_register(writer, "requests_total", root, 1, &problem);
        energy = rside_counter_f64_register(writer, "energy_joules_total", nullptr, 0, &problem);
        latency = rside_gauge_register(writer, "latency_seconds", nullptr, 0, &problem);
        memory = rside_level_register(writer, "memory_bytes", nullptr, 0, &problem);
        io = rside_histogram_register(writer, "io_seconds", nullptr, 0, &problem);
        record_all();
        open_options.now = [this] {
            if (auto once = std::exchange(meanwhile, nullptr)) once();
            return now_ns;
        };
    }
    ~RecordedHash() override { rside_segment_close(writer, 0, ""); }

    void record_all() {
        rside_counter_add(requests, 1);
        rside_counter_f64_add(energy, 0.5);
        rside_gauge_record(latency, 3);
        rside_level_set(memory, 4096);
        rside_histogram_record(io, 0.25);
    }

    std::shared_ptr<LiveSegment> open() {
        Opened opened = open_segment_path(path, *layouts, open_options);
        EXPECT_NE(opened.segment, nullptr) << opened.refusal.message();
        return opened.segment;
    }
    std::uint64_t hash() {
        std::shared_ptr<LiveSegment> segment = open();
        EXPECT_TRUE(segment->settle());
        return segment->vm().recorded_hash;
    }

    TemporaryFolder folder{"/dev/shm"};
    SchemaSpec spec;
    rside_error problem{};
    rside_segment* writer = nullptr;
    std::string path;
    rside_counter requests = {};
    rside_counter_f64 energy = {};
    rside_gauge latency = {};
    rside_level memory = {};
    rside_histogram io = {};
    std::shared_ptr<LayoutCache> layouts = make_layout_cache();
    OpenOptions open_options;
    std::uint64_t now_ns = kStartNs + RSIDE_NS_PER_S;
    std::function<void()> meanwhile;  // what the writer does, once, while a reader asks for the time
};

TEST_F(RecordedHash, ChangesWithOneRecordOfAnyKind) {
    struct Case {
        const char* kind;
        std::function<void()> record;
    };
    // Of the value that was recorded last, where that is not a change by itself.
    const Case cases[] = {{"counter", [this] { rside_counter_add(requests, 1); }},
                          {"counter_f64", [this] { rside_counter_f64_add(energy, 0.5); }},
                          {"gauge", [this] { rside_gauge_record(latency, 3); }},
                          {"level", [this] { rside_level_set(memory, 4096); }},
                          {"histogram", [this] { rside_histogram_record(io, 0.25); }}};
    for (const Case& one : cases) {
        // Twice, because what alternates with every record must not come back either.
        const std::uint64_t before = hash();
        one.record();
        const std::uint64_t after_one = hash();
        one.record();
        const std::uint64_t after_two = hash();
        EXPECT_NE(before, after_one) << one.kind;
        EXPECT_NE(after_one, after_two) << one.kind;
        EXPECT_NE(before, after_two) << one.kind;
    }
}

TEST_F(RecordedHash, ChangesWithARegistration) {
    const std::uint64_t before = hash();
    const char* late[] = {"/late"};
    ASSERT_TRUE(rside_counter_register(writer, "requests_total", late, 1, &problem).series.cell) << problem.text;
    const std::uint64_t after_counter = hash();
    EXPECT_NE(after_counter, before);
    const char* version[] = {"1.2.3"};
    ASSERT_EQ(rside_info_register(writer, "build_info", version, 1, &problem), 0) << problem.text;
    EXPECT_NE(hash(), after_counter);
}

TEST_F(RecordedHash, ChangesWithATick) {
    const std::uint64_t before = hash();
    rside_tick(writer, kStartNs + 1);
    EXPECT_NE(hash(), before);
}

TEST_F(RecordedHash, ChangesWithTheClose) {
    const std::uint64_t before = hash();
    rside_segment_close(writer, 0, "");
    writer = nullptr;
    EXPECT_NE(hash(), before);
}

TEST_F(RecordedHash, StaysWhileOnlyReadersAreAtWork) {
    const std::uint64_t before = hash();
    std::shared_ptr<LiveSegment> segment = open();
    (void)segment->probe();
    ASSERT_TRUE(segment->series());
    for (std::uint32_t series : {0u, 2u, 3u, 4u, 5u}) ASSERT_TRUE(segment->read(series, {})) << series;
    now_ns += 1000 * RSIDE_NS_PER_S;
    EXPECT_EQ(hash(), before);
    ASSERT_TRUE(segment->settle());
    EXPECT_EQ(segment->vm().recorded_hash, before);
    Result<bool> went_on = segment->went_on();
    ASSERT_TRUE(went_on);
    EXPECT_FALSE(*went_on);
}

// What the writer does between the looks of settle() may be missing from what is read after it.
TEST_F(RecordedHash, OfAWriterThatWentOnWhileItWasSettledIsNotTheNextOne) {
    std::shared_ptr<LiveSegment> segment = open();
    meanwhile = [this] { record_all(); };
    ASSERT_TRUE(segment->settle());
    ASSERT_FALSE(meanwhile) << "settle() asked for no time";
    Result<bool> went_on = segment->went_on();
    ASSERT_TRUE(went_on);
    EXPECT_TRUE(*went_on);
    EXPECT_NE(hash(), segment->vm().recorded_hash);
}

TEST_F(RecordedHash, AndTheEndAreFixedAnewWhenTheWriterWentOn) {
    std::shared_ptr<LiveSegment> segment = open();
    ASSERT_TRUE(segment->settle());
    const VmInfo before = segment->vm();
    rside_tick(writer, kStartNs + RSIDE_NS_PER_S / 2);
    record_all();
    rside_segment_close(writer, 7, "");
    writer = nullptr;
    ASSERT_TRUE(segment->settle());
    const VmInfo after = segment->vm();
    EXPECT_NE(after.recorded_hash, before.recorded_hash);
    EXPECT_EQ(before.exit_cause, ExitCause::kKilled);
    EXPECT_EQ(after.exit_cause, ExitCause::kClosed);
    EXPECT_GT(after.ended_ns, before.ended_ns);
    Result<SeriesData> data = segment->read(0, {});
    ASSERT_TRUE(data);
    EXPECT_EQ(data->value.back(), 2u);
}

}  // namespace
}  // namespace ringside::agent
