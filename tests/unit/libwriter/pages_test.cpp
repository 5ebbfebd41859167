// No record enters the kernel for a page fault: set-up has every page of the segment mapped.
#include <limits.h>
#include <sys/resource.h>

#include "tests/support/sanitizer.h"
#include "writer.h"

namespace ringside {
namespace {

long page_faults() {
    rusage usage = {};
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

constexpr std::uint64_t kLap = 2000;  // seconds

SchemaSpec many_pages() {
    SchemaSpec spec("pages");
    spec.tier(1, kLap).tier(10, kLap / 10);
    spec.metric("counter", RSIDE_COUNTER).metric("gauge", RSIDE_GAUGE).metric("level", RSIDE_LEVEL);
    return spec.histogram("histogram", 3, 1e-6, 10);
}

// A record that is the first to touch a page of its ring would wait for the kernel, about a microsecond each.
long page_faults_of_the_first_lap(rside_segment* segment) {
    rside_counter counter = rside_counter_register(segment, "counter", nullptr, 0, nullptr);
    rside_gauge gauge = rside_gauge_register(segment, "gauge", nullptr, 0, nullptr);
    rside_level level = rside_level_register(segment, "level", nullptr, 0, nullptr);
    rside_histogram histogram = rside_histogram_register(segment, "histogram", nullptr, 0, nullptr);
    EXPECT_GT(rside_segment_bytes(segment), 400u * RSIDE_PAGE_BYTES);
    const long before = page_faults();
    for (std::uint64_t second = 0; second < kLap; ++second) {
        rside_tick(segment, (1'700'000'000 + second) * kSecond);
        rside_counter_add(counter, 1);
        rside_gauge_record(gauge, 0.5);
        rside_level_set(level, 0.5);
        rside_histogram_record(histogram, 0.5);
    }
    return page_faults() - before;
}

constexpr long kOfTheLoopItself = 20;  // its code and its stack

TEST(Pages, AreThereForAllRecordsAfterCreate) {
    RINGSIDE_SKIP_UNDER_SANITIZERS();
    Writer writer(many_pages());
    EXPECT_LT(page_faults_of_the_first_lap(writer.segment()), kOfTheLoopItself);
}

TEST(Pages, AreThereForAllRecordsAfterAttach) {
    RINGSIDE_SKIP_UNDER_SANITIZERS();
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = many_pages();
    rside_options options = plain_options(folder.path(), spec.get());
    char path[PATH_MAX];
    rside_error error = {};
    ASSERT_EQ(rside_segment_provision(&options, path, sizeof path, &error), 0) << error.text;
    rside_segment* segment = nullptr;
    ASSERT_EQ(rside_segment_attach(path, spec.get(), RSIDE_CLOCK_TICK, 0, &segment, &error), 0) << error.text;
    EXPECT_LT(page_faults_of_the_first_lap(segment), kOfTheLoopItself);
    rside_segment_close(segment, 0, nullptr);
}

}  // namespace
}  // namespace ringside
