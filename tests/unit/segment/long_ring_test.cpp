// Rings that take more than one view: what a window needs of its neighbours lies in another part of the ring.
#include <algorithm>
#include <random>
#include <span>

#include "tests/unit/segment/segment_fixture.h"

namespace ringside::agent::test {
namespace {

constexpr std::uint64_t kPartBytes = 1 << 20;  // what a view holds of a ring
constexpr std::uint32_t kSlots = 60'000;
constexpr std::uint32_t kOpen = 200'000;  // the open window: the ring has lapped several times
constexpr std::uint32_t kFirst = kOpen - kSlots + 1;

class LongRing : public SegmentReading {
  protected:
    LongRing() {
        builder.tiers = {{1, kSlots, 127}};
        builder.metrics = {{"requests_total", kCounter, 1},
                           {"latency_seconds", kGauge, 1},
                           {"memory_bytes", kLevel, 1},
                           {"io_seconds", kHistogram, 1, {}, 0, "", "", 0, -1, 4}};
        builder.lay_out();
        set_time(kOpen * kSecond);
    }

    // A series with kOpen open, whose ring takes several views.
    std::uint32_t add(const std::string& metric) {
        std::uint32_t series = builder.add(metric);
        builder.set_open(series, kOpen * kSecond);
        EXPECT_EQ(slot_bytes(series) * kSlots > 2 * kPartBytes, metric != "requests_total") << metric;
        return series;
    }

    std::uint64_t slot_bytes(std::uint32_t series) const { return builder.at.metric[series].slot_words[0] * 4; }

    // Where view number `part` begins, the newest being 1: a place to go wrong.
    std::uint32_t part_begin(std::uint32_t series, std::uint64_t part) const {
        return static_cast<std::uint32_t>(kOpen - part * (kPartBytes / slot_bytes(series)));
    }

    // The windows of [first, end), as the reader should give them, with each range that begins or ends at one of `edges`.
    template <typename Expect>
    void expect_in_all_ranges(std::uint32_t series, std::vector<std::uint32_t> edges, Expect expect) {
        std::shared_ptr<LiveSegment> segment = open();
        for (std::uint32_t first : edges) {
            for (std::uint32_t end : edges) {
                if (end <= first) continue;
                ReadRequest request{.begin_ns = first * kSecond, .end_ns = end * kSecond, .open_window = false};
                Result<SeriesData> data = segment->read(series, request);
                ASSERT_TRUE(data) << data.error().message();
                ASSERT_EQ(data->size(), end - first);
                for (std::uint32_t i = 0; i < end - first; ++i) {
                    ASSERT_EQ(data->end_ns[i], (first + i + 1) * kSecond);
                    expect(*data, i, first + i);
                    if (testing::Test::HasFailure())
                        FAIL() << "window " << first + i << " of " << first << " to " << end;
                }
            }
        }
    }

    std::mt19937_64 random{20261121};
};

TEST_F(LongRing, GivesEachObservationOfAGauge) {
    std::uint32_t series = add("latency_seconds");
    auto value = [](std::uint32_t window) { return static_cast<double>(window % 977); };
    for (std::uint32_t w = kFirst; w < kOpen; ++w) {
        builder.gauge_slot(series, 0, w, {w, value(w), value(w), value(w), value(w)});
    }
    builder.set_gauge(series, {1, 1, 1, 1, 1});
    std::uint32_t edge = part_begin(series, 1);
    expect_in_all_ranges(series, {kFirst, edge - 1, edge, edge + 1, part_begin(series, 2), kOpen},
                         [&](const SeriesData& data, std::size_t i, std::uint32_t window) {
                             EXPECT_EQ(data.count[i], window);
                             EXPECT_EQ(data.last[i], value(window));
                         });
}

// Missing windows take the next slot's value, however far away it is, and that slot's upper halves hang on all newer ones.
TEST_F(LongRing, UnwrapsAndCarriesBucketsOverItsParts) {
    std::uint32_t series = add("io_seconds");
    std::vector<std::uint64_t> total(5);
    std::vector<std::vector<std::uint64_t>> expected(kOpen + 1);
    std::uint32_t edge = part_begin(series, 1);
    auto has_slot = [edge](std::uint32_t window) {
        return window + 1 == kOpen || (window % 7 != 3 && (window < edge - 3'000 || window > edge + 40));
    };
    for (std::uint32_t w = kFirst; w < kOpen; ++w) {
        if (has_slot(w)) {
            for (std::uint64_t& bucket : total) bucket += random() % 4 == 0 ? UINT32_MAX : random() % UINT32_MAX;
            std::vector<std::uint32_t> low(total.begin(), total.end());
            builder.histogram_slot(series, 0, w, UINT64_MAX, w, low);
        }
        expected[w] = total;
    }
    for (std::uint32_t w = kOpen - 1; w-- > kFirst;) {
        if (!has_slot(w)) expected[w] = expected[w + 1];
    }
    builder.set_histogram(series, UINT64_MAX, kOpen, total);
    expect_in_all_ranges(
        series, {kFirst, edge - 2'000, edge - 1, edge, edge + 1, part_begin(series, 2), kOpen},
        [&](const SeriesData& data, std::size_t i, std::uint32_t window) {
            EXPECT_TRUE(std::ranges::equal(expected[window], std::span(data.buckets).subspan(i * 5, 5)));
            EXPECT_EQ(data.flags[i], has_slot(window) ? 0 : kPointCarried);
        });
}

// A level that is set now and then: of a run without a record only the last window has a slot.
TEST_F(LongRing, CarriesALevelOverItsParts) {
    std::uint32_t series = add("memory_bytes");
    std::vector<double> last(kOpen);
    std::vector<bool> set(kOpen);
    for (std::uint32_t w = kFirst; w < kOpen; ++w) {
        set[w] = w > kFirst + 500 && random() % 5'000 == 0;
        last[w] = set[w] ? static_cast<double>(random() % 1'000) : (w > kFirst ? last[w - 1] : 7);
    }
    for (std::uint32_t w = kFirst; w < kOpen; ++w) {
        double before = w > kFirst ? last[w - 1] : 7;
        if (set[w]) {
            builder.gauge_slot(
                series, 0, w,
                {kSecond, (before + last[w]) / 2, std::min(before, last[w]), std::max(before, last[w]), last[w]});
        } else if (w + 1 == kOpen || set[w + 1]) {
            builder.gauge_slot(series, 0, w, {kSecond, last[w], last[w], last[w], last[w]});
        }
    }
    double now = last[kOpen - 1];
    builder.set_level(series, {0, 0, now, now, now}, kOpen * kSecond);
    std::uint32_t edge = part_begin(series, 1);
    expect_in_all_ranges(series, {kFirst, kFirst + 1, edge - 1, edge, edge + 1, part_begin(series, 2), kOpen},
                         [&](const SeriesData& data, std::size_t i, std::uint32_t window) {
                             double before = window > kFirst ? last[window - 1] : 7;
                             EXPECT_EQ(data.last[i], last[window]);
                             EXPECT_EQ(data.sum[i], set[window] ? (before + last[window]) / 2 : last[window]);
                             EXPECT_EQ(data.count[i], kSecond);
                         });
}

// Whether windows before the oldest slot had a value is told by slots anywhere in the ring.
TEST_F(LongRing, FindsTheSignOfAnOlderLevelInAnotherPart) {
    std::uint32_t series = builder.add("memory_bytes", {}, (kOpen - kSlots + 10) * kSecond);
    builder.set_open(series, kOpen * kSecond);
    std::uint32_t oldest = part_begin(series, 1);
    builder.gauge_slot(series, 0, oldest, {kSecond, 7, 7, 7, 7});
    builder.gauge_slot(series, 0, kOpen - 1, {kSecond, 7, 7, 7, 7});
    builder.set_level(series, {0, 0, 7, 7, 7}, kOpen * kSecond);
    ReadRequest request{.begin_ns = 0, .end_ns = oldest * kSecond, .open_window = false};
    EXPECT_EQ(read(series, 0, request).size(), 0u);
    builder.set_stamp(series, 0, kOpen - 100, kOpen - 100 - kSlots);
    EXPECT_EQ(read(series, 0, request).size(), oldest - (kOpen - kSlots + 10));
    builder.set_stamp(series, 0, kOpen - 100, 0);
    builder.set_stamp(series, 0, kFirst + 1, kFirst + 1 - kSlots);
    EXPECT_EQ(read(series, 0, request).size(), oldest - (kOpen - kSlots + 10));
}

// Part of the ring was rebased away: what went on is the value of a slot far to the left, before the range that is asked for.
TEST_F(LongRing, CarriesFromALeftNeighbourOutOfTheRange) {
    std::uint32_t level = add("memory_bytes");
    std::uint32_t counter = add("requests_total");
    std::uint32_t set = part_begin(level, 2);
    builder.gauge_slot(level, 0, set, {kSecond, 2, 1, 3, 3});
    builder.set_level(level, {0, 0, 3, 3, 3}, kOpen * kSecond);
    builder.counter_slot(counter, 0, set, 42);
    builder.set_counter(counter, 42);
    ReadRequest request{.begin_ns = (kOpen - 100) * kSecond, .end_ns = (kOpen - 90) * kSecond};
    EXPECT_EQ(read(level, 0, request).last, std::vector<double>(10, 3));
    EXPECT_EQ(read(counter, 0, request).value, std::vector<std::uint64_t>(10, 42));
}

TEST_F(LongRing, RefusesAnAnswerThatTakesTooMuchAndNamesTheNextStep) {
    builder.tiers = {{1, 1'000'000, 127}};
    builder.metrics = {{"memory_bytes", kLevel, 1}};
    builder.lay_out();
    std::uint32_t series = builder.add("memory_bytes");
    builder.set_open(series, 2'000'000 * kSecond);
    builder.set_level(series, {0, 0, 7, 7, 7}, 2'000'000 * kSecond);
    set_time(2'900'000 * kSecond);
    Result<SeriesData> data = open()->read(series, {});
    ASSERT_FALSE(data);
    EXPECT_EQ(data.error().code, Code::kExhausted);
    EXPECT_THAT(data.error().message(), testing::HasSubstr("ask for a shorter one"));
    ReadRequest request{.begin_ns = 2'000'000 * kSecond};
    EXPECT_EQ(read(series, 0, request).size(), 900'000u);
}

}  // namespace
}  // namespace ringside::agent::test
