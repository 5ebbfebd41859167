// Scans of mapped segments beside reads: they must agree in all, and outlive whatever is done to the file.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <ringside/ringside.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <memory>
#include <numeric>
#include <random>
#include <span>
#include <thread>

#include "agent/base/clock.h"
#include "agent/segment/bus_guard.h"
#include "agent/segment/live_segment.h"
#include "agent/segment/mapped_bytes.h"
#include "tests/simulation/simulated_time.h"
#include "tests/support/memory_source.h"
#include "tests/support/open_segment.h"
#include "tests/support/results.h"
#include "tests/support/run_length.h"
#include "tests/support/sanitizer.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

using simulation::kMs;
using simulation::kSecond;

constexpr const char* kLabels[] = {"n"};
constexpr rside_tier kTiers[] = {{1, 20, 0}, {10, 12, 0}};
constexpr rside_metric kMetrics[] = {
    {"t_total", RSIDE_COUNTER, 0, "", "", kLabels, 1, 6, 0, 0, 0},
    {"t_seconds_total", RSIDE_COUNTER_F64, 0, "", "", kLabels, 1, 6, 0, 0, 0},
    {"t_depth", RSIDE_GAUGE, 0, "", "", nullptr, 0, 1, 0, 0, 0},
    {"t_delay", RSIDE_HISTOGRAM, 0, "", "", kLabels, 1, 2, 0, 0.5, 8},
};
constexpr rside_schema kSchema = {"scan", 1, kTiers, 2, kMetrics, 4, 0};
constexpr std::uint32_t kGauge = 12, kHistogram = 13;
constexpr std::uint32_t kFirst[] = {0};

class ScanTest : public testing::Test {
  protected:
    static void SetUpTestSuite() { install_bus_guard(); }
    void TearDown() override {
        if (segment_) rside_segment_close(segment_, 0, "");
    }

    void create(rside_clock clock = RSIDE_CLOCK_COARSE) {
        rside_options options;
        rside_options_init(&options);
        const std::string folder = folder_.path();
        options.vm_id = "vm-1";
        options.directory = folder.c_str();
        options.schema = &kSchema;
        options.clock = clock;
        options.flags = 0;
        rside_error failure{};
        ASSERT_EQ(rside_segment_create(&options, &segment_, &failure), 0) << failure.text;
    }
    template <typename Register>
    auto made(Register make, const char* metric, int n) {
        rside_error failure{};
        const std::string text = std::to_string(n);
        const char* values[] = {text.c_str()};
        auto handle = make(segment_, metric, values, 1, &failure);
        EXPECT_NE(handle.series.cell, nullptr) << failure.text;
        return handle;
    }
    rside_counter counter(const char* metric, int n) { return made(rside_counter_register, metric, n); }
    rside_counter_f64 counter_f64(int n) { return made(rside_counter_f64_register, "t_seconds_total", n); }
    rside_histogram histogram(int n) { return made(rside_histogram_register, "t_delay", n); }
    // Its clock is `ahead_ns` before the one of the system.
    std::shared_ptr<LiveSegment> open() {
        OpenOptions options;
        options.now = [this] { return realtime_ns() + ahead_ns_; };
        return test::open_only_segment(folder_.path(), *layouts_, options);
    }
    // Reads the first series; how many were read from the mapping by then.
    static std::uint64_t scanned_after_read(const LiveSegment& segment) {
        SeriesData data;
        ReadRequest request;
        request.open_window = false;
        EXPECT_TRUE(segment.scan()->read(0, request, &data).ok());
        return segment.stats().scanned;
    }
    std::filesystem::path path() const { return rside_segment_path(segment_); }

    TemporaryFolder folder_{"/dev/shm"};
    rside_segment* segment_ = nullptr;
    std::atomic<std::uint64_t> ahead_ns_{0};
    std::shared_ptr<LayoutCache> layouts_ = make_layout_cache();
};

// Of one length, each a step after the one before.
std::vector<TimeRange> ranges_from(std::uint64_t begin_ns, std::mt19937_64& random) {
    std::vector<TimeRange> ranges(random() % 5 + 1);
    const std::uint64_t length = random() % (30 * kSecond);
    for (TimeRange& range : ranges) {
        range = {begin_ns, begin_ns + length};
        begin_ns += random() % (9 * kSecond);
    }
    return ranges;
}

// Where gains are not those of the windows themselves, "" where they are.
std::string difference(const HistogramGain& gain, std::span<const std::uint32_t> buckets, const SeriesData& windows) {
    if (gain.windows != windows.size()) return std::to_string(gain.windows) + " windows";
    if (gain.windows == 0) return "";
    const std::size_t last = windows.size() - 1;
    if (gain.first_end_ns != windows.end_ns.front() || gain.last_end_ns != windows.end_ns.back()) return "times";
    if (gain.first_count != windows.count.front()) return "first count";
    if (gain.count != windows.count[last] - windows.count.front()) return "count";
    if (gain.sum != windows.sum[last] - windows.sum.front()) return "sum";
    for (std::size_t i = 0; i < buckets.size(); ++i) {
        const std::uint64_t gained = windows.buckets[last * buckets.size() + i] - windows.buckets[i];
        if (buckets[i] != gained) return "bucket " + std::to_string(i);
    }
    return "";
}
std::string difference(const HistogramGains& gains, const std::vector<TimeRange>& ranges, const LiveSegment& segment,
                       std::uint32_t series, std::uint32_t tier) {
    const std::size_t stride = gains.buckets.size() / ranges.size();
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        ReadRequest request;
        request.tier = tier;
        request.open_window = false;
        request.begin_ns = ranges[i].begin_ns;
        request.end_ns = ranges[i].end_ns;
        auto windows = segment.read(series, request);
        if (!windows.ok()) return message_of(windows);
        const auto buckets = std::span<const std::uint32_t>(gains.buckets).subspan(i * stride, stride);
        const std::string found = difference(gains.ranges[i], buckets, *windows);
        if (!found.empty()) return found + " of range " + std::to_string(i);
    }
    return "";
}

TEST_F(ScanTest, AnswersAsReadsDo) {
    const std::uint64_t seed = chosen_seed();
    std::printf("RINGSIDE_SEED=%llu repeats this run\n", static_cast<unsigned long long>(seed));
    std::mt19937_64 random(seed);
    simulation::SimulatedTime time(seed);
    create();
    std::vector<rside_counter> whole;
    std::vector<rside_counter_f64> parts;
    rside_error failure{};
    rside_gauge gauge = rside_gauge_register(segment_, "t_depth", nullptr, 0, &failure);
    rside_histogram delay = histogram(0);
    std::uint64_t scanned = 0, asked = 0, runs = 0, gains_asked = 0, gains_read = 0;
    const std::uint64_t steps = longer_in_soak(3000);
    for (std::uint64_t step = 0; step < steps; ++step) {
        // Mostly moments, sometimes longer than a ring, and the clock goes back by a little now and then.
        const std::uint64_t scale = random() % 50 == 0 ? 300 * kSecond : random() % 5 == 0 ? 8 * kSecond : 400 * kMs;
        time.advance_to(time.monotonic_ns() + random() % scale);
        // In the second half also by more than the coarsest window, which moves series back.
        const std::uint64_t most_back = step > steps / 2 && random() % 10 == 0 ? 60 * kSecond : 5 * kSecond;
        if (random() % 200 == 0) time.step(-static_cast<std::int64_t>(random() % most_back));
        if (whole.size() < 6 && random() % 20 == 0) {
            whole.push_back(counter("t_total", static_cast<int>(whole.size())));
            parts.push_back(counter_f64(static_cast<int>(parts.size())));
        }
        if (!whole.empty() && random() % 3 != 0) {
            const std::size_t i = random() % whole.size();
            rside_counter_add(whole[i], random() % 100);
            if (random() % 2 == 0) rside_counter_f64_add(parts[i], static_cast<double>(random() % 100) / 8);
        }
        if (random() % 4 == 0) rside_gauge_record(gauge, static_cast<double>(random() % 9));
        for (std::uint64_t n = random() % 3; n > 0; --n) {
            rside_histogram_record(delay, static_cast<double>(random() % 100) / 8);
        }
        if (random() % 8 != 0) continue;
        auto segment = open();
        ASSERT_NE(segment, nullptr);
        auto list = segment->series();
        ASSERT_TRUE(list.ok()) << message_of(list);
        auto scan = segment->scan();
        const std::uint64_t now = time.realtime_ns();
        for (const SeriesInfo& series : *list) {
            ReadRequest request;
            request.tier = static_cast<std::uint32_t>(random() % 2);
            request.open_window = random() % 8 == 0;
            const std::uint64_t back = random() % (random() % 4 == 0 ? 200 * kSecond : 20 * kSecond);
            request.begin_ns = now - back;
            request.end_ns = random() % 3 == 0 ? UINT64_MAX : request.begin_ns + random() % (back + kSecond);
            SeriesData fast;
            const Result<void> read = scan->read(series.index, request, &fast);
            ASSERT_TRUE(read.ok()) << message_of(read);
            auto slow = segment->read(series.index, request);
            ASSERT_TRUE(slow.ok()) << message_of(slow);
            ASSERT_EQ(difference(fast, *slow), "")
                << "step " << step << ", series " << series.index << ", tier " << request.tier << ", ("
                << request.begin_ns << ", " << request.end_ns << "] at " << now << ", RINGSIDE_SEED=" << seed;
            if (series.index >= kHistogram) {
                ++gains_asked;
                const std::vector<TimeRange> ranges = ranges_from(request.begin_ns, random);
                HistogramGains gains;
                if (!scan->read_gains(series.index, request.tier, ranges, &gains)) continue;
                ++gains_read;
                ASSERT_EQ(difference(gains, ranges, *segment, series.index, request.tier), "")
                    << "step " << step << ", tier " << request.tier << ", RINGSIDE_SEED=" << seed;
                continue;
            }
            asked += series.index < kGauge ? 1 : 0;
            CounterRun run;
            if (scan->read_runs({&series.index, 1}, request, &run) == 0) continue;
            ++runs;
            ASSERT_LT(series.index, kGauge);
            ASSERT_EQ(run.count, slow->size());
            if (run.count == 0) continue;
            ASSERT_EQ(run.first_end_ns, slow->end_ns.front());
            ASSERT_EQ(run.last_end_ns, slow->end_ns.back());
            ASSERT_EQ(run.first, slow->value.front());
            ASSERT_EQ(run.last, slow->value.back());
        }
        scan.reset();
        scanned += segment->stats().scanned;
    }
    EXPECT_GT(scanned, asked / 2) << "of " << asked;
    EXPECT_GT(runs, asked / 2) << "of " << asked;
    EXPECT_GT(gains_read, gains_asked / 8) << "of " << gains_asked;
}

// The value of each window follows from its number: what was torn, or of another lap, shows.
TEST_F(ScanTest, NeverMixesLapsOfAWriterAtWork) {
    create(RSIDE_CLOCK_TICK);
    const std::uint64_t begin_s = realtime_ns() / kSecond;
    rside_tick(segment_, begin_s * kSecond);
    rside_counter counter = this->counter("t_total", 0);
    rside_histogram delay = histogram(0);
    auto segment = open();
    ASSERT_NE(segment, nullptr);
    std::atomic<bool> over{false};
    std::atomic<std::uint64_t> now_s{begin_s};
    std::thread writer([&] {
        // So fast that scans meet many turns, and up to the end of time at most.
        for (std::uint64_t at_s = begin_s; !over.load(std::memory_order_relaxed) && at_s < UINT32_MAX / 2; ++at_s) {
            rside_tick(segment_, at_s * kSecond);
            rside_counter_add(counter, 1);
            rside_histogram_record(delay, 0.75);
            now_s.store(at_s, std::memory_order_relaxed);
        }
    });
    OpenOptions options;
    options.now = [&] { return (now_s.load(std::memory_order_relaxed) + 1) * kSecond; };
    segment = test::open_only_segment(folder_.path(), *layouts_, options);
    std::uint64_t windows = 0, runs = 0, gains_read = 0;
    SeriesData data;
    for (std::uint64_t scans = longer_in_soak(100'000); scans > 0; --scans) {
        ReadRequest request;
        request.open_window = false;
        // Down to the slots that the writer is about to overwrite.
        request.begin_ns = (now_s.load(std::memory_order_relaxed) - 25) * kSecond;
        const Result<void> read = segment->scan()->read(0, request, &data);
        if (!read.ok()) continue;  // it kept changing: an answer, too
        for (std::size_t i = 0; i < data.size(); ++i) {
            EXPECT_EQ(data.value[i], data.end_ns[i] / kSecond - begin_s) << i << " of " << data.size();
        }
        windows += data.size();
        CounterRun run;
        if (segment->scan()->read_runs(kFirst, request, &run) == 0 || run.count == 0) continue;
        EXPECT_EQ(run.first, run.first_end_ns / kSecond - begin_s);
        EXPECT_EQ(run.last, run.last_end_ns / kSecond - begin_s);
        ++runs;
        const TimeRange ranges[] = {{request.begin_ns, UINT64_MAX}};
        HistogramGains gains;
        if (!segment->scan()->read_gains(kHistogram, 0, ranges, &gains) || gains.ranges[0].windows == 0) continue;
        const HistogramGain& gain = gains.ranges[0];
        EXPECT_EQ(gain.first_count, gain.first_end_ns / kSecond - begin_s);
        EXPECT_EQ(gain.count, (gain.last_end_ns - gain.first_end_ns) / kSecond);
        EXPECT_EQ(gain.sum, static_cast<double>(gain.count) * 0.75);
        EXPECT_EQ(std::accumulate(gains.buckets.begin(), gains.buckets.end(), std::uint64_t{0}), gain.count);
        ++gains_read;
    }
    over = true;
    writer.join();
    EXPECT_GT(windows, 0u);
    EXPECT_GT(runs, 0u);
    EXPECT_GT(gains_read, 0u);
    EXPECT_GT(segment->stats().scanned, 100u);
}

// No writer does that; whoever writes to the file may.
TEST_F(ScanTest, ACounterThatFellIsNotToldInShort) {
    create(RSIDE_CLOCK_TICK);
    const std::uint64_t begin_s = realtime_ns() / kSecond;
    rside_tick(segment_, begin_s * kSecond);
    rside_counter counter = this->counter("t_total", 0);
    for (std::uint64_t second = 0; second < 5; ++second) {
        rside_tick(segment_, (begin_s + second) * kSecond);
        rside_counter_add(counter, 10);
    }
    auto segment = open();
    ASSERT_TRUE(segment->series().ok());  // whose list scans go by
    ReadRequest request;
    request.open_window = false;
    CounterRun run;
    ASSERT_EQ(segment->scan()->read_runs(kFirst, request, &run), 1u);
    EXPECT_EQ(run.count, 4u);
    EXPECT_EQ(run.first, 10u);
    EXPECT_EQ(run.last, 40u);
    counter.series.cell->u.counter.value = 5;
    rside_tick(segment_, (begin_s + 5) * kSecond);
    rside_counter_add(counter, 1);
    EXPECT_EQ(segment->scan()->read_runs(kFirst, request, &run), 0u);
    SeriesData data;
    ASSERT_TRUE(segment->scan()->read(0, request, &data).ok());
    EXPECT_EQ(data.value, (std::vector<std::uint64_t>{10, 20, 30, 40, 5}));
}

TEST_F(ScanTest, AFileThatIsCutUnderItIsAnError) {
    create();
    rside_counter counter = this->counter("t_total", 0);
    rside_counter_add(counter, 1);
    auto segment = open();
    auto scan = segment->scan();
    SeriesData data;
    ReadRequest request;
    request.open_window = false;
    ASSERT_TRUE(scan->read(0, request, &data).ok());
    segment_ = nullptr;  // whose own mapping must not be touched any more
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
        ASSERT_EQ(truncate(entry.path().c_str(), 4096), 0);
    }
    const Result<void> read = scan->read(0, request, &data);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().code, Code::kCorrupt);
    EXPECT_TRUE(segment->condition().has_value());
    EXPECT_FALSE(segment->scan()->read(0, request, &data).ok());
}

TEST_F(ScanTest, AHoleIsNotTouched) {
    create();
    rside_counter_add(counter("t_total", 0), 1);
    auto segment = open();
    const std::uint64_t before = scanned_after_read(*segment);
    const int fd = ::open(path().c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1 << 12, 1 << 12), 0);
    EXPECT_EQ(MappedBytes::map(fd, std::filesystem::file_size(path())), nullptr);
    close(fd);
    ahead_ns_ += MappedBytes::kHoleLookNs;
    EXPECT_EQ(scanned_after_read(*segment), before) << "read by system calls, which fill no hole";
    segment_ = nullptr;
}

// As many blocks as the file has bytes, but all of them beyond its end.
TEST_F(ScanTest, BlocksBeyondTheEndHideNoHole) {
    create();
    rside_counter_add(counter("t_total", 0), 1);
    auto segment = open();
    const std::uint64_t before = scanned_after_read(*segment);
    const int fd = ::open(path().c_str(), O_RDWR | O_CLOEXEC);
    const auto bytes = static_cast<off_t>(std::filesystem::file_size(path()));
    ASSERT_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, bytes, bytes), 0);
    ASSERT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1 << 12, bytes - (1 << 12)), 0);
    struct stat status;
    ASSERT_EQ(fstat(fd, &status), 0);
    ASSERT_GE(status.st_blocks * 512, bytes);
    const auto blocks = status.st_blocks;
    EXPECT_EQ(MappedBytes::map(fd, static_cast<std::uint64_t>(bytes)), nullptr);
    ahead_ns_ += MappedBytes::kHoleLookNs;
    EXPECT_EQ(scanned_after_read(*segment), before);
    ASSERT_EQ(fstat(fd, &status), 0);
    EXPECT_EQ(status.st_blocks, blocks);
    close(fd);
    segment_ = nullptr;
}

TEST(BusGuard, LeavesASignalThatSomebodySendsAlone) {
    if (kSanitized) GTEST_SKIP() << "sanitizers handle SIGBUS themselves";
    install_bus_guard();
    EXPECT_EXIT(
        {
            kill(getpid(), SIGBUS);
            std::exit(0);
        },
        testing::KilledBySignal(SIGBUS), "");
}

TEST(BusGuard, LeavesOtherFaultsAlone) {
    if (kSanitized) GTEST_SKIP() << "sanitizers handle SIGBUS themselves";
    install_bus_guard();
    TemporaryFolder folder{"/dev/shm"};
    const std::string path = folder.path() + "/file";
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ASSERT_EQ(ftruncate(fd, 4096), 0);
    const auto* bytes = static_cast<const volatile char*>(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0));
    ASSERT_EQ(ftruncate(fd, 0), 0);
    EXPECT_EXIT(
        {
            const char byte = *bytes;
            std::exit(byte);
        },
        testing::KilledBySignal(SIGBUS), "");
    close(fd);
}

TEST(BusGuard, GuardsManyRangesAndTakesTheirPlacesAgain) {
    install_bus_guard();
    TemporaryFolder folder{"/dev/shm"};
    const std::string path = folder.path() + "/file";
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const std::string content(8192, 'x');
    ASSERT_EQ(pwrite(fd, content.data(), content.size(), 0), 8192);
    for (int round = 0; round < 3; ++round) {
        std::vector<std::unique_ptr<MappedBytes>> all;
        for (int i = 0; i < 100; ++i) {
            all.push_back(MappedBytes::map(fd, 8192));
            ASSERT_NE(all.back(), nullptr);
        }
        ASSERT_EQ(ftruncate(fd, 4096), 0);
        char bytes[8];
        EXPECT_TRUE(all[7]->read(0, bytes, sizeof bytes));
        EXPECT_FALSE(all[7]->read(4096, bytes, sizeof bytes));
        EXPECT_FALSE(all[7]->read(0, bytes, sizeof bytes)) << "what was cut once stays so";
        EXPECT_TRUE(all[8]->read(0, bytes, sizeof bytes)) << "it has not met the cut";
        ASSERT_EQ(pwrite(fd, content.data(), content.size(), 0), 8192);
    }
    close(fd);
}

}  // namespace
}  // namespace ringside::agent
