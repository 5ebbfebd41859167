// The reader against the real writer: at full speed in another process, and killed at random instants.
//
// The writer moves its own clock. In window w (a second) it records `rounds` times: adds 1 to the counter, records w into the
// gauge, sets the level to w at the begin, and 1 and 4 in turn into the histogram. So every window, and every sum over
// windows, is known, and a window mixed from two others shows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ringside/ringside.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <map>
#include <random>
#include <tuple>

#include "agent/segment/open.h"
#include "tests/support/child_process.h"
#include "tests/support/open_segment.h"
#include "tests/support/plain_segment.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent::test {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kFirst = 1'000'000;  // the first window, also of the 5 s tier

bool soak() { return std::getenv("RINGSIDE_SOAK") != nullptr; }

// Shared with the writer: how far it got, by its own count.
struct Tally {
    std::atomic<std::uint64_t> records;  // finished rounds of counter, gauge and histogram
    std::atomic<std::uint64_t> window;   // of the last finished set of the level
};

// Dead segments with a series inside of what a kill can interrupt.
struct Interrupted {
    int updates = 0, turns = 0, stale = 0;

    void add(const plain::Segment& dead) {
        auto any = [&](bool plain::Series::*is) { return std::ranges::any_of(dead.series, is); };
        updates += any(&plain::Series::half_done);
        turns += any(&plain::Series::turning);
        stale += any(&plain::Series::stale);
    }
    bool all() const { return updates > 0 && turns > 0 && stale > 0; }
};

class SegmentUnderWriter : public testing::Test {
  protected:
    enum : std::uint32_t { kCounter, kGauge, kLevel, kHistogram };

    SegmentUnderWriter() {
        const char* names[] = {"c_total", "g", "l", "h"};
        const std::uint8_t kinds[] = {RSIDE_COUNTER, RSIDE_GAUGE, RSIDE_LEVEL, RSIDE_HISTOGRAM};
        for (int i = 0; i < 4; ++i) {
            metrics[i].name = names[i];
            metrics[i].kind = kinds[i];
            metrics[i].max_series = 1;
        }
        metrics[3].histogram_scale = 0;
        metrics[3].histogram_lowest = 0.5;
        metrics[3].histogram_highest = 8;
        schema.name = "speed";
        schema.tiers = tiers;
        schema.tier_count = 2;
        schema.metrics = metrics;
        schema.metric_count = 4;
        directory = folder.path();
        rside_options_init(&writer_options);
        writer_options.vm_id = "vm-1";
        writer_options.schema = &schema;
        writer_options.clock = RSIDE_CLOCK_TICK;
        writer_options.directory = directory.c_str();
        options.now = [] { return (kFirst + 100'000'000) * kSecond; };  // the tick is behind it at all times
        tally = static_cast<Tally*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    }
    ~SegmentUnderWriter() override { ::munmap(tally, 4096); }

    // Never returns.
    void write(const ChildProcess::Link& link) {
        rside_segment* segment = nullptr;
        if (rside_segment_create(&writer_options, &segment, nullptr) < 0) ::_exit(1);
        std::uint64_t window = kFirst;
        rside_tick(segment, window * kSecond);
        rside_counter counter = rside_counter_register(segment, "c_total", nullptr, 0, nullptr);
        rside_gauge gauge = rside_gauge_register(segment, "g", nullptr, 0, nullptr);
        rside_level level = rside_level_register(segment, "l", nullptr, 0, nullptr);
        rside_histogram histogram = rside_histogram_register(segment, "h", nullptr, 0, nullptr);
        std::uint64_t records = 0;
        for (;; ++window) {
            rside_tick(segment, window * kSecond);
            rside_level_set(level, static_cast<double>(window));
            tally->window.store(window, std::memory_order_relaxed);
            for (std::uint64_t i = 0; i < rounds; ++i, ++records) {
                rside_counter_add(counter, 1);
                rside_gauge_record(gauge, static_cast<double>(window));
                rside_histogram_record(histogram, i % 2 == 0 ? 1.0 : 4.0);
                tally->records.store(records + 1, std::memory_order_relaxed);
            }
            if (window == kFirst + ready_after) link.say('r');  // there is something to read
            if (nap_us > 0 && window >= kFirst + ready_after) ::usleep(nap_us);
        }
    }

    std::shared_ptr<LiveSegment> open() { return open_only_segment(folder.path(), *layouts, options); }

    static std::uint64_t window_of(const SeriesData& data, std::size_t i, std::uint64_t resolution) {
        return (data.end_ns[i] - 1) / kSecond / resolution * resolution;
    }
    static bool whole(const SeriesData& data, std::size_t i) {
        return (data.flags[i] & (kPointOpen | kPointPartial)) == 0;
    }

    // What must hold of closed windows in a tier of `resolution` seconds.
    void check(std::uint32_t series, const SeriesData& data, std::uint64_t resolution) {
        for (std::size_t i = 0; i < data.size(); ++i) {
            std::uint64_t first = window_of(data, i, resolution);
            std::uint64_t all = rounds * resolution;
            std::uint64_t before = (first - kFirst) * rounds;
            ++windows;
            double sum = 0;
            for (std::uint64_t w = first; w < first + resolution; ++w) sum += static_cast<double>(w);
            switch (series) {
                case kCounter:
                    if (whole(data, i)) {
                        ASSERT_EQ(data.value[i], before + all);
                    } else {
                        ASSERT_GE(data.value[i], before);
                        ASSERT_LE(data.value[i], before + all);
                    }
                    break;
                case kGauge:
                    ASSERT_EQ(data.min[i], static_cast<double>(first));
                    if (!whole(data, i)) break;
                    ASSERT_EQ(data.count[i], all);
                    ASSERT_EQ(data.sum[i], sum * static_cast<double>(rounds));
                    ASSERT_EQ(data.max[i], static_cast<double>(first + resolution - 1));
                    ASSERT_EQ(data.last[i], static_cast<double>(first + resolution - 1));
                    break;
                case kLevel:
                    if (!whole(data, i)) break;
                    ASSERT_EQ(data.count[i], resolution * kSecond);
                    ASSERT_EQ(data.sum[i], sum);
                    ASSERT_EQ(data.min[i], static_cast<double>(first == kFirst ? first : first - 1));
                    ASSERT_EQ(data.last[i], static_cast<double>(first + resolution - 1));
                    break;
                default: {
                    const std::uint64_t* buckets = &data.buckets[i * (data.buckets.size() / data.size())];
                    std::uint64_t ones = buckets[2];   // (0.5, 1]; bucket 1 is (0.25, 0.5]
                    std::uint64_t fours = buckets[4];  // (2, 4]
                    ASSERT_EQ(data.count[i], ones + fours);
                    ASSERT_EQ(data.sum[i], static_cast<double>(ones + 4 * fours));
                    ASSERT_LE(ones - fours, 1u);
                    if (!whole(data, i)) break;
                    ASSERT_EQ(data.count[i], before + all);
                }
            }
        }
    }

    // What must hold of the last window of a dead writer. Its own count is the oracle: at most the record in hand more.
    void check_end(std::uint32_t series, const SeriesData& data, std::uint64_t resolution) {
        std::size_t i = data.size() - 1;
        std::uint64_t records = tally->records, first = window_of(data, i, resolution);
        switch (series) {
            case kCounter: return expect_or_one_more(data.value[i], records);
            case kHistogram: return expect_or_one_more(data.count[i], records);
            case kGauge: {
                std::uint64_t before = (first - kFirst) * rounds;
                expect_or_one_more(before + data.count[i], records);
                double sum = 0;
                for (std::uint64_t r = before; r < before + data.count[i]; ++r) {
                    sum += static_cast<double>(kFirst + r / rounds);
                }
                ASSERT_EQ(data.sum[i], sum);
                ASSERT_EQ(data.max[i], static_cast<double>(kFirst + (before + data.count[i] - 1) / rounds));
                ASSERT_EQ(data.last[i], data.max[i]);
                return;
            }
            default: {
                // Every value but the last was held for a second.
                expect_or_one_more(static_cast<std::uint64_t>(data.last[i]), tally->window);
                std::uint64_t end = data.end_ns[i] / kSecond, rest_ns = data.end_ns[i] % kSecond;
                double sum = data.last[i] * static_cast<double>(rest_ns) / 1e9;
                for (std::uint64_t w = first; w < end; ++w) sum += static_cast<double>(w);
                ASSERT_EQ(data.count[i], data.end_ns[i] - first * kSecond);
                ASSERT_DOUBLE_EQ(data.sum[i], sum);
            }
        }
    }
    static void expect_or_one_more(std::uint64_t found, std::uint64_t finished) {
        ASSERT_GE(found, finished);
        ASSERT_LE(found, finished + 1);
    }

    TemporaryFolder folder{"/dev/shm"};
    std::string directory;
    rside_tier tiers[2] = {{1, 20, 0}, {5, 12, 0}};
    std::uint64_t ready_after = 3;  // windows
    useconds_t nap_us = 0;          // after each window from then on
    std::uint64_t rounds = 40;      // an even number
    rside_metric metrics[4] = {};
    rside_schema schema{};
    rside_options writer_options;
    Tally* tally;
    std::shared_ptr<LayoutCache> layouts = make_layout_cache();
    OpenOptions options;
    std::uint64_t windows = 0;
};

TEST_F(SegmentUnderWriter, ReadsNoTornWindowAtFullSpeed) {
    ChildProcess writer([&](const ChildProcess::Link& link) { write(link); });
    ASSERT_EQ(writer.hear(), 'r');
    std::shared_ptr<LiveSegment> segment = open();
    ASSERT_TRUE(segment);
    std::uint64_t reads = soak() ? 4'000'000 : 100'000;
    std::uint64_t busy = 0, begin = tally->records;
    for (std::uint64_t i = 0; i < reads; ++i) {
        ReadRequest request;
        request.tier = static_cast<std::uint32_t>(i / 4 % 2);
        auto series = static_cast<std::uint32_t>(i % 4);
        Result<SeriesData> data = segment->read(series, request);
        if (!data) {
            ASSERT_EQ(data.error().code, Code::kUnavailable) << data.error().message();
            ++busy;
            continue;
        }
        ASSERT_NO_FATAL_FAILURE(check(series, *data, request.tier == 0 ? 1 : 5)) << "series " << series;
    }
    // The reader met the writer at work, and yet read most of the time.
    EXPECT_GT(tally->records - begin, rounds * 1000);
    EXPECT_GT(segment->stats().retries, 100u);
    EXPECT_LT(busy, reads / 2);
    EXPECT_GT(windows, reads);
    EXPECT_EQ(segment->stats().inconsistent_windows, 0u);
    EXPECT_EQ(segment->stats().corrupt, 0u);
}

// Rings that are read in several parts, each at another moment of the writer.
TEST_F(SegmentUnderWriter, FitsThePartsOfALongRingTogether) {
    tiers[0].slots = 60'000;
    ready_after = 130'000;
    nap_us = 1'000;
    ChildProcess writer([&](const ChildProcess::Link& link) { write(link); });
    ASSERT_EQ(writer.hear(), 'r');
    std::shared_ptr<LiveSegment> segment = open();
    ASSERT_TRUE(segment);
    int turned = 0;
    for (int reads = 0; reads < 20'000 && turned < 10; ++reads) {
        std::uint32_t series = kGauge + static_cast<std::uint32_t>(reads % 3);
        std::uint64_t begin = tally->records;
        Result<SeriesData> data = segment->read(series, {});
        if (!data && data.error().code == Code::kUnavailable) continue;
        ASSERT_TRUE(data) << data.error().message();
        // Windows closed within the read, each over the oldest slot; there can be one more.
        std::uint64_t closed = (tally->records - begin) / rounds;
        if (closed == 0) continue;
        ++turned;
        ASSERT_GE(data->size() + closed + 1, 60'000u);
        for (std::size_t i = 1; i < data->size(); ++i) ASSERT_EQ(data->end_ns[i], data->end_ns[i - 1] + kSecond);
        ASSERT_NO_FATAL_FAILURE(check(series, *data, 1)) << "series " << series;
    }
    EXPECT_EQ(turned, 10);
    EXPECT_EQ(segment->stats().inconsistent_windows, 0u);
}

TEST_F(SegmentUnderWriter, SettlesEveryKillToWhatWasRecorded) {
    std::mt19937_64 random(std::random_device{}());
    rounds = 4;  // most of the work is closing windows
    const int kills = soak() ? 5000 : 200, most_kills = 20'000;
    Interrupted interrupted;
    int i = 0;
    for (; i < kills || (!interrupted.all() && i < most_kills); ++i) {
        tally->records = 0;
        ChildProcess writer([&](const ChildProcess::Link& link) { write(link); });
        ASSERT_EQ(writer.hear(), 'r');
        ::usleep(static_cast<useconds_t>(random() % 400));
        writer.kill();
        std::shared_ptr<LiveSegment> segment = open();
        ASSERT_TRUE(segment);
        std::string path = folder / segment->name().text(), error;
        interrupted.add(plain::decode_file(path, &error));
        ASSERT_EQ(error, "");
        ASSERT_EQ(segment->probe().life, Life::kDead);
        ASSERT_TRUE(segment->settle());
        for (std::uint32_t series = 0; series < 4; ++series) {
            for (std::uint32_t tier = 0; tier < 2; ++tier) {
                ReadRequest request;
                request.tier = tier;
                Result<SeriesData> data = segment->read(series, request);
                ASSERT_TRUE(data) << data.error().message();
                ASSERT_GT(data->size(), 0u);
                ASSERT_NO_FATAL_FAILURE(check(series, *data, tier == 0 ? 1 : 5)) << "series " << series;
                ASSERT_NO_FATAL_FAILURE(check_end(series, *data, tier == 0 ? 1 : 5)) << "series " << series;
            }
        }
        ASSERT_EQ(::unlink(path.c_str()), 0);
    }
    // A test that never hits what it is for proves nothing.
    EXPECT_TRUE(interrupted.all()) << "of " << i << " writers, " << interrupted.updates << " died inside an update, "
                                   << interrupted.turns << " inside a turn, " << interrupted.stale
                                   << " just past the commit of one";
}

// A window that the reader has called closed is pushed to others and never comes again: what the writer makes of it later must
// have the same bits.
TEST_F(SegmentUnderWriter, ClosesIdleWindowsAsTheWriterWill) {
    rside_segment* writer = nullptr;
    ASSERT_EQ(rside_segment_create(&writer_options, &writer, nullptr), 0);
    std::uint64_t now = kFirst * kSecond;
    rside_tick(writer, now);
    rside_counter counter = rside_counter_register(writer, "c_total", nullptr, 0, nullptr);
    rside_gauge gauge = rside_gauge_register(writer, "g", nullptr, 0, nullptr);
    rside_level level = rside_level_register(writer, "l", nullptr, 0, nullptr);
    rside_histogram histogram = rside_histogram_register(writer, "h", nullptr, 0, nullptr);
    std::shared_ptr<LiveSegment> segment = open();
    ASSERT_TRUE(segment);

    using Bits = std::vector<std::uint64_t>;
    std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint64_t>, Bits> seen;
    std::uint64_t compared = 0, grown = 0;
    auto look = [&] {
        for (std::uint32_t series = 0; series < 4; ++series) {
            for (std::uint32_t tier = 0; tier < 2; ++tier) {
                ReadRequest request;
                request.tier = tier;
                request.open_window = false;
                Result<SeriesData> data = segment->read(series, request);
                ASSERT_TRUE(data) << data.error().message();
                for (std::size_t i = 0; i < data->size(); ++i) {
                    Bits bits;
                    for (const auto* column : {&data->count, &data->value}) {
                        if (!column->empty()) bits.push_back((*column)[i]);
                    }
                    for (const auto* column : {&data->sum, &data->min, &data->max, &data->last}) {
                        if (!column->empty()) bits.push_back(std::bit_cast<std::uint64_t>((*column)[i]));
                    }
                    std::size_t stride = data->buckets.size() / data->size();
                    for (std::size_t b = 0; b < stride; ++b) bits.push_back(data->buckets[i * stride + b]);
                    auto [at, fresh] = seen.emplace(std::tuple(series, tier, data->end_ns[i]), bits);
                    ASSERT_EQ(at->second, bits)
                        << "series " << series << " tier " << tier << " end " << data->end_ns[i];
                    ++(fresh ? grown : compared);
                }
            }
        }
    };
    std::mt19937_64 random(11);
    for (int i = 0; i < 4000; ++i) {
        // Fractions of a second mostly, at times several windows, now and then more than the ring.
        std::uint64_t step = random() % (random() % 50 == 0  ? 90 * kSecond
                                         : random() % 5 == 0 ? 8 * kSecond
                                                             : kSecond / 2);
        now += step;
        rside_tick(writer, now);
        ASSERT_NO_FATAL_FAILURE(look());
        double value = static_cast<double>(random() % 1000000) / 7.0;
        if (random() % 2 == 0) rside_counter_add(counter, random() % 100);
        if (random() % 2 == 0) rside_gauge_record(gauge, value - 70000);
        if (random() % 2 == 0) rside_level_set(level, value);
        if (random() % 2 == 0) rside_histogram_record(histogram, value / 10000);
        ASSERT_NO_FATAL_FAILURE(look());
    }
    EXPECT_GT(grown, 5000u);
    EXPECT_GT(compared, 100000u);
    rside_segment_close(writer, 0, nullptr);
}

}  // namespace
}  // namespace ringside::agent::test
