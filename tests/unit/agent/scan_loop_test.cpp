#include "agent/scan_loop.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <thread>

#include "agent/base/clock.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kHourNs = 3600ull * 1'000'000'000;

class ScanLoopTest : public testing::Test {
  protected:
    ScanLoopTest() {
        auto opened = SegmentDirectory::open(folder.path(), ::geteuid());
        EXPECT_TRUE(opened) << opened.error().message();
        scanner =
            std::make_unique<Scanner>(std::move(*opened), catalog, ScanLimits{}, metrics, [](const std::string&) {});
        loop = std::make_unique<ScanLoop>(*scanner, folder.path(), kHourNs, metrics, [](std::uint64_t) {});
        EXPECT_TRUE(loop->start());
    }

    template <typename Condition>
    static bool comes_true(Condition condition) {
        const std::uint64_t until_ns = monotonic_ns() + 60ull * 1'000'000'000;
        while (!condition() && monotonic_ns() < until_ns) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        return condition();
    }

    TemporaryFolder folder{"/dev/shm"};
    Metrics metrics;
    EventBus events{64};
    Catalog catalog{CatalogOptions{}, events};
    std::unique_ptr<Scanner> scanner;
    std::unique_ptr<ScanLoop> loop;
};

TEST_F(ScanLoopTest, BeatsHoweverLongTheIntervalIs) {
    ASSERT_TRUE(comes_true([&] { return loop->beat_ns() != 0; }));
    const std::uint64_t first_ns = loop->beat_ns();
    EXPECT_TRUE(comes_true([&] { return loop->beat_ns() > first_ns; }));
}

TEST_F(ScanLoopTest, GoesByANewIntervalAtOnce) {
    const std::uint64_t first_ns = loop->last_scan_ns();
    loop->set_interval(1'000'000);
    EXPECT_TRUE(comes_true([&] { return loop->last_scan_ns() > first_ns; }));
}

TEST_F(ScanLoopTest, SleepsThroughAFloodOfNotices) {
    MetricCounter& wakeups =
        metrics.counter("ringside_scan_wakeups_total", "Times that the thread that scans came round.");
    const std::uint64_t begin_ns = monotonic_ns();
    const auto before = wakeups.value();
    const std::string name = folder / "no-segment";
    for (int i = 0; i < 20'000; ++i) {
        std::ofstream{name};
        ASSERT_EQ(::unlink(name.c_str()), 0);
    }
    // One look each 20 ms, with the notice that it is for before it, and the beats.
    const std::uint64_t looks = (monotonic_ns() - begin_ns) / 20'000'000 + 2;
    EXPECT_LE(wakeups.value() - before, 2 * looks + looks / 100 + 2);
    EXPECT_TRUE(comes_true([&] { return wakeups.value() > before; }));
}

// Somebody makes another file whenever the scan has opened one.
TEST(ScanLoopStart, EndsAlthoughFilesKeepComing) {
    TemporaryFolder folder("/dev/shm");
    Metrics metrics;
    EventBus events{64};
    Catalog catalog{CatalogOptions{}, events};
    ScanLimits limits;
    limits.opens_per_pass = 1;
    Scanner scanner(*SegmentDirectory::open(folder.path(), ::geteuid()), catalog, limits, metrics,
                    [](const std::string&) {});
    int planted = 0;
    auto plant = [&] {
        const std::string name = "a" + std::to_string(1'000'000 + planted++);
        std::ofstream(folder / (name + ".00112233445566778899aabbccddeeff.seg")) << "nonsense";
    };
    ScanLoop loop(scanner, folder.path(), kHourNs, metrics, [&](std::uint64_t) {
        if (planted < 200) plant();
    });
    plant();
    plant();
    ASSERT_TRUE(loop.start());
    EXPECT_LT(planted, 200);
}

}  // namespace
}  // namespace ringside::agent
