// Threads of one VMM over one segment, doing all that the header allows at the same time. In a build with
// -Db_sanitize=thread each race is a failure here.
#include <gmock/gmock.h>

#include <atomic>
#include <functional>
#include <thread>

#include "writer.h"

namespace ringside {
namespace {

constexpr int kThreads = 4;
constexpr int kSeries = 40;  // of each kind and thread
constexpr std::uint64_t kRounds = 2000;
constexpr std::uint64_t kNow = 1'700'000'000 * kSecond;

SchemaSpec every_kind() {
    SchemaSpec spec("threads");
    spec.tier(1, 16).tier(10, 8).tier(60, 8).arena(1 << 20);
    constexpr std::uint32_t all = kThreads * kSeries;
    for (auto [name, kind] : {std::pair{"counter", RSIDE_COUNTER}, std::pair{"f64", RSIDE_COUNTER_F64},
                              std::pair{"gauge", RSIDE_GAUGE}, std::pair{"level", RSIDE_LEVEL}}) {
        spec.metric(name, kind, all, {"thread", "number"});
    }
    spec.histogram("histogram", 0, 1, 64, all, {"thread", "number"});
    return spec.metric("shared", RSIDE_COUNTER, kSeries, {"number"}, RSIDE_METRIC_SHARED);
}

// What one thread does: it registers a few series at a time, between records on those that it has.
class Vcpu {
  public:
    Vcpu(rside_segment* segment, int thread) : segment_(segment), thread_(std::to_string(thread)) {}

    void run(std::uint64_t round) {
        if (round % (kRounds / kSeries) == 0) register_more();
        std::size_t n = round % counters_.size();
        rside_counter_add(counters_[n], 1);
        rside_counter_f64_add(f64s_[n], 0.5);
        rside_gauge_record(gauges_[n], 3);
        rside_level_set(levels_[n], static_cast<double>(round));
        rside_histogram_record(histograms_[n], 5);
        for (rside_shared_counter counter : shared_) rside_shared_counter_add(counter, 1);
    }

  private:
    void register_more() {
        std::string number = std::to_string(counters_.size());
        const char* values[] = {thread_.c_str(), number.c_str()};
        counters_.push_back(rside_counter_register(segment_, "counter", values, 2, nullptr));
        f64s_.push_back(rside_counter_f64_register(segment_, "f64", values, 2, nullptr));
        gauges_.push_back(rside_gauge_register(segment_, "gauge", values, 2, nullptr));
        levels_.push_back(rside_level_register(segment_, "level", values, 2, nullptr));
        histograms_.push_back(rside_histogram_register(segment_, "histogram", values, 2, nullptr));
        shared_.push_back(rside_shared_counter_register(segment_, "shared", &values[1], 1, nullptr));
    }

    rside_segment* segment_;
    std::string thread_;
    std::vector<rside_counter> counters_;
    std::vector<rside_counter_f64> f64s_;
    std::vector<rside_gauge> gauges_;
    std::vector<rside_level> levels_;
    std::vector<rside_histogram> histograms_;
    std::vector<rside_shared_counter> shared_;
};

std::uint64_t total(const plain::Segment& segment, const std::string& metric,
                    const std::function<std::uint64_t(const plain::Series&)>& value) {
    std::uint64_t sum = 0;
    for (const plain::Series& series : segment.series) {
        if (segment.metrics[series.metric].name == metric) sum += value(series);
    }
    return sum;
}

TEST(Threads, RegisterRecordAndCloseWindowsSideBySide) {
    Writer writer(every_kind(), kNow);
    std::atomic<std::uint64_t> ready = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            Vcpu vcpu(writer.segment(), t);
            ++ready;
            while (ready < kThreads) std::this_thread::yield();
            for (std::uint64_t round = 0; round < kRounds; ++round) {
                // One of them moves the time, so that all run into the ends of windows, shared counters together.
                if (t == 0 && round % 4 == 0) rside_tick(writer.segment(), kNow + round * kSecond / 4);
                vcpu.run(round);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();

    plain::Segment segment = writer.decoded();
    EXPECT_EQ(segment.series_count, static_cast<std::uint32_t>(5 * kThreads * kSeries + kSeries));
    EXPECT_EQ(segment.refused_series, 0u);
    EXPECT_EQ(segment.rebases, 0u);
    EXPECT_EQ(total(segment, "counter", [](const plain::Series& series) { return series.value; }), kThreads * kRounds);
    EXPECT_EQ(total(segment, "histogram", [](const plain::Series& series) { return series.hot.count; }),
              kThreads * kRounds);
    for (int n = 0; n < kSeries; ++n) {
        // Registered after n of kSeries parts of the rounds, by each thread.
        std::uint64_t rounds = kRounds - static_cast<std::uint64_t>(n) * (kRounds / kSeries);
        const plain::Series* shared = segment.find("shared", {std::to_string(n)});
        ASSERT_TRUE(shared) << n;
        EXPECT_EQ(shared->value, kThreads * rounds) << n;
        EXPECT_FALSE(shared->turning) << n;
    }
}

// Segments of one process share the fork guard and nothing else.
TEST(Threads, SetUpAndCloseSegmentsSideBySide) {
    agent::TemporaryFolder folder("/dev/shm");
    std::atomic<int> failed = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&] {
            SchemaSpec spec("small");
            spec.tier(1, 4).metric("requests_total", RSIDE_COUNTER);
            rside_options options = plain_options(folder.path(), spec.get());
            options.flags = RSIDE_DEFAULT_FLAGS;
            for (int round = 0; round < 50; ++round) {
                rside_segment *created = nullptr, *attached = nullptr;
                char path[256] = {};
                failed += rside_segment_create(&options, &created, nullptr) != 0;
                failed += rside_segment_provision(&options, path, sizeof path, nullptr) != 0;
                failed += rside_segment_attach(path, nullptr, RSIDE_CLOCK_TICK, options.flags, &attached, nullptr) != 0;
                for (rside_segment* segment : {created, attached}) {
                    rside_counter_add(rside_counter_register(segment, "requests_total", nullptr, 0, nullptr), 1);
                    rside_segment_close(segment, 0, nullptr);
                }
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(files_in(folder.path()).size(), kThreads * 50u * 2);
}

}  // namespace
}  // namespace ringside
